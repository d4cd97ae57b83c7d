// SPDX-License-Identifier: BSL-1.0
#ifndef NDEBUG
#define NDEBUG
#endif
#define PART off
#include "part.inc"
