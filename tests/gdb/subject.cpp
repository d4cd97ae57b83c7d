// SPDX-License-Identifier: BSL-1.0
//
// What gdb is asked about: one of everything, alive and dead. It stops in functions that do nothing; tests/gdb/run says
// what it must show there.
#include <weakref/weakref.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

int stop = 0;
[[gnu::noinline]] void containers_are_there() { stop = 1; }
[[gnu::noinline]] void references_are_there() { stop = 2; }
[[gnu::noinline]] void watch_lists_are_there() { stop = 3; }
[[gnu::noinline]] void destructor_runs() { stop = 4; }
[[gnu::noinline]] void callback_runs() { stop = 5; }

struct Texture {
  int width;
  const void* pixels = nullptr;
};

struct Shape {
  explicit Shape(int number) : sides(number) {}
  virtual ~Shape() = default;
  int sides;
};
struct Square : Shape {
  Square() : Shape(4) {}
  int color = 0xff;
};

// Neighbours that know each other: what is shown of them must come to an end.
struct Node {
  int number = 0;
  weakref::WeakSet<Node> neighbours;
  weakref::ref<Node> last;
};

struct Document : weakref::enable_weakref {
  int pages = 7;
  int count() const { return pages; }
};

struct Button {
  int clicks = 0;
  int click() { return ++clicks; }
};

// A subclass of one's own, as in Python's documentation.
struct Counted : weakref::ref<Texture> {
  using weakref::ref<Texture>::ref;
  int calls = 3;
};

int calls = 0;

// Found by gdb however the program was optimised.
std::shared_ptr<Texture> global_wall;
weakref::WeakValueDictionary<int, Texture> global_textures;
weakref::finalize<> global_finalizers[3];

[[gnu::noinline]] void containers() {
  const auto wall = weakref::make_tracked<Texture>(Texture{64});
  auto floor = std::make_shared<Texture>(Texture{32});

  weakref::WeakValueDictionary<std::string, Texture> never_used;
  weakref::WeakValueDictionary<std::string, Texture> textures;
  textures.insert("wall", wall);

  weakref::WeakValueDictionary<int, Texture> untracked({.accept_untracked = true});
  untracked.insert(1, floor);
  untracked.insert(2, wall);
  floor.reset();

  weakref::local::WeakValueDictionary<int, Texture> local;
  local.insert(1, wall);
  local.insert(2, wall);

  std::vector<std::shared_ptr<int>> numbers;
  weakref::WeakValueDictionary<int, int> sharded({.shards = 8});
  weakref::WeakSet<int> sharded_set({.shards = 2});
  weakref::WeakKeyDictionary<int, int> sharded_keys({.shards = 4});
  for (int i = 0; i < 1000; ++i) {
    numbers.push_back(weakref::make_tracked<int>(10 * i));
    sharded.insert(i, numbers.back());
    sharded_set.add(numbers.back());
    sharded_keys.insert(numbers.back(), i);
  }
  // A hundred have come and gone: what is left of them in the table is nothing.
  weakref::WeakValueDictionary<int, int> churned;
  for (int i = 0; i < 100; ++i) {
    const auto passing = weakref::make_tracked<int>(i);
    churned.insert(i, passing);
    if (i % 25 == 0) churned.insert(1000 + i, numbers[static_cast<std::size_t>(i)]);
  }

  weakref::WeakKeyDictionary<Texture, double> scales;
  scales.insert(wall, 1.5);

  weakref::WeakSet<Shape> shapes;
  const std::shared_ptr<Shape> square = weakref::make_tracked<Square>();
  shapes.add(square);
  weakref::local::WeakSet<int> few;
  for (const std::size_t i : {1U, 2U, 3U}) few.add(numbers[i]);
#if defined(__cpp_lib_memory_resource)
  weakref::pmr::WeakSet<int> other_memory;
#else
  weakref::WeakSet<int> other_memory;
#endif
  other_memory.add(numbers[4]);
  weakref::WeakSet<void> pure_addresses;
  pure_addresses.add(wall);

  const auto one = weakref::make_tracked<Node>(), two = weakref::make_tracked<Node>();
  one->number = 1;
  two->number = 2;
  for (const auto& [from, to] : {std::pair(one, two), std::pair(two, one), std::pair(one, one)}) {
    from->neighbours.add(to);
    from->last = weakref::ref(to);
  }

  [[maybe_unused]] const Node* const first_node = one.get();

  // Memory that was never a dictionary, or is not yet one.
  using dictionary = weakref::WeakValueDictionary<int, Texture>;
  alignas(dictionary) static unsigned char bytes[3][sizeof(dictionary)];
  [[maybe_unused]] auto& overwritten = reinterpret_cast<dictionary&>(bytes[0]);
  std::memset(bytes[0], 0x5a, sizeof bytes[0]);
  [[maybe_unused]] auto& misled = reinterpret_cast<dictionary&>(bytes[1]);
  static std::uintptr_t strange[64];
  for (std::uintptr_t& each : strange) each = reinterpret_cast<std::uintptr_t>(&each);
  const void* const to_strange = strange;
  std::memcpy(bytes[1], &to_strange, sizeof to_strange);
  [[maybe_unused]] auto& unmapped = reinterpret_cast<dictionary&>(bytes[2]);
  bytes[2][1] = 0x10; // 0x1000

  containers_are_there();
}

