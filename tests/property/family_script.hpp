// SPDX-License-Identifier: BSL-1.0
//
// Two containers of each kind over the same objects, which have refs with callbacks, proxies, methods and
// finalizers, own each other, are owned by mapped values and by finalizers' arguments, and are looked at by loops
// that stay open from one command to the next. Callbacks, the members' destructors and the destructors of keys run
// further commands. Containers are destroyed, moved and swapped meanwhile. family.hpp checks the deaths; here stand
// the containers, each beside a std::map of what is in it.
#ifndef WEAKREF_TESTS_PROPERTY_FAMILY_SCRIPT_HPP
#define WEAKREF_TESTS_PROPERTY_FAMILY_SCRIPT_HPP

#include "family_places.hpp"

#include <weakref/weak_key_dictionary.hpp>
#include <weakref/weak_set.hpp>
#include <weakref/weak_value_dictionary.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace model {

class family_script final : public family {
  using Values = weakref::WeakValueDictionary<FamilyKey, Member, family_hash>;
  using Keyed = weakref::WeakKeyDictionary<Member, Mapped>;
  using Set = weakref::WeakSet<Member>;
  static constexpr int numbers = 6;

  template <class Container> using places = std::array<Place<Container>, 2>;
  template <class Container>
  using loop_of = std::optional<Loop<decltype(std::declval<Container&>().begin())>>;

 public:
  family_script(std::span<const unsigned char> script, const weakref::options& wanted)
      : family(script), options_(wanted), slots_(8), watches_(8) {
    for_each_place([&](auto& place) { renew(place); });
  }
  ~family_script() override {
    is_quiet_ = true;
    if (has_failed()) end(); // else it is over
  }

 private:
  template <class F> void for_each_place(F&& f) {
    for (auto& each : values_) f(each);
    for (auto& each : keyed_) f(each);
    for (auto& each : sets_) f(each);
  }
  template <class Container> void renew(Place<Container>& place) {
    place.real = std::make_unique<Container>(options_);
  }

  // --- what family asks ----------------------------------------------------------------------------------

  void forget(int id) override {
    for_each_place([&](auto& place) {
      std::erase_if(place.content->entries, [&](const auto& each) { return each.second.id == id; });
    });
  }
  void expect_forgotten(int id) override {
    if (!late_.empty()) return;
    for (auto& place : values_) {
      if (!place.is_free()) continue;
      for (int number = 0; number < numbers; ++number)
        place.real->visit(number,
                          [&](Member& found) { expect(found.id != id, "a dictionary holds a dead object"); });
    }
    for (auto& place : sets_)
      if (place.is_free() && place.users == 0)
        expect(place.real->empty() || place.real->size() >= place.content->entries.size(), "size() of a set");
  }
  void one_step() override { command(); }
  void command() override {
    if (is_locked_)
      locked_command();
    else if (is_undecided() || visits_ > 0)
      // An operation may give out an owner that the family has not heard of; and one that meets deaths which a visit
      // has put off has to wait for them, at a moment that the family can't know.
      killing_command(below(3));
    else
      any_command();
  }

  // --- commands --------------------------------------------------------------------------------------------

  int any(std::size_t limit) { return below(static_cast<int>(limit)); }
  Held& any_slot() { return slots_[static_cast<std::size_t>(any(slots_.size()))]; }
  std::unique_ptr<Watch>& any_watch() { return watches_[static_cast<std::size_t>(any(watches_.size()))]; }
  /// A copy of an owner, or a new one.
  Held any_object() {
    Held& slot = any_slot();
    if (!slot) slot = make();
    return slot;
  }
  /// An owner of an older object than this, or nothing.
  Held any_older(int id) {
    Held& slot = any_slot();
    return slot && slot->id < id ? slot : Held();
  }
  void put(Held& slot, Held owner) { const Held old = std::exchange(slot, std::move(owner)); }

