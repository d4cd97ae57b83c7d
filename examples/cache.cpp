// SPDX-License-Identifier: BSL-1.0

// The cache that this library is for, in ten lines: textures by path. Whoever asks for a path gets the
// texture that others hold, or a fresh one; the cache keeps none alive, and forgets each the moment its last
// owner lets go. Run it without arguments.

#include <weakref/weakref.hpp>

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>

namespace {

struct Texture {
  explicit Texture(const std::string& path) : name(path) { std::cout << "  loading " << path << '\n'; }
  ~Texture() { std::cout << "  freeing " << name << '\n'; }
  Texture(const Texture&) = delete;
  Texture& operator=(const Texture&) = delete;

  std::string name;
};

// The ten lines. Any number of threads may call load(); a texture that several want at a time is loaded once.
class TextureCache {
 public:
  std::shared_ptr<Texture> load(std::string_view path) {
    return textures_.get_or_create(path,
                                   [](const std::string& name) { return std::make_unique<Texture>(name); });
  }
  std::size_t loaded() const { return textures_.size(); }

 private:
  weakref::WeakValueDictionary<std::string, Texture> textures_;
};

} // namespace

int main() {
  TextureCache cache;

  auto wall = cache.load("brick.png");
  auto chimney = cache.load("brick.png");
  auto roof = cache.load("tiles.png");
  std::cout << "wall and chimney share one texture: " << (wall == chimney ? "yes" : "no") << '\n';
  std::cout << "in the cache: " << cache.loaded() << '\n';

  wall.reset();
  std::cout << "the wall is gone, the chimney still holds its texture: " << cache.loaded() << '\n';
  chimney.reset();
  std::cout << "the chimney is gone: " << cache.loaded() << '\n';

  auto tower = cache.load("brick.png");
  std::cout << "a tower needed it again: " << cache.loaded() << '\n';

  tower.reset();
  roof.reset();
  const bool empty = cache.loaded() == 0;
  std::cout << "in the end: " << cache.loaded() << '\n';
  return empty ? 0 : 1;
}
