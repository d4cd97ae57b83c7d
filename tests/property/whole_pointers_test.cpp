// SPDX-License-Identifier: BSL-1.0
//
// The table as it is where slots keep whole pointers, and no part of a hash: all of table_model_test once more.
#define WEAKREF_WHOLE_POINTERS
#include "table_model_test.cpp"
