// SPDX-License-Identifier: BSL-1.0
#include <weakref/errors.hpp>

#include <weakref/ref.hpp>
#include <weakref/referent.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

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