  void killing_command(int kind) {
    switch (kind) {
    case 0:
    case 1:
      command_ = "drop an owner";
      put(any_slot(), Held());
      break;
    default:
      command_ = "drop a watch";
      unwatch(any_watch());
    }
  }
  void locked_command() {
    switch (below(6)) {
    case 0:
    case 1:
    case 2:
      return killing_command(below(3));
    case 3:
      command_ = "drop a loop under a lock";
      return drop_any_loop();
    case 4:
      command_ = "destroy a container under a lock";
      return destroy_any();
    default: {
      command_ = "use a container under a lock";
      const bool is_refused = refused<std::logic_error>([&] { sets_[0].real->clear(); });
      if (sets_[0].is_free()) expect(is_refused, "a container was used under a lock");
    }
    }
  }

  void any_command() {
    const int kind = below(32);
    switch (kind) {
    case 0:
    case 1:
      command_ = "make an object";
      return put(any_slot(), make());
    case 2:
    case 3:
    case 4:
      return killing_command(0);
    case 5: {
      command_ = "copy an owner";
      Held& slot = any_slot();
      return put(slot, any_object());
    }
    case 6: {
      command_ = "give an object a child";
      const Held parent = any_object();
      if (Held child = any_older(parent->id)) parent->children.push_back(std::move(child));
      return;
    }
    case 7:
    case 8:
    case 9: {
      command_ = "watch";
      const Held held = any_object();
      const int way = below(6);
      std::unique_ptr<Watch>& place = any_watch();
      return watch(place, way, held, any_older(held->id));
    }
    case 10:
      return killing_command(2);
    case 11:
      command_ = "call a finalizer by hand";
      return call_by_hand(any_watch());
    case 12:
    case 13:
    case 14:
    case 15:
      return use_values(values_[static_cast<std::size_t>(below(2))]);
    case 16:
    case 17:
    case 18:
    case 19:
      return use_keyed(keyed_[static_cast<std::size_t>(below(2))]);
    case 20:
    case 21:
      return use_set(sets_[static_cast<std::size_t>(below(2))]);
    case 22:
      command_ = "destroy a container";
      return destroy_any();
    case 23:
      return whole(values_);
    case 24:
      return whole(keyed_);
    case 25:
      return whole(sets_);
    case 26:
    case 27:
      command_ = "begin a loop";
      return begin_any_loop();
    case 28:
    case 29:
    case 30:
      command_ = "continue a loop";
      return continue_any_loop();
    default:
      command_ = "drop a loop";
      return drop_any_loop();
    }
  }

  // --- containers --------------------------------------------------------------------------------------------

  // The model changes first: an operation's effect comes before whatever it makes the script do.
  static int id_in(const Content& content, int key) {
    const auto found = content.entries.find(key);
    return found == content.entries.end() ? -1 : found->second.id;
  }
  void assign(Content& content, int key, int id) { content.entries[key] = Entry{id, next_stamp_++}; }
  static int id_of(const std::shared_ptr<Member>& owner) { return owner ? owner->id : -1; }

  void use_values(Place<Values>& place) {
    const int kind = below(8);
    if (!place.is_free()) return;
    const operation scope(*this);
    const shared_use use(place);
    Values& real = *place.real;
    const std::shared_ptr<Content> content = place.content;
    const int number = below(numbers);
    const int there = id_in(*content, number);
    switch (kind) {
    case 0:
    case 1: {
      command_ = "value: insert_or_assign";
      const Held held = any_object();
      const int now = id_in(*content, number);
      assign(*content, number, held->id);
      expect(real.insert_or_assign(FamilyKey(number), held.owner()) == (now < 0), "whether the key was new");
      break;
    }
    case 2: {
      command_ = "value: insert";
      const Held held = any_object();
      const int now = id_in(*content, number);
      if (now < 0) assign(*content, number, held->id);
      expect(real.insert(FamilyKey(number), held.owner()).second == (now < 0), "whether it was stored");
      break;
    }
    case 3:
      command_ = "value: erase";
      content->entries.erase(number);
      expect(real.erase(number) == (there >= 0), "whether something was there");
      break;
    case 4:
      command_ = "value: pop";
      content->entries.erase(number);
      expect(id_of(real.pop(number)) == there, "what was there");
      break;
    case 5:
      command_ = "value: get";
      expect(id_of(real.get(number)) == there && real.contains(number) == (there >= 0), "what is there");
      break;
    case 6:
      command_ = "value: visit";
      ++visits_;
      expect(real.visit(number,
                        [&](Member& found) {
                          const under_lock scope_of_lock(is_locked_);
                          expect(found.id == there, "what is visited");
                          nested();
                          expect(found.id == there, "the visited object is whole");
                        }) == (there >= 0),
             "visit");
      --visits_;
      break;
    default:
      create(real, *content, number);
    }
  }

