// SPDX-License-Identifier: BSL-1.0
//
// static_order CONTAINER WAY FIRST: a container and the owner of what is in it both go at the end of the program.
//   CONTAINER  value key set untracked created ref
//   WAY        block (make_tracked) or base (enable_weakref)
//   FIRST      who is destroyed first: container or owner; with thread_ before it on a thread of their own, both
//              thread_local; or mixed: one is main's thread_local, the other static
//
// Promised: static and thread_local containers, owners and refs may be destroyed in any order, at the end of the
// program or of a thread; each entry leaves once, and each callback is called if its ref is still there.
// Refused, and undefined: using a container after its own destruction, as with every other type.
#include <weakref/weakref.hpp>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "support/child_output.hpp"

namespace {

using support::say;

struct thing {
  thing() = default;
  thing(const thing&) = delete;
  thing& operator=(const thing&) = delete;
  virtual ~thing() { say("~thing"); }
};
struct self_tracked_thing : weakref::enable_weakref, thing {};
using owner = std::shared_ptr<thing>;

// A key or a mapped value that says when it ends.
class spoken {
 public:
  explicit spoken(const char* word) noexcept : word_(word) {}
  spoken(spoken&& other) noexcept : word_(std::exchange(other.word_, nullptr)) {}
  spoken& operator=(spoken&& other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  ~spoken() {
    if (word_ != nullptr) say(word_);
  }
  friend bool operator==(const spoken&, const spoken&) noexcept { return true; }
  friend std::size_t hash_value(const spoken&) noexcept { return 1; }

 private:
  const char* word_;
};

template <class Container> struct ending : Container {
  using Container::Container;
  ending() = default;
  ending(const ending&) = delete;
  ending& operator=(const ending&) = delete;
  ~ending() { say("~container"); }
};

const auto says_called = [] { say("called"); };
using watcher = weakref::ref<thing, decltype(says_called)>;

std::string_view way;
owner make() {
  if (way == "base") return std::make_shared<self_tracked_thing>();
  return weakref::make_tracked<thing>();
}

using value_dictionary = ending<weakref::WeakValueDictionary<spoken, thing>>;
using key_dictionary = ending<weakref::WeakKeyDictionary<thing, spoken>>;
using set = ending<weakref::WeakSet<thing>>;
struct untracked_dictionary : value_dictionary {
  untracked_dictionary() : value_dictionary(weakref::options{.accept_untracked = true}) {}
};
struct creating_dictionary : value_dictionary {};

// The watcher is made first, so it is there until both have gone; it watches the object unless that is untracked.
void fill(value_dictionary& to, owner& object, std::optional<watcher>& watch) {
  to.insert(spoken("~key"), object = make());
  watch.emplace(object, says_called);
}
void fill(key_dictionary& to, owner& object, std::optional<watcher>& watch) {
  to.insert(object = make(), spoken("~value"));
  watch.emplace(object, says_called);
}
void fill(set& to, owner& object, std::optional<watcher>& watch) {
  to.add(object = make());
  watch.emplace(object, says_called);
}
void fill(untracked_dictionary& to, owner& object, std::optional<watcher>&) {
  to.insert(spoken("~key"), object = std::make_shared<thing>());
}
void fill(creating_dictionary& to, owner& object, std::optional<watcher>& watch) {
  object = to.get_or_create(spoken("~key"), [] { return std::make_unique<thing>(); });
  watch.emplace(object, says_called);
}
// Here the ref is the "container".
struct ref_alone : std::optional<watcher> {
  ~ref_alone() { say("~container"); }
};
void fill(ref_alone& to, owner& object, std::optional<watcher>&) { to.emplace(object = make(), says_called); }

// What is constructed last is destroyed first.
template <class Container> void leave(std::string_view first) {
  if (first == "container") {
    static std::optional<watcher> watch;
    static owner object;
    static Container container;
    fill(container, object, watch);
  } else if (first == "owner") {
    static std::optional<watcher> watch;
    static Container container;
    static owner object;
    fill(container, object, watch);
  } else if (first == "mixed_container") {
    static std::optional<watcher> watch;
    static owner object;
    thread_local Container container; // main's go before all that is static
    fill(container, object, watch);
  } else if (first == "mixed_owner") {
    static std::optional<watcher> watch;
    thread_local owner object;
    static Container container;
    fill(container, object, watch);
  } else {
    std::thread([first] {
      if (first == "thread_container") {
        thread_local std::optional<watcher> watch;
        thread_local owner object;
        thread_local Container container;
        fill(container, object, watch);
      } else {
        thread_local std::optional<watcher> watch;
        thread_local Container container;
        thread_local owner object;
        fill(container, object, watch);
      }
    }).join();
    say("joined");
  }
}

} // namespace

int main(int count, char** words) {
  if (count != 4) return 97;
  const std::string_view container = words[1], first = words[3];
  way = words[2];
  if (container == "value") leave<value_dictionary>(first);
  if (container == "key") leave<key_dictionary>(first);
  if (container == "set") leave<set>(first);
  if (container == "untracked") leave<untracked_dictionary>(first);
  if (container == "created") leave<creating_dictionary>(first);
  if (container == "ref") leave<ref_alone>(first);
  return 0;
}
