// SPDX-License-Identifier: BSL-1.0
#include <weakref/errors.hpp>

#include <weakref/ref.hpp>
#include <weakref/referent.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/child.hpp"
#include "support/counted.hpp"
#include "support/threads.hpp"
#include "support/unraisable.hpp"

namespace {

static_assert(std::is_base_of_v<std::invalid_argument, weakref::untracked_error>);
static_assert(std::is_base_of_v<std::runtime_error, weakref::ReferenceError>);
static_assert(std::is_same_v<weakref::unraisable_hook, std::function<void(std::exception_ptr)>>);

struct tally {
  int* heard;
  void operator()() const { ++*heard; }
};

class telescope {};

template <class T> std::string refusal(const std::shared_ptr<T>& owner) {
  int heard = 0;
  try {
    const weakref::ref<T, tally> watcher(owner, tally{&heard});
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

bool names_the_remedies(const std::string& message) {
  for (const char* remedy : {"make_tracked", "enable_weakref", "adopt"}) {
    if (message.find(remedy) == std::string::npos) return false;
  }
  return true;
}

// Gives memory at an address that no table can hold, where nothing is, while it is told to.
struct far_memory {
  static inline bool is_chosen = false;
  static inline int given = 0;
  static inline int taken_back = 0;
};
template <class T> struct far_allocator {
  using value_type = T;
  far_allocator() = default;
  template <class U> far_allocator(const far_allocator<U>&) noexcept {}
  T* allocate(std::size_t count) {
    if (!far_memory::is_chosen) return std::allocator<T>().allocate(count);
    ++far_memory::given;
    return far();
  }
  void deallocate(T* memory, std::size_t count) noexcept {
    if (memory != far()) return std::allocator<T>().deallocate(memory, count);
    ++far_memory::taken_back;
  }
  bool operator==(const far_allocator&) const = default;

 private:
  static T* far() noexcept { return reinterpret_cast<T*>(std::uintptr_t{1} << 48); }
};

// The operation needs a node; that is refused, and what was there stays.
template <class Operation> void check_too_far(Operation operation) {
  const int given = far_memory::given;
  const int taken_back = far_memory::taken_back;
  far_memory::is_chosen = true;
  std::string message;
  try {
    operation();
  } catch (const weakref::address_error& error) {
    message = error.what();
  }
  far_memory::is_chosen = false;
  CHECK(message.find("48 bits") != std::string::npos);
  CHECK(message.find("1000000000000") != std::string::npos);
  CHECK(far_memory::given == given + 1);
  CHECK(far_memory::taken_back == taken_back + 1);
}

// What the process writes on stderr while this lives.
class captured_stderr {
 public:
  captured_stderr() : file_(std::tmpfile()), saved_(dup(STDERR_FILENO)) {
    std::fflush(stderr);
    dup2(fileno(file_), STDERR_FILENO);
  }
  captured_stderr(const captured_stderr&) = delete;
  captured_stderr& operator=(const captured_stderr&) = delete;
  ~captured_stderr() {
    restore();
    std::fclose(file_);
  }
  std::string text() {
    restore();
    std::string all;
    std::rewind(file_);
    for (int c = std::fgetc(file_); c != EOF; c = std::fgetc(file_)) all += static_cast<char>(c);
    return all;
  }

 private:
  void restore() {
    if (saved_ == -1) return;
    std::fflush(stderr);
    dup2(saved_, STDERR_FILENO);
    close(saved_);
    saved_ = -1;
  }
  std::FILE* file_;
  int saved_;
};

template <class Exception> void die_with(Exception exception) {
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref watcher(owner, [&exception] { throw exception; });
  owner.reset();
}

TEST_CASE("untracked_error: names the type, and the remedies that help") {
  const auto tracked = weakref::make_tracked<telescope>();
  const auto message = refusal(std::make_shared<telescope>());
  CHECK(message.find("telescope") != std::string::npos);
  CHECK(names_the_remedies(message));
  // No way of making an object helps where there is none.
  for (const auto& owner :
       {std::shared_ptr<telescope>(), std::shared_ptr<telescope>(std::shared_ptr<int>(), tracked.get())}) {
    const auto of_nothing = refusal(owner);
    CHECK(of_nothing.find("telescope") != std::string::npos);
    CHECK_FALSE(names_the_remedies(of_nothing));
    CHECK(of_nothing.find("make_tracked") == std::string::npos);
  }
  CHECK(refusal(std::shared_ptr<std::string>(new std::string)).find("string") != std::string::npos);
  CHECK(refusal(std::make_shared<int>(1))
            .starts_with("weakref: an untracked object of type int was given to "));
  for (const auto& owner :
       {std::shared_ptr<int>(), std::shared_ptr<int>(weakref::make_tracked<int>(1), nullptr),
        std::shared_ptr<int>(std::shared_ptr<int>(), std::make_shared<int>(1).get())})
    CHECK(refusal(owner).starts_with("weakref: a null or ownerless pointer to int was given to "));
  CHECK(refusal(tracked).empty());
  // It is no remedy to construct a ref with an option.
  CHECK(refusal(std::make_shared<int>(1)).ends_with("through weakref::adopt."));
}

TEST_CASE("untracked_error: can be copied and caught as what it is") {
  try {
    const weakref::ref<int, tally> watcher(std::make_shared<int>(1), tally{nullptr});
    FAIL("accepted");
  } catch (const weakref::untracked_error& error) {
    const weakref::untracked_error copy = error;
    CHECK(std::string(copy.what()) == error.what());
    CHECK(names_the_remedies(copy.what()));
  }
}

TEST_CASE("address_error: memory beyond 48 bits is refused for an entry, and nothing is lost") {
  static_assert(std::is_base_of_v<std::runtime_error, weakref::address_error>);
  const auto one = weakref::make_tracked<int>(1), two = weakref::make_tracked<int>(2);
  const std::vector<std::pair<int, std::shared_ptr<int>>> pairs{{1, two}, {2, two}};
  weakref::WeakValueDictionary<int, int, weakref::hash<int>, std::equal_to<>, far_allocator<int>> values;
  values.insert(1, one);
  check_too_far([&] { values.insert(2, two); });
  check_too_far([&] { values.insert_or_assign(1, two); });
  check_too_far([&] { values.setdefault(2, two); });
  check_too_far([&] { values.update(pairs); });
  check_too_far([&] {
    static_cast<void>(values.get_or_create(2, [&] {
      FAIL_CHECK("the factory is asked for what can't be stored");
      return two;
    }));
  });
  CHECK(values.size() == 1);
  CHECK(values.get(1) == one);
  weakref::WeakKeyDictionary<int, std::string, weakref::by_identity, weakref::by_identity, far_allocator<int>>
      keys;
  keys.insert(one, "one");
  check_too_far([&] { keys.insert(two, "two"); });
  check_too_far([&] { keys.insert_or_assign(one, "other"); });
  CHECK(keys.size() == 1);
  CHECK(keys.get(one) == "one");
  weakref::WeakSet<int, weakref::by_identity, weakref::by_identity, far_allocator<int>> set;
  set.add(one);
  check_too_far([&] { set.add(two); });
  check_too_far([&] { static_cast<void>(set.get_or_add(two)); });
  CHECK(set.size() == 1);
  CHECK(weakref::getweakrefcount(one) == 3);
  CHECK(weakref::getweakrefcount(two) == 0);
  CHECK(values.insert(2, two).second);
  CHECK(keys.insert(two, "two"));
  CHECK(set.add(two));
}

TEST_CASE("set_unraisable_hook: gives the previous hook back") {
  std::string heard;
  const auto first =
      weakref::set_unraisable_hook([&heard](std::exception_ptr e) { heard += "1" + support::message_of(e); });
  CHECK_FALSE(static_cast<bool>(first)); // the default
  die_with(std::runtime_error("a"));
  auto second =
      weakref::set_unraisable_hook([&heard](std::exception_ptr e) { heard += "2" + support::message_of(e); });
  REQUIRE(static_cast<bool>(second));
  die_with(std::runtime_error("b"));
  second(std::make_exception_ptr(std::runtime_error("c")));
  weakref::set_unraisable_hook(std::move(second));
  die_with(std::runtime_error("d"));
  weakref::set_unraisable_hook(nullptr);
  CHECK(heard == "1a2b1c1d");
}

TEST_CASE("set_unraisable_hook: without a hook there is one line on stderr") {
  std::string text;
  {
    captured_stderr output;
    die_with(std::runtime_error("the lamp is broken"));
    text = output.text();
  }
  CHECK(text.find("the lamp is broken") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.back() == '\n');
  {
    captured_stderr output;
    die_with(42);
    text = output.text();
  }
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.back() == '\n');
}

TEST_CASE("set_unraisable_hook: a hook that throws does not stop the death") {
  int heard = 0;
  auto previous = weakref::set_unraisable_hook([](std::exception_ptr e) { std::rethrow_exception(e); });
  auto owner = weakref::make_tracked<int>(1);
  const weakref::ref older(owner, tally{&heard});
  const weakref::ref newer(owner, [] { throw std::runtime_error("again"); });
  std::string text;
  {
    captured_stderr output;
    owner.reset();
    text = output.text();
  }
  CHECK(heard == 1);
  weakref::set_unraisable_hook(std::move(previous));
}

TEST_CASE("set_unraisable_hook: a hook may replace itself while it runs") {
  static int calls = 0;
  static int replaced = 0;
  calls = 0;
  replaced = 0;
  auto previous = weakref::set_unraisable_hook([big = std::make_shared<int>(1)](std::exception_ptr) {
    weakref::set_unraisable_hook([](std::exception_ptr) { ++replaced; });
    calls += *big; // still there
  });
  die_with(1);
  die_with(2);
  CHECK(calls == 1);
  CHECK(replaced == 1);
  weakref::set_unraisable_hook(std::move(previous));
}

TEST_CASE("set_unraisable_hook: a hook may let further objects die with callbacks that throw") {
  static int depth = 0;
  depth = 0;
  auto previous = weakref::set_unraisable_hook([](std::exception_ptr) {
    if (++depth < 5) die_with(depth);
  });
  die_with(0);
  CHECK(depth == 5);
  weakref::set_unraisable_hook(std::move(previous));
}

TEST_CASE("set_unraisable_hook: may be changed while other threads need it") {
  constexpr int rounds = 300;
  std::atomic<int> heard{0};
  auto previous = weakref::set_unraisable_hook([&heard](std::exception_ptr) { heard.fetch_add(1); });
  {
    const support::joining_thread throwing([] {
      for (int round = 0; round != rounds; ++round) die_with(round);
    });
    for (int round = 0; round != rounds; ++round) {
      weakref::set_unraisable_hook([&heard, copy = std::make_shared<int>(round)](std::exception_ptr) {
        heard.fetch_add(*copy >= 0 ? 1 : 0);
      });
    }
  }
  CHECK(heard == rounds);
  weakref::set_unraisable_hook(std::move(previous));
}

TEST_CASE("set_unraisable_hook: serves an object that dies while the program ends") {
  static int heard = 0;
  const int status = support::exit_status_of([] {
    // Destroyed last, as it is constructed first: leaves with the verdict.
    struct judge {
      ~judge() { std::_Exit(heard == 1 ? 0 : 9); }
    };
    struct late {
      std::shared_ptr<int> owner;
      ~late() { owner.reset(); }
    };
    static judge verdict;
    static late keeper;
    static std::unique_ptr<weakref::ref<int, void (*)()>> watcher;
    struct destroyed_first {
      ~destroyed_first() { keeper.owner.reset(); }
    };
    keeper.owner = weakref::make_tracked<int>(1);
    watcher = std::make_unique<weakref::ref<int, void (*)()>>(keeper.owner, [] { throw 1; });
    static destroyed_first starter;
    weakref::set_unraisable_hook([](std::exception_ptr) { ++heard; });
  });
  CHECK(status == 0);
}

} // namespace