  void create(Values& real, Content& content, int number) {
    command_ = "value: get_or_create";
    Held made;
    const std::pair<const Content*, int> flight(&content, number);
    const bool is_recursive = flights_.contains(flight) && !content.entries.contains(number);
    bool has_thrown = false;
    int wanted = id_in(content, number), given = -1;
    try {
      given = id_of(real.get_or_create(number, [&] {
        expect(wanted < 0, "a factory runs although something is there");
        flights_.insert(flight);
        nested();
        flights_.erase(flight);
        made = make();
        wanted = id_in(content, number); // what was stored meanwhile stays
        if (wanted < 0) assign(content, number, wanted = made->id);
        return made.owner();
      }));
    } catch (const std::logic_error&) {
      has_thrown = true;
    }
    expect(has_thrown == is_recursive, "whether a creation inside itself is refused");
    expect(has_thrown || given == wanted, "what is given");
    put(any_slot(), std::move(made));
  }

  void use_keyed(Place<Keyed>& place) {
    const int kind = below(8);
    if (!place.is_free()) return;
    const operation scope(*this);
    const shared_use use(place);
    Keyed& real = *place.real;
    const std::shared_ptr<Content> content = place.content;
    const Held held = any_object();
    const int id = held->id;
    const bool is_there = content->entries.contains(id);
    switch (kind) {
    case 0:
    case 1:
      command_ = "key: insert_or_assign";
      assign(*content, id, id);
      expect(real.insert_or_assign(held.owner(), Mapped{any_older(id)}) == !is_there,
             "whether the key was new");
      break;
    case 2:
      command_ = "key: insert";
      if (!is_there) assign(*content, id, id);
      expect(real.insert(held.owner(), Mapped{any_older(id)}) == !is_there, "whether it was stored");
      break;
    case 3:
      command_ = "key: erase";
      content->entries.erase(id);
      expect(real.erase(held.owner().get()) == is_there, "whether something was there");
      break;
    case 4:
      command_ = "key: pop";
      content->entries.erase(id);
      expect(real.pop(held.owner()).has_value() == is_there, "what was there");
      break;
    case 5:
      command_ = "key: get";
      expect(real.get(*held.owner()).has_value() == is_there, "what is there");
      break;
    default:
      command_ = "key: visit";
      ++visits_;
      expect(real.visit(held.owner(),
                        [&](Mapped& mapped) {
                          const under_lock scope_of_lock(is_locked_);
                          const Held old = std::exchange(mapped.child, any_older(id));
                          nested();
                        }) == is_there,
             "visit");
      --visits_;
    }
  }

  void use_set(Place<Set>& place) {
    const int kind = below(5);
    if (!place.is_free()) return;
    const operation scope(*this);
    const shared_use use(place);
    Set& real = *place.real;
    const std::shared_ptr<Content> content = place.content;
    const Held held = any_object();
    const int id = held->id;
    const bool is_there = content->entries.contains(id);
    switch (kind) {
    case 0:
    case 1:
      command_ = "set: add";
      if (!is_there) assign(*content, id, id);
      expect(real.add(held.owner()) == !is_there, "whether it was added");
      break;
    case 2:
      command_ = "set: discard";
      content->entries.erase(id);
      expect(real.discard(*held.owner()) == is_there, "whether it was there");
      break;
    case 3:
      command_ = "set: contains";
      expect(real.contains(held.owner()) == is_there, "contains");
      break;
    default:
      command_ = "set: pop";
      if (content->entries.empty()) break;
      expect(content->entries.erase(id_of(real.pop())) == 1, "what was taken");
    }
  }

