// SPDX-License-Identifier: BSL-1.0
#include <weakref/keyed_ref.hpp>

#include <weakref/referent.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "support/counted.hpp"

namespace {

struct value_tag;
using value = support::counted<value_tag>;
struct key_tag;
using counted_key = support::counted<key_tag>;

static_assert(std::is_base_of_v<weakref::ref<value>, weakref::KeyedRef<std::string, value>>);
static_assert(!std::is_polymorphic_v<weakref::KeyedRef<int, value>>);
static_assert(std::is_same_v<decltype(std::declval<const weakref::KeyedRef<std::string, value>&>().key()),
                             const std::string&>);

TEST_CASE("KeyedRef: is a ref that remembers a key, also when the referent is gone") {
  auto owner = weakref::make_tracked<value>(3);
  const weakref::KeyedRef<std::string, value> r(owner, "three");
  CHECK(r.key() == "three");
  CHECK(r()->value == 3);
  CHECK(r() == owner);
  CHECK_FALSE(r.expired());
  owner.reset();
  CHECK(r.expired());
  CHECK_FALSE(r());
  CHECK(r.key() == "three");
  CHECK(value::alive() == 0);
}

TEST_CASE("KeyedRef: compares as a ref does, by the referent alone") {
  const auto owner = weakref::make_tracked<value>(3);
  const auto other = weakref::make_tracked<value>(3);
  const weakref::KeyedRef<int, value> one(owner, 1);
  const weakref::KeyedRef<int, value> two(owner, 2);
  const weakref::KeyedRef<int, value> stranger(other, 1);
  const weakref::ref<value> plain(owner);
  CHECK(one == two);
  CHECK(one == plain);
  CHECK_FALSE(one == stranger);
  const weakref::ref<value>& as_ref = one;
  CHECK(as_ref == plain);
  CHECK(std::hash<weakref::ref<value>>()(as_ref) == std::hash<weakref::ref<value>>()(plain));
}

TEST_CASE("KeyedRef: takes an owner as a ref does, without asking whether it is tracked") {
  auto untracked = std::make_shared<value>(1);
  const weakref::KeyedRef<int, value> r(untracked, 5);
  CHECK(r() == untracked);
  CHECK(weakref::getweakrefcount(weakref::make_tracked<value>(1)) == 0);
  const weakref::KeyedRef<int, value> dead(std::shared_ptr<value>(), 6);
  CHECK(dead.expired());
  CHECK(dead.key() == 6);
}

TEST_CASE("KeyedRef: is no watcher on its own") {
  const auto owner = weakref::make_tracked<value>(1);
  const weakref::KeyedRef<int, value> r(owner, 5);
  CHECK(weakref::getweakrefcount(owner) == 0);
  CHECK(owner.use_count() == 1);
}

TEST_CASE("KeyedRef: the key may be move-only, and leaves with the ref") {
  auto owner = weakref::make_tracked<value>(1);
  {
    const weakref::KeyedRef<std::unique_ptr<counted_key>, value> r(owner, std::make_unique<counted_key>(8));
    CHECK(r.key()->value == 8);
    owner.reset();
    CHECK(counted_key::alive() == 1);
  }
  CHECK(counted_key::alive() == 0);
}

TEST_CASE("KeyedRef: a key that can't be copied in leaves nothing behind") {
  struct refuses {
    refuses() = default;
    refuses(const refuses&) { throw std::runtime_error("copy"); }
  };
  const auto owner = weakref::make_tracked<value>(1);
  const refuses key;
  using keyed = weakref::KeyedRef<refuses, value>;
  CHECK_THROWS_AS(keyed(owner, key), std::runtime_error);
  const weakref::ref<value> plain(owner);
  CHECK(owner.use_count() == 1);
  CHECK(plain() == owner);
}

TEST_CASE("KeyedRef: a subclass adds what it likes") {
  class labelled : public weakref::KeyedRef<int, value> {
   public:
    labelled(const std::shared_ptr<value>& owner, int key, std::string label)
        : weakref::KeyedRef<int, value>(owner, key), label_(std::move(label)) {}
    std::string label() const { return label_ + std::to_string(key()); }

   private:
    std::string label_;
  };
  const auto owner = weakref::make_tracked<value>(1);
  const labelled r(owner, 4, "row ");
  CHECK(r.label() == "row 4");
  CHECK(r()->value == 1);
}

TEST_CASE("KeyedRef: serves a const or derived referent") {
  struct base {
    virtual ~base() = default;
  };
  struct derived : base {};
  const auto owner = weakref::make_tracked<derived>();
  const weakref::KeyedRef<int, const base> r(owner, 1);
  CHECK(r() == owner);
}

} // namespace
