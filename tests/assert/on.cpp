// SPDX-License-Identifier: BSL-1.0
#undef NDEBUG
#define PART on
#include "part.inc"