  /// The container's content ends; a loop may still be in it.
  template <class Container> static void abandon(Place<Container>& place) {
    place.content->is_ending = true;
    place.content->entries.clear();
    place.content = std::make_shared<Content>();
  }
  template <class Container> void destroy(Place<Container>& place) {
    if (!place.is_idle()) return;
    const operation scope(*this);
    abandon(place);
    // The former one is nobody's place any more, so that it can be destroyed in the middle of this.
    const std::unique_ptr<Container> former = std::move(place.real);
    renew(place);
  }
  void destroy_any() {
    const auto which = static_cast<std::size_t>(below(2));
    switch (below(3)) {
    case 0:
      return destroy(values_[which]);
    case 1:
      return destroy(keyed_[which]);
    default:
      return destroy(sets_[which]);
    }
  }

  template <class Container> void whole(places<Container>& both) {
    const int kind = below(6);
    const auto which = static_cast<std::size_t>(below(2));
    Place<Container>&to = both[which], &from = both[1 - which];
    const operation scope(*this);
    if (kind < 2) {
      if (!to.is_free() || !from.is_free()) return;
      const shared_use one(to), other(from);
      if (kind == 0) {
        command_ = "clear";
        to.content->entries.clear();
        to.real->clear();
      } else {
        command_ = "|=";
        for (const auto& [key, entry] : from.content->entries)
          if (!std::is_same_v<Container, Set> || !to.content->entries.contains(key))
            assign(*to.content, key, entry.id);
        *to.real |= *from.real;
      }
      return;
    }
    if (!to.is_idle() || !from.is_idle()) return;
    const exclusive_use one(to), other(from);
    switch (kind) {
    case 2:
      command_ = "swap";
      to.real->swap(*from.real);
      to.content.swap(from.content);
      break;
    case 3:
      command_ = "move assignment";
      abandon(to);
      to.content.swap(from.content);
      *to.real = std::move(*from.real);
      break;
    case 4: {
      command_ = "move";
      abandon(to);
      to.content.swap(from.content);
      auto moved = std::make_unique<Container>(std::move(*from.real));
      to.real.swap(moved);
      break;
    }
    default:
      command_ = "copy assignment";
      abandon(to);
      for (const auto& [key, entry] : from.content->entries) assign(*to.content, key, entry.id);
      *to.real = std::as_const(*from.real);
    }
  }

  // --- loops -------------------------------------------------------------------------------------------------

  static std::pair<int, int> shown(Values::iterator& at) { return {at->key.number, at->value->id}; }
  static std::pair<int, int> shown(Keyed::iterator& at) { return {at->key->id, at->key->id}; }
  static std::pair<int, int> shown(Set::iterator& at) { return {(*at)->id, (*at)->id}; }
  /// Of what the item holds besides a mapped value, which goes first: the current object must not die of that.
  static Held kept(Keyed::iterator& at) { return Held(at->key); }
  template <class Iterator> static Held kept(Iterator&) { return Held(); }

