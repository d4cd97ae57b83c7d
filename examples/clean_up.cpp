// SPDX-License-Identifier: BSL-1.0

// Clean-up that happens: when its object dies, by hand, or at the latest when the program ends. A scratch
// folder's class needs no destructor for it, and an object that is still there at exit is cleaned up too.
// Run it without arguments: it makes three folders below the system's temporary one, and leaves none.

#include <weakref/weakref.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

namespace {

struct Scratch {
  std::filesystem::path folder;
  // Dropping a handle cancels nothing; keeping one is for calling it early, or for changing one's mind.
  weakref::finalize<> removal;
};

std::shared_ptr<Scratch> make_scratch(const std::string& name) {
  auto scratch = weakref::make_tracked<Scratch>();
  scratch->folder = std::filesystem::temp_directory_path() / ("weakref-clean-up-" + name);
  std::filesystem::create_directories(scratch->folder);
  std::ofstream(scratch->folder / "notes.txt") << "some work in progress\n";
  // What the function needs it gets as a copy: if it owned the object, that would never die.
  scratch->removal = weakref::finalize(scratch, [folder = scratch->folder] {
    std::cout << "removing " << folder.filename().string() << '\n';
    std::filesystem::remove_all(folder);
  });
  return scratch;
}

std::shared_ptr<Scratch> kept_to_the_end;
std::filesystem::path last_folder;

// Registered before the first finalizer, and so called after all of them.
void check_at_the_very_end() {
  if (std::filesystem::exists(last_folder)) std::_Exit(1);
}

} // namespace

int main() {
  std::atexit(check_at_the_very_end);

  auto by_death = make_scratch("by-death");
  const auto first = by_death->folder;
  by_death.reset();

  auto by_hand = make_scratch("by-hand");
  const bool did = by_hand->removal();
  const bool again = by_hand->removal(); // at most once

  kept_to_the_end = make_scratch("at-exit");
  last_folder = kept_to_the_end->folder;

  const bool right = !std::filesystem::exists(first) && did && !again &&
                     !std::filesystem::exists(by_hand->folder) && std::filesystem::exists(last_folder);
  std::cout << "the end of main\n";
  return right ? 0 : 1;
}
