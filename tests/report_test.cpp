// SPDX-License-Identifier: BSL-1.0
// What is still alive.
#include <weakref/report.hpp>

#include <weakref/referent.hpp>
#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <sstream>
#include <string>
#include <string_view>

namespace reported {
struct Texture {
  virtual ~Texture() = default;
};
struct Compressed : Texture {};
struct Plain {};
struct Unprintable {
  int number;
  bool operator==(const Unprintable&) const = default;
};
} // namespace reported

template <> struct std::hash<reported::Unprintable> {
  std::size_t operator()(const reported::Unprintable& key) const noexcept {
    return static_cast<std::size_t>(key.number);
  }
};

namespace {

using namespace reported;

template <class Container> std::string report_of(const Container& container) {
  std::ostringstream out;
  weakref::report(out, container);
  return out.str();
}
std::string address(const void* object) {
  std::ostringstream out;
  out << object;
  return out.str();
}

} // namespace

TEST_CASE("report: key, type and number of owners of what is alive, most owners first") {
  weakref::WeakValueDictionary<std::string, Texture> textures;
  CHECK(report_of(textures) == "0 alive\n");
  auto wall = textures.get_or_create("wall.png", [] { return Texture(); });
  auto roof = textures.get_or_create("roof.dds", [] { return std::make_unique<Compressed>(); });
  const auto again = roof;
  CHECK(report_of(textures) == "2 alive\n"
                               "  owners  type                  key\n"
                               "       2  reported::Compressed  \"roof.dds\" at " +
                                   address(roof.get()) +
                                   "\n"
                                   "       1  reported::Texture     \"wall.png\" at " +
                                   address(wall.get()) + "\n");
  wall.reset();
  CHECK(report_of(textures).substr(0, 8) == "1 alive\n");
}

TEST_CASE("survivors: the types of objects without virtual functions, and keys that can't be printed") {
  weakref::WeakValueDictionary<Unprintable, Plain, std::hash<Unprintable>> plain;
  const auto made = plain.get_or_create(Unprintable{1}, [] { return Plain(); });
  const auto found = weakref::survivors(plain);
  REQUIRE(found.size() == 1);
  CHECK(found[0].key.empty());
  CHECK(found[0].type == "reported::Plain");
  CHECK(found[0].address == made.get());
  CHECK(found[0].owners == 1);
}

TEST_CASE("survivors: a key that is a pointer itself is still a key") {
  weakref::WeakValueDictionary<std::shared_ptr<Plain>, Texture> textures;
  const auto key = std::make_shared<Plain>();
  const auto made = textures.try_emplace(key).first;
  const auto found = weakref::survivors(textures);
  REQUIRE(found.size() == 1);
  CHECK(found[0].key == address(key.get()));
  CHECK(found[0].address == made.get());
}

TEST_CASE("survivors: of dictionaries with weak keys and of sets, the objects themselves") {
  const auto one = weakref::make_tracked<Compressed>();
  const std::shared_ptr<Texture> same = one;
  weakref::WeakKeyDictionary<Texture, int> sizes;
  sizes.insert(same, 1);
  weakref::WeakKeyDictionary<Texture, std::shared_ptr<Plain>> parts;
  parts.insert(same, std::make_shared<Plain>());
  weakref::WeakSet<Texture> set;
  set.add(same);
  const auto is_it = [&](const std::vector<weakref::survivor>& found) {
    REQUIRE(found.size() == 1);
    CHECK(found[0].key.empty());
    CHECK(found[0].type == "reported::Compressed");
    CHECK(found[0].address == same.get());
    CHECK(found[0].owners == 2);
  };
  is_it(weakref::survivors(sizes));
  is_it(weakref::survivors(parts));
  is_it(weakref::survivors(set));
}

TEST_CASE("report: sorted by owners, then type, key and address") {
  const int places[2] = {};
  const weakref::survivor all[] = {{"b", "B", nullptr, 1},
                                   {"a", "B", &places[1], 1},
                                   {"a", "B", &places[0], 1},
                                   {"z", "A", nullptr, 1},
                                   {"", "Z", nullptr, 7}};
  std::ostringstream out;
  weakref::report(out, all);
  const std::string text = out.str();
  const std::string expected[] = {"Z ", "z at", "a at " + address(&places[0]), "a at " + address(&places[1]),
                                  "b at"};
  std::size_t last = 0;
  for (const std::string& each : expected) {
    const std::size_t found = text.find(each);
    CHECK(found != std::string::npos);
    CHECK(found > last);
    last = found;
  }
}