  template <class Container> void begin_loop(Place<Container>& place, loop_of<Container>& loop) {
    if (loop.has_value() || !place.is_free()) return;
    std::set<int> due;
    for (const auto& each : place.content->entries) due.insert(each.second.stamp);
    loop.emplace(Loop<decltype(place.real->begin())>{place.real->begin(), place.content});
    loop->due = std::move(due);
    arrive(*loop);
  }
  template <class LoopType> void arrive(LoopType& loop) {
    loop.id = -1;
    // What ran meanwhile may have let go of an object that an operation further out still holds.
    while (loop.at != std::default_sentinel && is_late(shown(loop.at).second)) ++loop.at;
    const auto& entries = loop.content->entries;
    if (loop.at == std::default_sentinel) {
      for (const auto& each : entries)
        expect(!loop.due.contains(each.second.stamp) || loop.seen.contains(each.second.stamp),
               "an entry that stayed was not seen");
      return;
    }
    const auto [key, id] = shown(loop.at);
    held(id);
    loop.id = id;
    const auto entry = entries.find(key);
    expect(loop.content->is_ending || (entry != entries.end() && entry->second.id == id),
           "a loop shows what is not there");
    if (entry != entries.end())
      expect(loop.seen.insert(entry->second.stamp).second, "an entry was seen twice");
  }
  template <class Iterator> void continue_loop(std::optional<Loop<Iterator>>& loop) {
    if (!loop.has_value() || loop->is_busy) return;
    if (loop->id < 0) return loop.reset();
    loop->is_busy = true;
    const Held extra = kept(loop->at);
    let_go(loop->id, [&] { ++loop->at; });
    arrive(*loop);
    loop->is_busy = false;
  }
  template <class Iterator> void drop_loop(std::optional<Loop<Iterator>>& loop) {
    if (!loop.has_value() || loop->is_busy) return;
    if (loop->id < 0) return loop.reset();
    // Moved out: what happens meanwhile may begin another loop.
    const Held extra = kept(loop->at);
    std::optional<Loop<Iterator>> gone(std::move(loop));
    loop.reset();
    let_go(gone->id, [&] { gone.reset(); });
  }
  void begin_any_loop() {
    const auto which = static_cast<std::size_t>(below(2));
    switch (below(3)) {
    case 0:
      return begin_loop(values_[which], value_loop_);
    case 1:
      return begin_loop(keyed_[which], keyed_loop_);
    default:
      return begin_loop(sets_[which], set_loop_);
    }
  }
  void continue_any_loop() {
    switch (below(3)) {
    case 0:
      return continue_loop(value_loop_);
    case 1:
      return continue_loop(keyed_loop_);
    default:
      return continue_loop(set_loop_);
    }
  }
  void drop_any_loop() {
    switch (below(3)) {
    case 0:
      return drop_loop(value_loop_);
    case 1:
      return drop_loop(keyed_loop_);
    default:
      return drop_loop(set_loop_);
    }
  }

  // --- compared ----------------------------------------------------------------------------------------------

  template <class Container> void compare_place(Place<Container>& place) {
    const auto& entries = place.content->entries;
    expect(place.real->size() == entries.size(), "size()");
    std::size_t seen = 0;
    for (auto at = place.real->begin(); at != place.real->end(); ++at, ++seen) {
      const auto [key, id] = shown(at);
      expect(id_in(*place.content, key) == id, "contents");
    }
    expect(seen == entries.size(), "how many while iterating");
  }
  void compare() override {
    is_quiet_ = true;
    expect(deaths_.empty() && put_off_.empty() && late_.empty(), "a death is under way for ever");
    for_each_place([&](auto& place) { compare_place(place); });
    expect(Member::alive() == static_cast<long>(living_.size()), "objects that live");
    for (const auto& living : living_) {
      const int id = living.first;
      const Object& object = living.second;
      const std::shared_ptr<Member> owner = object.plain();
      expect(owner != nullptr, "an object is dead that has owners");
      if (owner == nullptr) continue;
      expect(owner.use_count() == object.owners + 1, "owners of an object");
      std::size_t entries = 0;
      for_each_place([&](auto& place) {
        for (const auto& each : place.content->entries) entries += each.second.id == id ? 1 : 0;
      });
      expect(weakref::getweakrefcount(owner) == entries + object.watches.size(), "watchers of an object");
    }
    is_quiet_ = false;
  }
  void end() override {
    for (auto& each : watches_) unwatch(each);
    drop_loop(value_loop_);
    drop_loop(keyed_loop_);
    drop_loop(set_loop_);
    for (Held& each : slots_) put(each, Held());
    compare();
    for_each_place([&](auto& place) { destroy(place); });
    compare();
    expect(Member::alive() == 0, "an object outlives everything");
  }

  const weakref::options options_;
  places<Values> values_;
  places<Keyed> keyed_;
  places<Set> sets_;
  loop_of<Values> value_loop_;
  loop_of<Keyed> keyed_loop_;
  loop_of<Set> set_loop_;
  std::vector<Held> slots_;
  std::vector<std::unique_ptr<Watch>> watches_;
  std::set<std::pair<const Content*, int>> flights_;
  int next_stamp_ = 0;
  int visits_ = 0; // in progress
};

} // namespace model

#endif
