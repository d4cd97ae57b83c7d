// SPDX-License-Identifier: BSL-1.0
// Linked with one source per header: a function or variable defined in a header without `inline` shows up
// here.
int main() {}
