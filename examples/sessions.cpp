// SPDX-License-Identifier: BSL-1.0

// Sessions by number, whose shared_ptrs come from somebody else's library and know nothing of this one. Such
// an object can't tell its death, so the dictionary must be told to take it: its entry is invisible from the
// moment of death, and its memory is found again by later operations. Run it without arguments; it exits with
// 1 if anything is not as it says.

#include <weakref/weakref.hpp>

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

// Stands for a library that one can't change.
namespace third_party {
struct Session {
  int number;
  std::string user;
};
inline std::shared_ptr<Session> log_in(int number, std::string user) {
  return std::make_shared<Session>(Session{number, std::move(user)});
}
} // namespace third_party

int main() {
  using Sessions = weakref::WeakValueDictionary<int, third_party::Session>;

  // Without being told, a dictionary refuses what it could not keep its promise for, and says what would help.
  Sessions strict;
  bool refused = false;
  try {
    strict.insert(1, third_party::log_in(1, "ada"));
  } catch (const weakref::untracked_error& error) {
    refused = true;
    std::cout << "refused: " << error.what() << '\n';
  }

  Sessions sessions({.accept_untracked = true});
  auto ada = third_party::log_in(1, "ada");
  sessions.insert(1, ada);
  std::cout << "session 1: " << sessions.at(1)->user << '\n';
  ada.reset();
  const bool gone = !sessions.contains(1);
  std::cout << "session 1 after the logout: " << (gone ? "none" : "still there") << '\n';

  // A day of logins and logouts: the dead entries go as the living come, and the table does not grow.
  std::size_t most = 0;
  for (int number = 0; number < 100000; ++number) {
    sessions.insert(number, third_party::log_in(number, "somebody"));
    most = std::max(most, sessions.size());
  }
  std::cout << "most entries at a time: " << most << '\n';
  return refused && gone && most < 100 ? 0 : 1;
}
