// SPDX-License-Identifier: BSL-1.0
#include <weakref/referent.hpp>

#include <weakref/errors.hpp>
#include <weakref/ref.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#if __has_include(<memory_resource>)
#include <memory_resource>
#endif

#include "support/counted.hpp"
#include "support/counting_allocator.hpp"
#include "support/counting_new.hpp"
#include "support/journal.hpp"
#include "support/threads.hpp"

namespace {

using support::heap_watch;
using support::journal;
using support::last_words;

struct image_tag;
using image = support::counted<image_tag>;

template <class T> bool aligned(const T* object, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(object) % alignment == 0;
}

template <class T> bool same_owner(const std::shared_ptr<T>& a, const std::shared_ptr<T>& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

// Counts how often the referent's death was heard of.
struct tally {
  int* heard;
  void operator()() const { ++*heard; }
};

// -- make_tracked ---------------------------------------------------------------------------------

TEST_CASE("make_tracked: the object is made from the arguments and is tracked") {
  const auto owner = weakref::make_tracked<std::pair<int, std::string>>(7, "seven");
  static_assert(std::is_same_v<decltype(owner), const std::shared_ptr<std::pair<int, std::string>>>);
  CHECK(owner->first == 7);
  CHECK(owner->second == "seven");
  CHECK(owner.use_count() == 1);
  CHECK(weakref::is_tracked(owner));
}

TEST_CASE("make_tracked: arguments are forwarded, not copied") {
  struct keeper {
    explicit keeper(std::unique_ptr<int> p, int& r) : held(std::move(p)), seen(&r) {}
    std::unique_ptr<int> held;
    int* seen;
  };
  int place = 0;
  const auto owner = weakref::make_tracked<keeper>(std::make_unique<int>(3), place);
  CHECK(*owner->held == 3);
  CHECK(owner->seen == &place);
}

TEST_CASE_TEMPLATE("make_tracked: object, control block and watch list are one allocation", T, char, int,
                   double, std::array<char, 64>, std::array<char, 1000>, image) {
  const heap_watch heap;
  {
    const auto owner = weakref::make_tracked<T>();
    CHECK(heap.made() == 1);
    // Watching costs nothing on the heap either.
    const auto before = heap.made();
    int heard = 0;
    {
      const weakref::ref watcher(owner, tally{&heard});
      const weakref::ref another(owner, tally{&heard});
      CHECK(heap.made() == before);
      CHECK(weakref::getweakrefcount(owner) == 2);
    }
    CHECK(heard == 0);
    CHECK(heap.freed() == 0);
  }
  CHECK(heap.made() == 1);
  CHECK(heap.freed() == 1);
}

template <std::size_t Alignment> struct alignas(Alignment) over_aligned {
  over_aligned() : self(this) {}
  over_aligned* self;
};

TEST_CASE_TEMPLATE("make_tracked: an over-aligned object lies where it asked to, in one allocation", T,
                   over_aligned<16>, over_aligned<32>, over_aligned<64>, over_aligned<128>,
                   over_aligned<4096>) {
  const heap_watch heap;
  {
    const auto owner = weakref::make_tracked<T>();
    const auto another = weakref::make_tracked<T>();
    CHECK(heap.made() == 2);
    CHECK(aligned(owner.get(), alignof(T)));
    CHECK(aligned(another.get(), alignof(T)));
    CHECK(owner->self == owner.get());
  }
  CHECK(heap.freed() == 2);
}

TEST_CASE("make_tracked: the memory goes back with the last owner when nobody looks") {
  const heap_watch heap;
  auto owner = weakref::make_tracked<image>(1);
  auto second = owner;
  owner.reset();
  CHECK(image::alive() == 1);
  CHECK(heap.freed() == 0);
  second.reset();
  CHECK(image::alive() == 0);
  CHECK(heap.freed() == 1);
}

TEST_CASE("make_tracked: a dead ref keeps memory, never the object, and gives it back when it goes") {
  const heap_watch heap;
  auto owner = weakref::make_tracked<image>(1);
  auto plain = std::optional<weakref::ref<image>>(owner);
  owner.reset();
  CHECK(image::alive() == 0);
  CHECK(heap.kept() == 1);
  plain.reset();
  CHECK(heap.kept() == 0);
}

TEST_CASE("make_tracked: the memory outlives the death for a ref with a callback, and no longer") {
  const heap_watch heap;
  int heard = 0;
  {
    auto owner = weakref::make_tracked<image>(1);
    const weakref::ref watcher(owner, tally{&heard});
    owner.reset();
    CHECK(heard == 1);
    CHECK(image::alive() == 0);
    CHECK(heap.kept() == 1);
  }
  CHECK(heap.kept() == 0);
}

TEST_CASE("make_tracked: a callback that drops the last weak reference leaves the memory to the death") {
  struct drop_all {
    std::unique_ptr<weakref::ref<image, drop_all>>* self;
    std::optional<weakref::ref<image>>* plain;
    void operator()() const {
      const auto mine = std::move(*self); // destroyed at the end of this call
      plain->reset();
    }
  };
  std::size_t kept = 1;
  {
    auto owner = weakref::make_tracked<image>(1);
    std::optional<weakref::ref<image>> plain(owner);
    std::unique_ptr<weakref::ref<image, drop_all>> watcher;
    watcher = std::make_unique<weakref::ref<image, drop_all>>(owner, drop_all{&watcher, &plain});
    const heap_watch heap;
    owner.reset();
    kept = heap.freed();
    CHECK(watcher == nullptr);
  }
  CHECK(image::alive() == 0);
  CHECK(kept == 2); // the block, and the ref's own
}

TEST_CASE("make_tracked: a constructor that throws leaves nothing behind") {
  struct refuses {
    explicit refuses(int) { throw std::runtime_error("not today"); }
    image part{1};
  };
  const heap_watch heap;
  std::size_t kept = 99;
  try {
    const auto owner = weakref::make_tracked<refuses>(1);
    FAIL("the constructor has thrown");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "not today");
  }
  kept = heap.kept();
  CHECK(image::alive() == 0);
  CHECK(kept == 0);
}

TEST_CASE("make_tracked: without memory there is std::bad_alloc and no object") {
  {
    const support::failing_allocation failing(0);
    CHECK_THROWS_AS(static_cast<void>(weakref::make_tracked<image>(1)), std::bad_alloc);
  }
  CHECK(image::alive() == 0);
}

// Everything a class can do to stop code that builds or names it in the naive way.
struct unfriendly final {
  explicit unfriendly(int v) : value(v) {}
  unfriendly(const unfriendly&) = delete;
  unfriendly& operator=(const unfriendly&) = delete;
  void operator&() = delete;
  void operator&() const = delete;
  template <class U> void operator,(U&&) const = delete;
  static void* operator new(std::size_t) = delete;
  static void* operator new(std::size_t, void*) = delete;
  static void operator delete(void*) = delete;
  int value;
};

TEST_CASE("make_tracked: a final class with a deleted operator&, comma and operator new is tracked like any "
          "other") {
  int heard = 0;
  auto owner = weakref::make_tracked<unfriendly>(5);
  const weakref::ref<unfriendly> plain(owner);
  const weakref::ref watcher(owner, tally{&heard});
  CHECK(weakref::is_tracked(owner));
  CHECK(plain()->value == 5);
  CHECK(plain == watcher);
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  CHECK(heard == 1);
  CHECK(plain.expired());
}

namespace greedy {

// Unconstrained overloads that an unqualified call inside the library would find.
struct thing {
  int value = 0;
};
template <class... Any> void move(Any&&...) = delete;
template <class... Any> void forward(Any&&...) = delete;
template <class... Any> void addressof(Any&&...) = delete;
template <class... Any> void construct_at(Any&&...) = delete;
template <class... Any> void destroy_at(Any&&...) = delete;
template <class... Any> void is_tracked(Any&&...) = delete;
template <class... Any> void retire(Any&&...) = delete;
template <class... Any> void invoke(Any&&...) = delete;
template <class... Any> void exchange(Any&&...) = delete;
template <class... Any> void get_deleter(Any&&...) = delete;

} // namespace greedy

TEST_CASE("make_tracked: the functions of the object's own namespace are never called by mistake") {
  int heard = 0;
  auto owner = weakref::make_tracked<greedy::thing>();
  const weakref::ref watcher(owner, [&heard](weakref::ref<greedy::thing>&) { ++heard; });
  const auto adopted = weakref::adopt(std::make_unique<greedy::thing>());
  CHECK(weakref::is_tracked(adopted));
  owner.reset();
  CHECK(heard == 1);
}

TEST_CASE("make_tracked: a const object can be made") {
  const std::shared_ptr<const int> owner = weakref::make_tracked<const int>(3);
  CHECK(*owner == 3);
  CHECK(weakref::is_tracked(owner));
}

// -- allocate_tracked -----------------------------------------------------------------------------

TEST_CASE_TEMPLATE("allocate_tracked: everything lies in one allocation of the allocator, which gets it back",
                   T, char, image, over_aligned<64>, over_aligned<1024>) {
  support::ledger book;
  const heap_watch heap;
  {
    const auto owner = weakref::allocate_tracked<T>(support::counting_allocator<T>(book));
    int heard = 0;
    const weakref::ref watcher(owner, tally{&heard});
    CHECK(book.allocations == 1);
    CHECK(book.bytes >= sizeof(T));
    CHECK(weakref::is_tracked(owner));
    CHECK(aligned(owner.get(), alignof(T)));
  }
  CHECK(book.deallocations == 1);
  CHECK(book.bytes == 0);
  CHECK(book.users == 0);
  CHECK(heap.made() == 0);
}

TEST_CASE("allocate_tracked: an allocator for another type is rebound") {
  support::ledger book;
  const support::counting_allocator<char> chars(book);
  auto owner = weakref::allocate_tracked<image>(chars, 4);
  CHECK(owner->value == 4);
  owner.reset();
  CHECK(book.deallocations == 1);
  CHECK(book.bytes == 0);
  CHECK(book.users == 1);
}

TEST_CASE("allocate_tracked: a dead ref keeps the allocator's memory until it goes") {
  support::ledger book;
  auto owner = weakref::allocate_tracked<image>(support::counting_allocator<image>(book), 1);
  auto plain = std::optional<weakref::ref<image>>(owner);
  owner.reset();
  CHECK(image::alive() == 0);
  CHECK(book.deallocations == 0);
  plain.reset();
  CHECK(book.deallocations == 1);
  CHECK(book.bytes == 0);
  CHECK(book.users == 0);
}

TEST_CASE("allocate_tracked: a constructor that throws gives the memory back, an allocator that throws makes "
          "nothing") {
  struct refuses {
    refuses() { throw 7; }
  };
  support::ledger book;
  const support::counting_allocator<refuses> with(book);
  CHECK_THROWS_AS(static_cast<void>(weakref::allocate_tracked<refuses>(with)), int);
  CHECK(book.allocations == 1);
  CHECK(book.deallocations == 1);
  CHECK(book.bytes == 0);
  CHECK(book.users == 1);
  book.refuses = true;
  CHECK_THROWS_AS(static_cast<void>(weakref::allocate_tracked<image>(with, 1)), std::bad_alloc);
  CHECK(image::alive() == 0);
  CHECK(book.users == 1);
}

#if defined(__cpp_lib_memory_resource)
TEST_CASE("allocate_tracked: a memory resource provides the memory and gets all of it back") {
  class counting_resource : public std::pmr::memory_resource {
   public:
    std::size_t given = 0;
    std::size_t returned = 0;

   private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
      given += bytes;
      return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override {
      returned += bytes;
      std::pmr::new_delete_resource()->deallocate(memory, bytes, alignment);
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
  };
  counting_resource resource;
  auto owner = weakref::allocate_tracked<image>(std::pmr::polymorphic_allocator<>(&resource), 2);
  CHECK(owner->value == 2);
  CHECK(resource.given >= sizeof(image));
  auto plain = weakref::ref<image>(owner);
  owner.reset();
  CHECK(resource.returned == 0);
  CHECK(plain.expired());
  plain = weakref::ref<image>();
  CHECK(resource.returned == resource.given);
}

TEST_CASE("allocate_tracked: a monotonic buffer on the stack is enough for an object and its watch list") {
  alignas(std::max_align_t) std::array<std::byte, 512> memory;
  std::pmr::monotonic_buffer_resource buffer(memory.data(), memory.size(), std::pmr::null_memory_resource());
  const heap_watch heap;
  int heard = 0;
  {
    auto owner = weakref::allocate_tracked<image>(std::pmr::polymorphic_allocator<image>(&buffer), 2);
    const weakref::ref watcher(owner, tally{&heard});
    owner.reset();
  }
  CHECK(heard == 1);
  CHECK(heap.made() == 0);
}
#endif

// -- one watch list per object --------------------------------------------------------------------

struct plain_base {
  int base_value = 1;
};
struct other_base {
  virtual ~other_base() = default;
  int other_value = 2;
};
struct derived : plain_base, other_base {
  int member = 3;
};

TEST_CASE("tracked: bases, const, void, members and copies of the owner all lead to one watch list") {
  int heard = 0;
  auto owner = weakref::make_tracked<derived>();
  auto first_base = std::shared_ptr<plain_base>(owner);
  auto second_base = std::shared_ptr<const other_base>(owner);
  auto member = std::shared_ptr<int>(owner, &owner->member);
  auto nothing = std::shared_ptr<const void>(owner);
  CHECK(weakref::is_tracked(first_base));
  CHECK(weakref::is_tracked(second_base));
  CHECK(weakref::is_tracked(member));
  CHECK(weakref::is_tracked(nothing));
  const auto null = [&] { return std::shared_ptr<int>(owner, nullptr); }; // an owner of no object
  CHECK_FALSE(weakref::is_tracked(null()));

  const weakref::ref a(owner, tally{&heard});
  const weakref::ref b(first_base, tally{&heard});
  const weakref::ref c(second_base, tally{&heard});
  const weakref::ref d(member, tally{&heard});
  CHECK(weakref::getweakrefcount(owner) == 4);
  CHECK(weakref::getweakrefcount(null()) == 0);
  CHECK(weakref::getweakrefcount(first_base) == 4);
  CHECK(weakref::getweakrefcount(second_base) == 4);
  CHECK(weakref::getweakrefcount(member) == 4);

  owner.reset();
  first_base.reset();
  second_base.reset();
  nothing.reset();
  CHECK(heard == 0); // a pointer to a member is an owner of the whole
  member.reset();
  CHECK(heard == 4);
}

TEST_CASE("tracked: an object that is never made of parts is reached through a virtual base") {
  struct top {
    virtual ~top() = default;
    int value = 1;
  };
  struct left : virtual top {};
  struct right : virtual top {};
  struct bottom : left, right {};
  int heard = 0;
  auto owner = weakref::make_tracked<bottom>();
  auto as_top = std::shared_ptr<top>(owner);
  const weakref::ref watcher(as_top, tally{&heard});
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  as_top.reset();
  CHECK(heard == 1);
}

TEST_CASE("tracked: shared_from_this gives an owner of the same tracked object") {
  struct session : std::enable_shared_from_this<session> {};
  int heard = 0;
  auto owner = weakref::make_tracked<session>();
  auto self = owner->shared_from_this();
  CHECK(same_owner(owner, self));
  CHECK(weakref::is_tracked(self));
  const weakref::ref watcher(self, tally{&heard});
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  CHECK(heard == 0);
  self.reset();
  CHECK(heard == 1);
}

TEST_CASE("is_tracked: plain, null and ownerless pointers are not tracked") {
  const auto tracked = weakref::make_tracked<int>(1);
  CHECK_FALSE(weakref::is_tracked(std::make_shared<int>(1)));
  CHECK_FALSE(weakref::is_tracked(std::shared_ptr<int>(new int(1))));
  CHECK_FALSE(weakref::is_tracked(std::shared_ptr<int>()));
  CHECK_FALSE(weakref::is_tracked(std::shared_ptr<int>(std::shared_ptr<int>(), tracked.get())));
  CHECK_FALSE(weakref::is_tracked(std::make_shared<derived>()));
}

TEST_CASE("tracked: an owner without an object, or an object without an owner, is refused") {
  struct self_tracked : weakref::enable_weakref {};
  int heard = 0;
  self_tracked on_the_stack;
  const auto tracked = weakref::make_tracked<int>(1);
  const std::shared_ptr<int> null;
  const std::shared_ptr<int> ownerless(std::shared_ptr<int>(), tracked.get());
  const std::shared_ptr<self_tracked> ownerless_too(std::shared_ptr<int>(), &on_the_stack);
  const std::shared_ptr<int> owner_of_nothing(tracked, nullptr);
  using watcher = weakref::ref<int, tally>;
  CHECK_THROWS_AS(static_cast<void>(watcher(null, tally{&heard})), weakref::untracked_error);
  CHECK_THROWS_AS(static_cast<void>(watcher(ownerless, tally{&heard})), weakref::untracked_error);
  CHECK_THROWS_AS(static_cast<void>(watcher(owner_of_nothing, tally{&heard})), weakref::untracked_error);
  CHECK_THROWS_AS(static_cast<void>((weakref::ref<self_tracked, tally>(ownerless_too, tally{&heard}))),
                  weakref::untracked_error);
  CHECK(heard == 0);
}

TEST_CASE(
    "getweakrefcount: counts refs with a callback, not plain ones, and follows their coming and going") {
  int heard = 0;
  const auto owner = weakref::make_tracked<image>(1);
  CHECK(weakref::getweakrefcount(owner) == 0);
  const weakref::ref<image> plain(owner);
  CHECK(weakref::getweakrefcount(owner) == 0);
  {
    const weakref::ref a(owner, tally{&heard});
    CHECK(weakref::getweakrefcount(owner) == 1);
    const weakref::ref<image> copy = a;
    CHECK(weakref::getweakrefcount(owner) == 1);
    const weakref::ref b(owner, tally{&heard});
    CHECK(weakref::getweakrefcount(owner) == 2);
  }
  CHECK(weakref::getweakrefcount(owner) == 0);
  CHECK(heard == 0);
}

TEST_CASE("getweakrefs: gives the addresses of the refs with a callback") {
  int heard = 0;
  const auto owner = weakref::make_tracked<image>(1);
  CHECK(weakref::getweakrefs(owner).empty());
  const weakref::ref a(owner, tally{&heard});
  std::optional<weakref::ref<image, tally>> b;
  b.emplace(owner, tally{&heard});
  auto seen = weakref::getweakrefs(owner);
  static_assert(std::is_same_v<decltype(seen), std::vector<const void*>>);
  auto wanted = std::vector<const void*>{&a, &*b};
  std::sort(seen.begin(), seen.end());
  std::sort(wanted.begin(), wanted.end());
  CHECK(seen == wanted);
  b.reset();
  CHECK(weakref::getweakrefs(owner) == std::vector<const void*>{&a});
}

TEST_CASE("getweakrefs: gives every watcher once, though some come or go while it makes room for them") {
  static int heard = 0;
  struct crowd {
    std::shared_ptr<image> owner = weakref::make_tracked<image>(1);
    std::array<std::optional<weakref::ref<image, tally>>, 40> refs; // making them allocates nothing
    std::size_t present = 0;
    std::size_t change = 0; // how many come, or go, with each allocation
    std::size_t until = 0;
    void come(std::size_t more) {
      for (; more != 0; --more) refs[present++].emplace(owner, tally{&heard});
    }
    void go(std::size_t less) {
      for (; less != 0; --less) refs[--present].reset();
    }
    std::vector<const void*> newest_first() const {
      std::vector<const void*> all;
      for (std::size_t i = present; i-- != 0;) all.push_back(&*refs[i]);
      return all;
    }
  };
  static crowd* all = nullptr;
  for (const std::size_t at_first : {1U, 2U, 5U}) {
    for (const std::size_t change : {1U, 2U, 3U, 7U, 30U}) {
      CAPTURE(at_first);
      CAPTURE(change);
      crowd here;
      all = &here;
      here.come(at_first);
      here.change = change;
      here.until = std::min(here.refs.size(), at_first + 4 * change);
      support::on_allocation = [] { all->come(std::min(all->change, all->until - all->present)); };
      const auto seen = weakref::getweakrefs(here.owner);
      support::on_allocation = nullptr;
      CHECK(here.present > at_first);
      CHECK(seen == here.newest_first());
      support::on_allocation = [] { all->go(std::min(all->change, all->present - 1)); };
      const auto left = weakref::getweakrefs(here.owner);
      support::on_allocation = nullptr;
      CHECK(left == here.newest_first());
      here.go(here.present);
      CHECK(weakref::getweakrefs(here.owner).empty());
    }
  }
  CHECK(heard == 0);
}

TEST_CASE("getweakrefs: ends while another thread registers the first watcher") {
  constexpr int rounds = 3000;
  const auto owner = weakref::make_tracked<image>(1);
  support::rendezvous start(2);
  int heard = 0;
  const support::joining_thread registers([&] {
    for (int round = 0; round != rounds; ++round) {
      start.meet();
      const weakref::ref watcher(owner, tally{&heard});
      start.meet(); // stays until the other one has its answer
    }
  });
  std::size_t most = 0;
  for (int round = 0; round != rounds; ++round) {
    start.meet();
    most = std::max(most, weakref::getweakrefs(owner).size());
    start.meet();
  }
  CHECK(most <= 1);
}

// -- adopt ----------------------------------------------------------------------------------------

TEST_CASE("adopt: an object held by unique_ptr becomes tracked and keeps its address") {
  int heard = 0;
  auto unique = std::make_unique<image>(6);
  const image* const address = unique.get();
  auto owner = weakref::adopt(std::move(unique));
  static_assert(std::is_same_v<decltype(owner), std::shared_ptr<image>>);
  CHECK(owner.get() == address);
  CHECK(owner.use_count() == 1);
  CHECK(weakref::is_tracked(owner));
  const weakref::ref watcher(owner, tally{&heard});
  owner.reset();
  CHECK(heard == 1);
  CHECK(image::alive() == 0);
}

TEST_CASE("adopt: the unique_ptr's own deleter ends the object, once, after the callbacks") {
  journal log;
  struct stateful {
    journal* log;
    std::unique_ptr<int> move_only;
    void operator()(const image* object) const {
      (*log)("deleter" + std::to_string(object->value));
      delete object;
    }
  };
  auto owner = weakref::adopt(
      std::unique_ptr<image, stateful>(new image(8), stateful{&log, std::make_unique<int>(1)}));
  CHECK(weakref::is_tracked(owner));
  {
    const weakref::ref watcher(owner, [&log] { log("callback"); });
    owner.reset();
  }
  CHECK(log.text() == "callback deleter8");
  CHECK(image::alive() == 0);
}

TEST_CASE("adopt: a deleter that is a function, and one that is held by reference") {
  static int ended = 0;
  ended = 0;
  auto by_function = weakref::adopt(std::unique_ptr<int, void (*)(int*)>(new int(1), [](int* p) {
    ++ended;
    delete p;
  }));
  by_function.reset();
  CHECK(ended == 1);

  struct counting {
    int calls = 0;
    void operator()(int* p) {
      ++calls;
      delete p;
    }
  };
  counting mine;
  auto by_reference = weakref::adopt(std::unique_ptr<int, counting&>(new int(1), mine));
  by_reference.reset();
  CHECK(mine.calls == 1);
}

TEST_CASE("adopt: a derived object behind a unique_ptr to its base dies as what it is") {
  struct shape {
    virtual ~shape() = default;
  };
  struct circle : shape {
    image part{1};
  };
  int heard = 0;
  auto owner = weakref::adopt(std::unique_ptr<shape>(std::make_unique<circle>()));
  const weakref::ref watcher(owner, tally{&heard});
  owner.reset();
  CHECK(heard == 1);
  CHECK(image::alive() == 0);
}

TEST_CASE("adopt: shared_from_this works for an object that came from a unique_ptr") {
  struct session : std::enable_shared_from_this<session> {};
  const auto owner = weakref::adopt(std::make_unique<session>());
  const auto self = owner->shared_from_this();
  CHECK(same_owner(owner, self));
  CHECK(weakref::is_tracked(self));
}

TEST_CASE("adopt: a tracked shared_ptr comes back as it is") {
  const auto made = weakref::make_tracked<image>(1);
  const auto adopted = weakref::adopt(made);
  CHECK(same_owner(made, adopted));
  CHECK(made.use_count() == 2);

  struct self_tracked : weakref::enable_weakref {};
  const auto ordinary = std::make_shared<self_tracked>();
  CHECK(same_owner(ordinary, weakref::adopt(ordinary)));
}

TEST_CASE("adopt: an untracked shared_ptr gets a new owner, whose copies alone decide about the death") {
  int heard = 0;
  auto third_party = std::make_shared<image>(9);
  auto adopted = weakref::adopt(third_party);
  CHECK(adopted.get() == third_party.get());
  CHECK_FALSE(same_owner(adopted, third_party));
  CHECK(weakref::is_tracked(adopted));
  CHECK_FALSE(weakref::is_tracked(third_party));
  CHECK(third_party.use_count() == 2);
  const weakref::ref watcher(adopted, tally{&heard});
  auto copy = adopted;
  adopted.reset();
  CHECK(heard == 0);
  copy.reset();
  CHECK(heard == 1);
  CHECK(image::alive() == 1);
  CHECK(third_party.use_count() == 1);
}

TEST_CASE("adopt: an adopted shared_ptr lets its object go after the callbacks") {
  journal log;
  auto owner = weakref::adopt(std::make_shared<last_words>(log, "object"));
  const weakref::ref watcher(owner, [&log] { log("callback"); });
  owner.reset();
  CHECK(log.text() == "callback ~object");
}

TEST_CASE("adopt: nothing stays nothing") {
  int heard = 0;
  image object(1);
  const auto from_unique = weakref::adopt(std::unique_ptr<image>());
  const auto from_shared = weakref::adopt(std::shared_ptr<image>());
  const auto from_ownerless = weakref::adopt(std::shared_ptr<image>(std::shared_ptr<int>(), &object));
  for (const auto& owner : {from_unique, from_shared, from_ownerless}) {
    CHECK_FALSE(owner);
    CHECK_FALSE(weakref::is_tracked(owner));
    CHECK(weakref::getweakrefcount(owner) == 0);
    CHECK(weakref::getweakrefs(owner).empty());
    CHECK_THROWS_AS(static_cast<void>((weakref::ref<image, tally>(owner, tally{&heard}))),
                    weakref::untracked_error);
  }
}

TEST_CASE("adopt: without memory the object is not leaked") {
  for (std::size_t budget = 0; budget != 4; ++budget) {
    auto unique = std::make_unique<image>(1);
    const support::failing_allocation failing(budget);
    try {
      const auto owner = weakref::adopt(std::move(unique));
      CHECK(budget > 0);
      CHECK(weakref::is_tracked(owner));
    } catch (const std::bad_alloc&) {
      CHECK(failing.happened());
    }
    unique.reset();
    CHECK(image::alive() == 0);
  }
  auto shared = std::make_shared<image>(1);
  {
    const support::failing_allocation failing(0);
    CHECK_THROWS_AS(static_cast<void>(weakref::adopt(shared)), std::bad_alloc);
  }
  CHECK(shared.use_count() == 1);
}

// -- enable_weakref -------------------------------------------------------------------------------

class texture : public weakref::enable_weakref {
 public:
  int width = 64;
};

template <class T>
concept finds_retire = requires(T& object) {
  retire(object);
};
template <class T>
concept finds_is_tracked = requires(const std::shared_ptr<T>& owner) {
  is_tracked(owner);
};
template <class T>
concept finds_adopt = requires(std::unique_ptr<T> owner) {
  adopt(std::move(owner));
};

TEST_CASE("enable_weakref: deriving from it adds nothing to argument-dependent look-up") {
  static_assert(!finds_retire<texture>);
  static_assert(!finds_is_tracked<texture>);
  static_assert(!finds_adopt<texture>);
  CHECK(weakref::is_tracked(std::make_shared<texture>()));
}

TEST_CASE("enable_weakref: make_shared, new and make_unique all give tracked objects") {
  int heard = 0;
  auto made = std::make_shared<texture>();
  auto newed = std::shared_ptr<texture>(new texture);
  std::shared_ptr<texture> from_unique = std::make_unique<texture>();
  auto with_deleter = std::shared_ptr<texture>(new texture, [](texture* object) { delete object; });
  for (auto* owner : {&made, &newed, &from_unique, &with_deleter}) {
    CHECK(weakref::is_tracked(*owner));
    CHECK(weakref::getweakrefcount(*owner) == 0);
    {
      const weakref::ref watcher(*owner, tally{&heard});
      CHECK(weakref::getweakrefcount(*owner) == 1);
      owner->reset();
    }
  }
  CHECK(heard == 4);
}

TEST_CASE("enable_weakref: the object grows by no more than a pointer, its list is made at the first "
          "registration") {
  static_assert(sizeof(weakref::enable_weakref) <= sizeof(void*));
  int heard = 0;
  const auto owner = std::make_shared<texture>();
  const heap_watch heap;
  CHECK(weakref::is_tracked(owner));
  const auto after_question = heap.made();
  {
    const weakref::ref first(owner, tally{&heard});
    const auto after_first = heap.made();
    const weakref::ref second(owner, tally{&heard});
    const auto after_second = heap.made();
    CHECK(after_question == 0);
    CHECK(after_first == 1);
    CHECK(after_second == 1);
  }
}

TEST_CASE(
    "enable_weakref: the list's memory goes back with the object, or with the last ref that watches it") {
  int heard = 0;
  const heap_watch heap;
  {
    auto owner = std::make_shared<texture>();
    const weakref::ref watcher(owner, tally{&heard});
    owner.reset();
    CHECK(heard == 1);
  }
  CHECK(heap.kept() == 0);
  {
    auto owner = std::make_shared<texture>();
    { const weakref::ref watcher(owner, tally{&heard}); }
  }
  CHECK(heap.kept() == 0);
}

TEST_CASE("enable_weakref: a registration without memory changes nothing") {
  int heard = 0;
  auto owner = std::make_shared<texture>();
  {
    const support::failing_allocation failing(0);
    CHECK_THROWS_AS(static_cast<void>((weakref::ref<texture, tally>(owner, tally{&heard}))), std::bad_alloc);
  }
  CHECK(weakref::getweakrefcount(owner) == 0);
  const weakref::ref watcher(owner, tally{&heard});
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  CHECK(heard == 1);
}

TEST_CASE("enable_weakref: callbacks come after the derived destructors, refs are dead from count zero on") {
  journal log;
  struct watched : weakref::enable_weakref {
    watched(journal& j, weakref::ref<watched>& r) : log(&j), self(&r) {}
    ~watched() { (*log)(self->expired() && !(*self)() ? "~watched(dead)" : "~watched(alive)"); }
    journal* log;
    weakref::ref<watched>* self;
  };
  weakref::ref<watched> plain;
  auto owner = std::make_shared<watched>(log, plain);
  plain = weakref::ref<watched>(owner);
  const weakref::ref watcher(owner, [&log] { log("callback"); });
  owner.reset();
  CHECK(log.text() == "~watched(dead) callback");
}

TEST_CASE("enable_weakref: a copy has a list of its own") {
  int heard = 0;
  auto original = std::make_shared<texture>();
  const weakref::ref watcher(original, tally{&heard});
  {
    auto copy = std::make_shared<texture>(*original);
    CHECK(weakref::getweakrefcount(copy) == 0);
    auto moved = std::make_shared<texture>(std::move(*copy));
    CHECK(weakref::getweakrefcount(moved) == 0);
    const texture on_the_stack = *original;
    CHECK(on_the_stack.width == 64);
  }
  CHECK(heard == 0);
  CHECK(weakref::getweakrefcount(original) == 1);
  original.reset();
  CHECK(heard == 1);
}

struct assignable : weakref::enable_weakref {
  int value = 0;
};

TEST_CASE("enable_weakref: assignment leaves both lists as they are") {
  int heard_left = 0;
  int heard_right = 0;
  auto left = std::make_shared<assignable>();
  auto right = std::make_shared<assignable>();
  right->value = 5;
  const weakref::ref watcher_left(left, tally{&heard_left});
  const weakref::ref watcher_right(right, tally{&heard_right});
  *left = *right;
  CHECK(left->value == 5);
  *left = std::move(*right);
  *left = *std::make_shared<assignable>();
  CHECK(left->value == 0);
  CHECK(weakref::getweakrefcount(left) == 1);
  CHECK(weakref::getweakrefcount(right) == 1);
  left.reset();
  CHECK(heard_left == 1);
  CHECK(heard_right == 0);
  right.reset();
  CHECK(heard_right == 1);
}

TEST_CASE("enable_weakref: it is found as any base, through a virtual one, and from a polymorphic stranger") {
  struct stranger {
    virtual ~stranger() = default;
    int value = 1;
  };
  struct last : stranger, weakref::enable_weakref {};
  struct left : virtual weakref::enable_weakref {
    int l = 1;
  };
  struct right : virtual weakref::enable_weakref {
    int r = 1;
  };
  struct joined : left, right {};
  int heard = 0;

  auto owner = std::make_shared<last>();
  std::shared_ptr<stranger> seen_as_stranger = owner;
  CHECK(weakref::is_tracked(seen_as_stranger));
  const weakref::ref first(seen_as_stranger, tally{&heard});
  CHECK(weakref::getweakrefcount(owner) == 1);
  CHECK_FALSE(weakref::is_tracked(std::make_shared<stranger>()));
  owner.reset();
  seen_as_stranger.reset();
  CHECK(heard == 1);

  auto both = std::make_shared<joined>();
  std::shared_ptr<left> as_left = both;
  std::shared_ptr<const right> as_right = both;
  const weakref::ref a(both, tally{&heard});
  const weakref::ref b(as_left, tally{&heard});
  const weakref::ref c(as_right, tally{&heard});
  CHECK(weakref::getweakrefcount(both) == 3);
  CHECK(weakref::getweakrefcount(as_left) == 3);
  CHECK(weakref::getweakrefcount(as_right) == 3);
  both.reset();
  as_left.reset();
  as_right.reset();
  CHECK(heard == 4);
}

TEST_CASE("enable_weakref: a const owner reaches the list of the object") {
  int heard = 0;
  auto owner = std::make_shared<const texture>();
  const weakref::ref watcher(owner, tally{&heard});
  CHECK(weakref::getweakrefcount(owner) == 1);
  owner.reset();
  CHECK(heard == 1);
}

TEST_CASE("enable_weakref: objects without an owner come and go without ado") {
  const heap_watch heap;
  {
    texture on_the_stack;
    const texture copy = on_the_stack;
    weakref::retire(on_the_stack);
    on_the_stack = copy;
  }
  CHECK(heap.made() == 0);
}

TEST_CASE("enable_weakref: a member of an ordinary object is not tracked through an aliasing pointer") {
  int heard = 0;
  const auto owner = std::make_shared<texture>();
  const std::shared_ptr<int> member(owner, &owner->width);
  CHECK_FALSE(weakref::is_tracked(member));
  CHECK_THROWS_AS(static_cast<void>((weakref::ref<int, tally>(member, tally{&heard}))),
                  weakref::untracked_error);
}

TEST_CASE("enable_weakref: elements of one arena are referents of their own") {
  journal log;
  auto arena = std::make_shared<std::array<texture, 2>>();
  auto first = std::shared_ptr<texture>(arena, &(*arena)[0]);
  auto second = std::shared_ptr<texture>(arena, &(*arena)[1]);
  const weakref::ref a(first, [&log] { log("first"); });
  const weakref::ref b(second, [&log] { log("second"); });
  CHECK(weakref::getweakrefcount(first) == 1);
  CHECK(weakref::getweakrefcount(second) == 1);
  CHECK_FALSE(static_cast<const weakref::ref<texture>&>(a) == static_cast<const weakref::ref<texture>&>(b));
  arena.reset();
  first.reset();
  CHECK(log.text().empty());
  CHECK_FALSE(a.expired()); // the arena lives, through the other element's owner
  second.reset();
  CHECK(log.text() == "second first"); // in the order in which an array's elements are destroyed
}

TEST_CASE("make_tracked: an enable_weakref type has one list, in the one block") {
  int heard = 0;
  const heap_watch heap;
  {
    auto owner = weakref::make_tracked<assignable>();
    std::shared_ptr<const weakref::enable_weakref> as_base = owner;
    const weakref::ref a(owner, tally{&heard});
    const weakref::ref b(as_base, tally{&heard});
    const auto made = heap.made();
    CHECK(made == 1);
    CHECK(weakref::getweakrefcount(owner) == 2);
    CHECK(weakref::getweakrefcount(as_base) == 2);
    as_base.reset();
    owner.reset();
    CHECK(heard == 2);
  }
  CHECK(heap.kept() == 0);
}

TEST_CASE("make_tracked: an enable_weakref object is known by its base when a stranger's owner holds the "
          "real one") {
  int heard = 0;
  auto owner = weakref::make_tracked<texture>();
  auto wrapped = std::shared_ptr<texture>(owner.get(), [owner](texture*) mutable { owner.reset(); });
  CHECK(weakref::is_tracked(wrapped));
  {
    const weakref::ref a(owner, tally{&heard});
    const weakref::ref b(wrapped, tally{&heard});
    CHECK(weakref::getweakrefcount(owner) == 2);
    CHECK(weakref::getweakrefcount(wrapped) == 2);
    owner.reset();
    CHECK(heard == 0);
    wrapped.reset();
    CHECK(heard == 2);
  }
}

TEST_CASE("make_tracked: copies of an enable_weakref type do not share the block's list") {
  int heard = 0;
  auto owner = weakref::make_tracked<texture>();
  const weakref::ref watcher(owner, tally{&heard});
  {
    const texture copy = *owner;
    CHECK(copy.width == 64);
    auto fresh = std::make_shared<texture>(*owner);
    CHECK(weakref::getweakrefcount(fresh) == 0);
    *owner = *fresh;
    *fresh = *owner;
    CHECK(weakref::getweakrefcount(fresh) == 0);
  }
  CHECK(weakref::getweakrefcount(owner) == 1);
  CHECK(heard == 0);
  owner.reset();
  CHECK(heard == 1);
}

TEST_CASE("make_tracked: callbacks of an enable_weakref type run once, before its destructor") {
  journal log;
  struct speaker : weakref::enable_weakref {
    explicit speaker(journal& j) : words(j, "speaker") {}
    last_words words;
  };
  auto owner = weakref::make_tracked<speaker>(log);
  const weakref::ref watcher(owner, [&log] { log("callback"); });
  owner.reset();
  CHECK(log.text() == "callback ~speaker");

  auto adopted = weakref::adopt(std::make_unique<speaker>(log));
  const weakref::ref another(adopted, [&log] { log("another"); });
  CHECK(weakref::getweakrefcount(adopted) == 1);
  adopted.reset();
  CHECK(log.text() == "callback ~speaker another ~speaker");
}

TEST_CASE("enable_weakref: an element that lives inside a tracked object shares the list of the whole") {
  struct house : weakref::enable_weakref {
    texture wall;
  };
  int heard = 0;
  auto owner = weakref::make_tracked<house>();
  std::shared_ptr<texture> wall(owner, &owner->wall);
  const weakref::ref whole(owner, tally{&heard});
  const weakref::ref part(wall, tally{&heard});
  CHECK(weakref::getweakrefcount(owner) == 2);
  CHECK(weakref::getweakrefcount(wall) == 2);
  owner.reset();
  wall.reset();
  CHECK(heard == 2);
}

TEST_CASE("enable_weakref: two threads that register first find one list") {
  constexpr unsigned parties = 4;
  constexpr int rounds = 200;
  std::array<std::shared_ptr<texture>, 1> shared;
  std::atomic<int> heard{0};
  std::atomic<int> wrong{0};
  support::rendezvous start(parties);
  const auto body = [&](bool leader) {
    for (int round = 0; round != rounds; ++round) {
      if (leader) shared[0] = std::make_shared<texture>();
      start.meet();
      {
        auto mine = shared[0];
        const weakref::ref watcher(mine, [&heard] { heard.fetch_add(1); });
        start.meet();
        if (weakref::getweakrefcount(mine) != parties) wrong.fetch_add(1);
        start.meet();
        if (leader) shared[0].reset();
        mine.reset();
        start.meet();
      }
      start.meet();
    }
  };
  {
    const support::joining_thread a([&] { body(false); });
    const support::joining_thread b([&] { body(false); });
    const support::joining_thread c([&] { body(false); });
    body(true);
  }
  CHECK(wrong == 0);
  CHECK(heard == static_cast<int>(parties) * rounds);
}

// -- retire ---------------------------------------------------------------------------------------

struct pooled : weakref::enable_weakref {
  int value = 0;
};

TEST_CASE("retire: a pool whose deleter never runs the destructor completes the death with it") {
  journal log;
  pooled slot;
  const auto recycle = [&log](pooled* object) {
    log("recycle");
    weakref::retire(*object);
    log("recycled");
  };
  std::shared_ptr<pooled> owner(&slot, recycle);
  const weakref::ref<pooled> plain(owner);
  const weakref::ref older(owner, [&log] { log("older"); });
  const weakref::ref newer(owner, [&log] { log("newer"); });
  owner.reset();
  CHECK(log.text() == "recycle newer older recycled");
  CHECK(plain.expired());
  weakref::retire(slot);
  CHECK(log.text() == "recycle newer older recycled");
}

TEST_CASE("retire: while an owner lives it is refused, and nothing changes") {
  int heard = 0;
  auto owner = std::make_shared<pooled>();
  const weakref::ref watcher(owner, tally{&heard});
  CHECK_THROWS_AS(weakref::retire(*owner), std::logic_error);
  CHECK(heard == 0);
  CHECK(weakref::getweakrefcount(owner) == 1);
  CHECK_FALSE(watcher.expired());
  owner.reset();
  CHECK(heard == 1);
}

TEST_CASE("retire: a made or adopted object needs none, and takes no harm") {
  int heard = 0;
  auto made = weakref::make_tracked<pooled>();
  auto adopted = weakref::adopt(std::make_unique<pooled>());
  for (auto* owner : {&made, &adopted}) {
    const weakref::ref watcher(*owner, tally{&heard});
    weakref::retire(**owner);
    CHECK(weakref::getweakrefcount(*owner) == 1);
    owner->reset();
  }
  CHECK(heard == 2);
}

TEST_CASE("retire: the object serves a new owner afterwards, and nothing of the old one comes back") {
  journal log;
  pooled slot;
  const auto recycle = [](pooled* object) { weakref::retire(*object); };
  std::shared_ptr<pooled> first(&slot, recycle);
  const weakref::ref<pooled> old_plain(first);
  const weakref::ref old(first, [&log] { log("old"); });
  first.reset();
  std::shared_ptr<pooled> second(&slot, recycle);
  CHECK(old.expired());
  CHECK(weakref::getweakrefcount(second) == 0);
  const weakref::ref<pooled> plain(second);
  CHECK_FALSE(plain == old_plain); // a new object at a dead one's address
  {
    const weakref::ref fresh(second, [&log] { log("fresh"); });
    CHECK(weakref::getweakrefcount(second) == 1);
    second.reset();
  }
  CHECK(log.text() == "old fresh");
}

TEST_CASE("enable_weakref: a registration under a new owner first completes the death of the old one") {
  journal log;
  pooled slot;
  const auto forget = [](pooled*) {};
  std::shared_ptr<pooled> first(&slot, forget);
  const weakref::ref<pooled> plain(first);
  const weakref::ref old(first, [&log] { log("old"); });
  first.reset();
  CHECK(log.text().empty());
  CHECK(plain.expired());
  CHECK(old.expired());
  std::shared_ptr<pooled> second(&slot, forget);
  CHECK(plain.expired());
  CHECK(weakref::getweakrefcount(second) == 0); // who only asks is told of its own, and completes nothing
  CHECK(log.text().empty());
  const weakref::ref fresh(second, [&log] { log("fresh"); });
  CHECK(log.text() == "old");
  CHECK(weakref::getweakrefcount(second) == 1);
  CHECK_FALSE(fresh.expired());
  second.reset();
  weakref::retire(slot);
  CHECK(log.text() == "old fresh");
}

TEST_CASE(
    "enable_weakref: a pooled object whose old owner was forgotten completes that death at its own end") {
  journal log;
  std::optional<pooled> slot(std::in_place);
  std::shared_ptr<pooled> owner(&*slot, [](pooled*) {});
  const weakref::ref watcher(owner, [&log] { log("callback"); });
  owner.reset();
  CHECK(log.text().empty());
  slot.reset();
  CHECK(log.text() == "callback");
}

TEST_CASE("enable_weakref: registrations through several owners of one object do not disturb each other") {
  int heard = 0;
  auto owner = std::make_shared<pooled>();
  const weakref::ref a(owner, tally{&heard});
  const std::shared_ptr<pooled> alias(owner, owner.get());
  const weakref::ref b(alias, tally{&heard});
  const weakref::ref c(std::shared_ptr<pooled>(owner), tally{&heard});
  CHECK(heard == 0);
  CHECK(weakref::getweakrefcount(owner) == 3);
}

TEST_CASE("enable_weakref: who watched through owners that have gone is not counted for those who come") {
  int heard = 0;
  pooled object;
  const auto forget = [](pooled*) {};
  std::shared_ptr<pooled> former(&object, forget);
  const weakref::ref watching(former, tally{&heard});
  CHECK(weakref::getweakrefcount(former) == 1);
  former.reset();
  const std::shared_ptr<pooled> owner(&object, forget);
  CHECK(weakref::getweakrefcount(owner) == 0);
  CHECK(weakref::getweakrefs(owner).empty());
}

TEST_CASE("enable_weakref: an owner of its own beside a living one joins that one's list") {
  int heard = 0;
  auto owner = std::make_shared<pooled>();
  const weakref::ref first(owner, tally{&heard});
  // Another control block for the same object, which keeps the first owner alive.
  std::shared_ptr<pooled> other(owner.get(), [owner](pooled*) mutable { owner.reset(); });
  const weakref::ref second(other, tally{&heard});
  CHECK(heard == 0);
  CHECK(weakref::getweakrefcount(other) == 2);
  CHECK(weakref::getweakrefcount(owner) == 2);
  other.reset();
  CHECK(heard == 0); // the object lives
  CHECK(second.expired());
  owner.reset();
  CHECK(heard == 2);
}

TEST_CASE("enable_weakref: an object without any watcher dies without a trace, many times over") {
  const heap_watch heap;
  for (int round = 0; round != 10; ++round) {
    const auto owner = std::make_shared<pooled>();
    const weakref::ref<pooled> plain(owner);
  }
  CHECK(heap.made() == 10);
  CHECK(heap.kept() == 0);
}

TEST_CASE("adopt: a deleter that gives the object back to a pool leaves nothing of the adoption in it") {
  struct give_back {
    void operator()(pooled*) const {}
  };
  journal log;
  pooled slot;
  for (const char* name : {"first", "second"}) {
    auto owner = weakref::adopt(std::unique_ptr<pooled, give_back>(&slot));
    const weakref::ref watcher(owner, [&log, name] { log(name); });
    CHECK(weakref::getweakrefcount(owner) == 1);
  }
  CHECK(log.text().empty()); // each ref went before its owner
  for (const char* name : {"third", "fourth"}) {
    auto owner = weakref::adopt(std::unique_ptr<pooled, give_back>(&slot));
    const weakref::ref watcher(owner, [&log, name] { log(name); });
    owner.reset();
  }
  CHECK(log.text() == "third fourth");
  auto plain = std::shared_ptr<pooled>(&slot, [](pooled* object) { weakref::retire(*object); });
  const weakref::ref watcher(plain, [&log] { log("plain"); });
  CHECK(weakref::getweakrefcount(plain) == 1);
  plain.reset();
  CHECK(log.text() == "third fourth plain");
}

// -- who lives, who may destroy -------------------------------------------------------------------

TEST_CASE("make_tracked: the referent's own destructor may drop the last ref to it") {
  journal log;
  struct owns_its_watcher {
    std::unique_ptr<weakref::ref<owns_its_watcher>> plain;
    std::unique_ptr<weakref::ref<owns_its_watcher, tally>> watcher;
  };
  int heard = 0;
  const heap_watch heap;
  {
    auto owner = weakref::make_tracked<owns_its_watcher>();
    owner->plain = std::make_unique<weakref::ref<owns_its_watcher>>(owner);
    owner->watcher = std::make_unique<weakref::ref<owns_its_watcher, tally>>(owner, tally{&heard});
  }
  CHECK(heard == 1);
  CHECK(heap.kept() == 0);
}

TEST_CASE(
    "enable_weakref: the referent's own members are gone before the callbacks, so theirs are never called") {
  struct owns_its_watcher : weakref::enable_weakref {
    std::unique_ptr<weakref::ref<owns_its_watcher, tally>> watcher;
  };
  int heard = 0;
  const heap_watch heap;
  {
    auto owner = std::make_shared<owns_its_watcher>();
    owner->watcher = std::make_unique<weakref::ref<owns_its_watcher, tally>>(owner, tally{&heard});
  }
  CHECK(heard == 0);
  CHECK(heap.kept() == 0);
}

TEST_CASE("make_tracked: owners that travel between threads die on the last one") {
  constexpr int rounds = 500;
  std::atomic<int> heard{0};
  for (int round = 0; round != rounds; ++round) {
    auto owner = weakref::make_tracked<image>(round);
    const weakref::ref watcher(owner, [&heard] { heard.fetch_add(1); });
    const weakref::ref<image> plain(owner);
    const support::joining_thread other([mine = owner, plain]() mutable {
      mine.reset();
      if (const auto seen = plain()) CHECK(seen->value >= 0);
    });
    owner.reset();
  }
  CHECK(heard == rounds);
  CHECK(image::alive() == 0);
}

} // namespace