[[gnu::noinline]] void references() {
  const auto wall = weakref::make_tracked<Texture>(Texture{64});
  global_wall = wall;
  auto gone = weakref::make_tracked<Texture>(Texture{1});
  const weakref::ref<Texture> nothing;
  const weakref::ref alive(wall), dead(gone);
  const weakref::ref<const Texture> to_const(wall);
  const weakref::ref armed(wall, [by = 5](weakref::ref<Texture>&) { calls += by; });
  const weakref::ref called(gone, [] { ++calls; });
  const Counted counted(wall);
  const weakref::KeyedRef keyed(wall, 11L);
  const weakref::KeyedRef keyed_dead(gone, 12);
  const std::vector<weakref::ref<Texture>> several{alive, dead, nothing};

  const auto button = weakref::make_tracked<Button>();
  const weakref::proxy proxy(button);
  const weakref::proxy calling_proxy(button, [by = 6] { calls += by; });
  const weakref::proxy dead_proxy(gone);
  const weakref::WeakMethod method(button, &Button::click);
  const weakref::WeakMethod calling_method(button, &Button::click, [by = 7] { calls += by; });

  weakref::finalize clean_up(wall, [by = 8] { calls += by; });
  weakref::finalize adding(
      wall, [](int by) { return calls += by; }, 9);
  adding.atexit(false);
  weakref::finalize finished(button, [] { ++calls; });
  finished();
  const weakref::finalize<> no_finalizer;
  const weakref::finalize<> any = adding;
  gone.reset();

  alignas(weakref::ref<Texture>) static unsigned char bytes[sizeof(weakref::ref<Texture>)];
  std::memset(bytes, 0x5a, sizeof bytes);
  [[maybe_unused]] auto& overwritten = reinterpret_cast<weakref::ref<Texture>&>(bytes);

  global_textures.insert(1, wall);
  global_finalizers[0] = clean_up;
  global_finalizers[1] = adding;
  global_finalizers[2] = finished;
  references_are_there();
  global_wall.reset();
  clean_up.detach();
  adding.detach();
}

[[gnu::noinline]] void watch_lists() {
  const auto wall = weakref::make_tracked<Texture>(Texture{64});
  const auto unwatched = weakref::make_tracked<Texture>(Texture{65});
  const auto untracked = std::make_shared<Texture>(Texture{66});
  const auto document = std::make_shared<Document>();
  const auto new_document = std::make_shared<Document>();
  [[maybe_unused]] const Document *const at_document = document.get(), *const at_new_document =
                                                                           new_document.get();
  const auto adopted = weakref::adopt(std::make_unique<Texture>(Texture{67}));
  const std::shared_ptr<int> member(wall, &wall->width);
  const std::shared_ptr<Texture> empty;
  const std::weak_ptr<Texture> weak(wall);

  weakref::WeakValueDictionary<int, Texture> textures;
  textures.insert(1, wall);
  textures.insert(2, wall);
  textures.insert(3, adopted);
  weakref::WeakKeyDictionary<Texture, int> sizes;
  sizes.insert(wall, 1);
  weakref::local::WeakSet<Texture> set;
  set.add(wall);
  weakref::WeakSet<int> widths;
  widths.add(member);
  const weakref::ref armed(wall, [] { ++calls; });
  const weakref::proxy watching(wall, [] { ++calls; });
  weakref::finalize clean_up(wall, [] { ++calls; });
  weakref::WeakSet<Document> documents;
  documents.add(document);
  const weakref::WeakMethod method(document, &Document::count, [] { ++calls; });

  watch_lists_are_there();
  clean_up.detach();
}

// Its destructor looks when the entry has not been reached by its object's death: the base enable_weakref goes last.
struct Late : weakref::enable_weakref {
  ~Late() { destructor_runs(); }
};

[[gnu::noinline]] void deaths() {
  weakref::WeakValueDictionary<int, Late> late;
  auto last = std::make_shared<Late>();
  const weakref::ref to_last(last);
  late.insert(1, last);
  last.reset();

  auto wall = weakref::make_tracked<Texture>(Texture{64});
  const weakref::ref first(wall, [] { ++calls; });
  const weakref::ref calling(wall, [] { callback_runs(); });
  const weakref::ref newest(wall, [] { ++calls; });
  wall.reset();
}

} // namespace

int main() {
  containers();
  references();
  watch_lists();
  deaths();
  return stop == 5 ? 0 : 1;
}
