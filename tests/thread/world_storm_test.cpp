// SPDX-License-Identifier: BSL-1.0
// One world for all threads: containers of every kind, refs with callbacks, finalizers, proxies and methods
// over the same objects, all of them made, used, handed to other threads and destroyed in the storm. When it
// is still, everything is counted: an entry for each living object and none more, one call for each callback
// and each finalizer whose object died before it left.
#include <weakref/weakref.hpp>

#include "../support/dictionary_objects.hpp"
#include "../support/dictionary_threads.hpp"
#include "../support/storm.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <type_traits>
#include <utility>

using namespace dictionary_test;

namespace {

// Places that all threads take from and put into; what they hold may be used by several at once.
template <class T, std::size_t Count> class market {
 public:
  std::shared_ptr<T> take(unsigned place) {
    const std::lock_guard lock(guards_[place % Count]);
    return goods_[place % Count];
  }
  void put(unsigned place, std::shared_ptr<T> fresh) { // the old one goes with no lock held
    const std::lock_guard lock(guards_[place % Count]);
    goods_[place % Count].swap(fresh);
  }
  void clear() {
    for (unsigned place = 0; place < Count; ++place) put(place, nullptr);
  }

 private:
  std::array<std::mutex, Count> guards_;
  std::array<std::shared_ptr<T>, Count> goods_;
};

struct ledger {
  std::atomic<long> calls{0};
  std::atomic<int> wrong{0};
};

template <class T> class world {
  using values = weakref::WeakValueDictionary<int, T>;
  using keys = weakref::WeakKeyDictionary<T, int>;
  using set = weakref::WeakSet<T>;

  struct callback {
    ledger* book;
    world* where;
    const T* about;
    int number;
    void operator()(weakref::ref<T>& self) const {
      ++book->calls;
      if (self() != nullptr || !self.expired()) ++book->wrong;
      // Every container has forgotten it. (Where the base class makes it tracked, a death that was put off comes
      // after its memory is gone, and another object may be there.)
      if constexpr (!std::is_base_of_v<weakref::enable_weakref, T>) {
        const unsigned place = static_cast<unsigned>(number);
        if (const auto all = where->values_.take(place); all && all->get(number).get() == about)
          ++book->wrong;
        if (const auto all = where->keys_.take(place); all && all->contains(about)) ++book->wrong;
        if (const auto all = where->sets_.take(place); all && all->contains(about)) ++book->wrong;
      }
    }
  };
  struct watcher : weakref::ref<T, callback> {
    using weakref::ref<T, callback>::ref;
    ~watcher() { this->disarm(); }
  };

  static constexpr unsigned key_count = 24;

 public:
  ledger book;

  void run() {
    together(storm_workers(), [&](unsigned thread) {
      dice roll(thread + 1);
      for (int step = 0; step < storm_steps(40000); ++step) one_step(roll);
    });
  }

  // The threads are gone: what is there is there.
  void check_still() {
    std::set<const T*> living;
    for (unsigned place = 0; place < 16; ++place)
      if (const auto owner = objects_.take(place)) living.insert(owner.get());
    CHECK(static_cast<long>(living.size()) == Whole::alive());
    for (unsigned place = 0; place < 3; ++place) {
      if (const auto all = values_.take(place)) {
        std::size_t seen = 0;
        for (auto&& [key, value] : *all) {
          ++seen;
          CHECK(living.contains(value.get()));
          CHECK(value->whole(key));
        }
        CHECK(all->size() == seen);
      }
      if (const auto all = keys_.take(place)) {
        std::size_t seen = 0;
        for (auto&& [key, number] : *all) {
          ++seen;
          CHECK(living.contains(key.get()));
          CHECK(key->whole(number));
        }
        CHECK(all->size() == seen);
      }
      if (const auto all = sets_.take(place)) {
        std::size_t seen = 0;
        for (auto&& each : *all) {
          ++seen;
          CHECK(living.contains(each.get()));
        }
        CHECK(all->size() == seen);
      }
    }
  }
  void end() {
    long waiting = 0;
    for (unsigned place = 0; place < 16; ++place)
      if (const auto each = watchers_.take(place); each && !each->expired()) ++waiting;
    const long calls_before = book.calls;
    objects_.clear();
    CHECK(Whole::alive() == 0);
    CHECK(book.calls == calls_before + waiting);
    CHECK(calls_before > 0);
    for (unsigned place = 0; place < 3; ++place) {
      if (const auto all = values_.take(place)) CHECK(all->size() == 0);
      if (const auto all = keys_.take(place)) CHECK(all->size() == 0);
      if (const auto all = sets_.take(place)) CHECK(all->size() == 0);
    }
    watchers_.clear();
    values_.clear();
    keys_.clear();
    sets_.clear();
    CHECK(book.wrong == 0);
    CHECK(finalized_ == finalizers_);
  }

 private:
  std::shared_ptr<T> make(int number) {
    if constexpr (std::is_base_of_v<weakref::enable_weakref, T>)
      return std::make_shared<T>(number);
    else
      return weakref::make_tracked<T>(number);
  }
  std::shared_ptr<T> any(dice& roll, int number) {
    auto owner = objects_.take(roll(16));
    return owner != nullptr ? owner : make(number);
  }
  void look(const std::shared_ptr<T>& found, int number) {
    if (found != nullptr && !found->whole(number)) ++book.wrong;
  }

  void one_step(dice& roll) {
    const int number = static_cast<int>(roll(key_count));
    switch (roll(12)) {
    case 0:
      objects_.put(roll(16), roll(3) == 0 ? nullptr : make(number));
      break;
    case 1: // containers come and go
      switch (roll(12)) {
      case 0:
        values_.put(roll(3), std::make_shared<values>(weakref::options{.shards = roll(3)}));
        break;
      case 1:
        keys_.put(roll(3), std::make_shared<keys>(weakref::options{.shards = roll(3)}));
        break;
      case 2:
        sets_.put(roll(3), std::make_shared<set>());
        break;
      case 3:
        if (const auto all = values_.take(roll(3))) values_.put(roll(3), std::make_shared<values>(*all));
        break;
      case 4:
        if (const auto all = sets_.take(roll(3))) sets_.put(roll(3), std::make_shared<set>(*all | *all));
        break;
      default:
        break;
      }
      break;
    case 2:
      watch(roll, number);
      break;
    case 3:
      watchers_.put(roll(16), nullptr);
      break;
    case 4:
    case 5:
    case 6:
      if (const auto all = values_.take(roll(3))) use(*all, roll, number);
      break;
    case 7:
    case 8:
      if (const auto all = keys_.take(roll(3))) use(*all, roll, number);
      break;
    case 9:
    case 10:
      if (const auto all = sets_.take(roll(3))) use(*all, roll, number);
      break;
    default: {
      const auto owner = any(roll, number);
      const weakref::proxy<T> proxied(owner);
      if (!proxied->whole(owner->number)) ++book.wrong;
      const weakref::WeakMethod method(owner, &Whole::doubled);
      if (const auto bound = method(); !bound || bound() != 2 * owner->number) ++book.wrong;
    }
    }
  }

  void watch(dice& roll, int number) {
    auto owner = any(roll, number);
    watchers_.put(roll(16),
                  std::make_shared<watcher>(owner, callback{&book, this, owner.get(), owner->number}));
    if (roll(8) == 0) {
      ++finalizers_;
      weakref::finalize call(owner, [this] { ++finalized_; });
      if (roll(2) == 0) call();
    }
    if (roll(4) == 0) objects_.put(roll(16), std::move(owner));
  }

  void use(values& all, dice& roll, int number) {
    switch (roll(9)) {
    case 0:
      look(all.get(number), number);
      break;
    case 1:
      objects_.put(roll(16), all.get_or_create(number, [&] { return make(number); }));
      break;
    case 2: {
      const auto owner = make(number);
      all.insert_or_assign(number, owner);
      if (roll(2) == 0) objects_.put(roll(16), owner);
      break;
    }
    case 3:
      all.visit(number, [&](T& found) {
        objects_.put(roll(16), nullptr);
        if (!found.whole(number)) ++book.wrong;
      });
      break;
    case 4:
      look(all.pop(number), number);
      break;
    case 5:
      for (auto&& [key, value] : all) {
        look(value, key);
        if (roll(6) == 0) break;
      }
      break;
    case 6:
      if (roll(20) == 0) all.clear();
      break;
    default:
      objects_.put(roll(16), all.insert(number, make(number)).first);
    }
  }
  void use(keys& all, dice& roll, int number) {
    const auto owner = any(roll, number);
    switch (roll(7)) {
    case 0:
      if (const auto found = all.get(owner); found && *found != owner->number) ++book.wrong;
      break;
    case 1:
      (void)all.pop(owner);
      break;
    case 2:
      for (auto&& [key, value] : all)
        if (!key->whole(value)) ++book.wrong;
      break;
    case 3:
      all.visit(owner, [&](int& value) {
        objects_.put(roll(16), nullptr);
        if (value != owner->number) ++book.wrong;
      });
      break;
    case 4:
      if (all.get_or_create(owner, [&] { return owner->number; }) != owner->number) ++book.wrong;
      break;
    default:
      all.insert_or_assign(owner, owner->number);
    }
  }
  void use(set& all, dice& roll, int number) {
    const auto owner = any(roll, number);
    switch (roll(6)) {
    case 0:
      if (!all.contains(owner) && roll(2) == 0) all.add(owner);
      break;
    case 1:
      all.discard(owner);
      break;
    case 2:
      for (auto&& each : all)
        if (!each->whole()) ++book.wrong;
      break;
    case 3:
      if (const auto other = sets_.take(roll(3))) {
        for (auto&& each : all&* other)
          if (!each->whole()) ++book.wrong;
      }
      break;
    default:
      all.add(owner);
    }
  }

  market<T, 16> objects_;
  market<watcher, 16> watchers_;
  market<values, 3> values_;
  market<keys, 3> keys_;
  market<set, 3> sets_;
  std::atomic<long> finalizers_{0};
  std::atomic<long> finalized_{0};
};

} // namespace

TEST_CASE_TEMPLATE("storm: a world of containers, refs and finalizers over the same objects", T, Whole,
                   WholeSession) {
  world<T> all;
  all.run();
  all.check_still();
  all.end();
}
