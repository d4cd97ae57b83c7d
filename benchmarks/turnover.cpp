// SPDX-License-Identifier: BSL-1.0

// What does a table of groups look like when its entries have come and gone for long? A simulation of include/weakref/
// detail/table/table.hpp with hashes alone, with the entries that an erasure calls back and without: how many lie away
// from home, and how many groups a search reads that finds nothing (also if even and odd hashes were counted as one), fresh
// and after ten turnovers; how many entries an erasure moves. Counts of who has passed have no limit but where the last
// column tells how many would stand at fifteen for ever. Takes no arguments.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

namespace {

constexpr std::uint32_t groups = 20'000;
constexpr std::uint32_t slots_per_group = 7;

struct slot {
  std::uint32_t hash = 0;
  std::uint32_t distance = 0;
  bool is_used = false;
};
struct group {
  std::array<slot, slots_per_group> slots;
  std::array<std::uint32_t, 2> passed{}; // by even hashes and odd ones
  std::array<bool, 2> was_many{}; // a count of four bits has been at its limit, and is never trusted again
};

class table {
 public:
  explicit table(bool calls_back) : groups_(groups), calls_back_(calls_back) {}

  void insert(std::uint32_t hash) {
    std::uint32_t distance = 0;
    for (std::uint32_t at = home(hash);; at = next(at), ++distance) {
      for (slot& each : groups_[at].slots) {
        if (each.is_used) continue;
        each = {hash, distance, true};
        return;
      }
      if (++groups_[at].passed[hash & 1] >= 15) groups_[at].was_many[hash & 1] = true;
    }
  }
  void erase(std::uint32_t hash) {
    std::uint32_t at = home(hash);
    slot* gone = find(at, hash);
    for (; gone == nullptr; gone = find(at, hash)) {
      --groups_[at].passed[hash & 1];
      at = next(at);
    }
    gone->is_used = false;
    while (calls_back_ && groups_[at].passed[0] + groups_[at].passed[1] != 0) {
      groups_[at].was_many = {}; // it is known to have a gap, and is counted anew
      std::uint32_t nearer = 0;
      std::uint32_t from = at;
      slot* coming = nullptr;
      while (coming == nullptr) {
        from = next(from);
        ++nearer;
        for (slot& each : groups_[from].slots)
          if (each.is_used && each.distance >= nearer) coming = &each;
      }
      for (std::uint32_t left = at; left != from; left = next(left)) --groups_[left].passed[coming->hash & 1];
      *gone = {coming->hash, coming->distance - nearer, true};
      ++moves_;
      coming->is_used = false;
      gone = coming;
      at = from;
    }
  }

  double away_from_home() const {
    std::size_t used = 0;
    std::size_t away = 0;
    for (const group& each : groups_) {
      for (const slot& one : each.slots) {
        used += one.is_used ? 1 : 0;
        away += one.is_used && one.distance != 0 ? 1 : 0;
      }
    }
    return static_cast<double>(away) / static_cast<double>(used);
  }
  double groups_of_a_miss(bool one_count) const {
    std::size_t read = 0;
    for (std::uint32_t first = 0; first != groups; ++first) {
      for (const std::uint32_t odd : {0U, 1U}) {
        const auto goes_on = [&](std::uint32_t at) {
          return groups_[at].passed[odd] != 0 || (one_count && groups_[at].passed[1 - odd] != 0);
        };
        ++read;
        for (std::uint32_t at = first; goes_on(at); at = next(at)) ++read;
      }
    }
    return static_cast<double>(read) / (2.0 * groups);
  }
  double moves() const { return static_cast<double>(moves_); }
  double stuck() const {
    std::size_t many = 0;
    for (const group& each : groups_) many += static_cast<std::size_t>(each.was_many[0]) + each.was_many[1];
    return static_cast<double>(many) / (2.0 * groups);
  }

 private:
  static std::uint32_t home(std::uint32_t hash) {
    return static_cast<std::uint32_t>((std::uint64_t{hash} * groups) >> 32);
  }
  static std::uint32_t next(std::uint32_t at) { return at + 1 == groups ? 0 : at + 1; }
  slot* find(std::uint32_t at, std::uint32_t hash) {
    for (slot& each : groups_[at].slots)
      if (each.is_used && each.hash == hash) return &each;
    return nullptr;
  }

  std::vector<group> groups_;
  bool calls_back_;
  std::size_t moves_ = 0;
};

void turn_over(double load, bool calls_back) {
  std::mt19937 random(1);
  table simulated(calls_back);
  std::vector<std::uint32_t> present(static_cast<std::size_t>(load * slots_per_group * groups));
  for (std::uint32_t& each : present) simulated.insert(each = static_cast<std::uint32_t>(random()));
  const double fresh_away = simulated.away_from_home();
  const double fresh_miss = simulated.groups_of_a_miss(false);
  std::uniform_int_distribution<std::size_t> any(0, present.size() - 1);
  const std::size_t erasures = 10 * present.size();
  for (std::size_t i = 0; i != erasures; ++i) {
    std::uint32_t& each = present[any(random)];
    simulated.erase(each);
    simulated.insert(each = static_cast<std::uint32_t>(random()));
  }
  std::printf("%5.1f %%  %-10s %5.1f %% -> %5.1f %%  %5.2f -> %6.2f %8.2f %12.2f %14.1f %%\n", 100 * load,
              calls_back ? "yes" : "no", 100 * fresh_away, 100 * simulated.away_from_home(), fresh_miss,
              simulated.groups_of_a_miss(false), simulated.groups_of_a_miss(true),
              simulated.moves() / static_cast<double>(erasures), 100 * simulated.stuck());
}

} // namespace

int main() {
  std::puts(
      "in use   calls back away from home     groups of a miss  one count moves/erasure counts at fifteen");
  for (const double load : {0.6, 0.7, 0.75, 0.8, 6.0 / 7}) {
    for (const bool calls_back : {false, true}) turn_over(load, calls_back);
  }
}
