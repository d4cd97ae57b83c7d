// SPDX-License-Identifier: BSL-1.0
#include "target.hpp"

#include "../property/family_script.hpp"

std::string fuzz::run(bytes input) { return model::family_script(input, {}).run(); }

const char* const fuzz::corpus[] = {
#include "corpus/family.inc"
    nullptr};
