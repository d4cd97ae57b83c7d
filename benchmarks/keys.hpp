// SPDX-License-Identifier: BSL-1.0
#ifndef WEAKREF_BENCHMARKS_KEYS_HPP
#define WEAKREF_BENCHMARKS_KEYS_HPP

// The kinds of keys, and the orders in which they are asked for.
//
// A kind makes the key with any index, for a dictionary of some size: those below the size are stored, those from the
// size on are not, and both come from the same distribution. Different indices give different keys. No order is used
// twice: a processor learns the outcomes of a few thousand comparisons by heart if the same keys come in the same order
// again, and then shows a speed that no application sees.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// The finalizer of SplitMix64: one-to-one, and no bit of the result shows what it came from.
constexpr std::uint64_t scattered(std::uint64_t bits) noexcept {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31);
}

// ---- kinds
// -----------------------------------------------------------------------------------------------------

// A random subset of the integers, another one for each size. Consecutive numbers would be a gift to an identity hash,
// and multiples of a page an insult; handles, database keys and hashes of contents look like these.
struct random_keys {
  using type = std::int64_t;
  static constexpr std::string_view name = "random";
  static void set(type& key, std::size_t size, std::size_t index) {
    key = static_cast<type>(scattered(index + scattered(size)));
  }
};

// Paths of 30 characters: never within the string object itself. The place of a string is used again, so that the
// texts of a list lie in memory in its order, and reading them in turn costs the caches little.
struct text_keys {
  using type = std::string;
  static constexpr std::string_view name = "text";
  static void set(type& key, std::size_t, std::size_t index) {
    constexpr std::string_view pattern = "textures/level/0000000000.webp";
    key.assign(pattern);
    for (std::size_t digit = pattern.find('.'); index != 0; index /= 10)
      key[--digit] = static_cast<char>('0' + index % 10);
  }
};

// 16 random bytes, as a UUID has them.
struct id {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  bool operator==(const id&) const = default;
};

// One hash for every map, whether it asks std::hash or, as Boost does, this. All of them mix the result themselves but
// the standard's map, whose number of buckets is a prime.
inline std::size_t hash_value(const id& key) noexcept {
  return key.first ^ (key.second * 0x9e3779b97f4a7c15U);
}

struct id_keys {
  using type = id;
  static constexpr std::string_view name = "id";
  static void set(type& key, std::size_t size, std::size_t index) {
    const std::uint64_t seed = scattered(size);
    key.first = scattered(index + seed);
    key.second = scattered(index + ~seed);
  }
};

// ---- orders
// ----------------------------------------------------------------------------------------------------

// SplitMix64, which goes on through the whole program; each thread has its own.
class random_source {
 public:
  using result_type = std::uint64_t;
  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return ~result_type{0}; }

  explicit random_source(std::uint64_t seed) noexcept : state_(scattered(seed)) {}
  result_type operator()() noexcept { return scattered(state_ += 0x9e3779b97f4a7c15U); }

  // For counts that fit into 32 bits.
  std::size_t below(std::size_t count) noexcept { return ((*this)() >> 32) * count >> 32; }
  double fraction() noexcept { return static_cast<double>((*this)() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

inline random_source& any() {
  static std::atomic<std::uint64_t> threads = 0;
  thread_local random_source source(++threads);
  return source;
}

inline std::vector<std::size_t> shuffled(std::size_t count) {
  std::vector<std::size_t> indices(count);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  std::shuffle(indices.begin(), indices.end(), any());
  return indices;
}

template <class Keys> using key_list = std::vector<typename Keys::type>;

template <class Keys>
void take(key_list<Keys>& keys, std::size_t size, const std::vector<std::size_t>& indices) {
  keys.resize(indices.size());
  for (std::size_t i = 0; i != indices.size(); ++i) Keys::set(keys[i], size, indices[i]);
}

// So many look-ups make a batch, each for any key: long enough for the clock, and for what the making of the keys put
// out of the caches to be there again for most of it.
inline constexpr std::size_t draws = std::size_t{1} << 16;

// In the clock, and before it: of a hundred thousand entries two batches bring three quarters back into the caches.
inline constexpr std::size_t draws_wanted = 8 * draws;
inline constexpr std::size_t draws_before = 2 * draws;

// Of each thread in a batch. Two need short ones: the longer a batch, the less likely both keep their processors.
constexpr std::size_t draws_of_each(std::size_t threads) noexcept { return threads == 1 ? draws : draws / 8; }
constexpr std::size_t batches_before(std::size_t threads) noexcept {
  return draws_before / draws_of_each(threads);
}

// `count` times any of `size` keys, the indices of which begin with `first`.
template <class Keys>
void draw(key_list<Keys>& keys, std::size_t size, std::size_t first, std::size_t count) {
  keys.resize(count);
  for (auto& key : keys) Keys::set(key, size, first + any().below(size));
}

} // namespace bench

template <> struct std::hash<bench::id> {
  std::size_t operator()(const bench::id& key) const noexcept { return hash_value(key); }
};

#endif
