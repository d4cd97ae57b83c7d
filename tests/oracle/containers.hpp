// SPDX-License-Identifier: BSL-1.0
//
// The containers of a script, and the commands on them. A command gives what is to be compared with Python's
// observation; where Python has a choice, or differs by name, it checks its own answer and then follows Python.
#ifndef WEAKREF_TESTS_ORACLE_CONTAINERS_HPP
#define WEAKREF_TESTS_ORACLE_CONTAINERS_HPP

#include "differences.hpp"
#include "world.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace oracle {

template <bool by_value> class containers : public world<by_value> {
 public:
  using base = world<by_value>;
  using T = typename base::T;
  using owner = typename base::owner;
  using base::operand;
  using base::text;
  using hash = std::conditional_t<by_value, weakref::hash<T>, weakref::by_identity>;
  using values = weakref::WeakValueDictionary<std::string, T>;
  using keys = weakref::WeakKeyDictionary<T, int, hash>;
  using owning = weakref::WeakKeyDictionary<T, owner, hash>;
  using set = weakref::WeakSet<T, hash>;

  containers(std::size_t shards, ledger& counted)
      : options_{.shards = shards},
        differences_(&counted),
        v_{box<values>(options_), box<values>(options_)},
        k_{box<keys>(options_), box<keys>(options_)},
        w_{box<owning>(options_), box<owning>(options_)},
        t_{box<set>(options_), box<set>(options_), box<set>(options_)} {}

  ~containers() override {
    // Callbacks of what dies here still want the containers, and may store in those that own.
    const auto leave = [](auto& boxes) {
      for (auto& each : boxes) each.standing.reset();
    };
    leave(v_), leave(k_), leave(w_), leave(t_);
    do {
      end();
    } while (std::any_of(w_.begin(), w_.end(), [](const auto& each) { return !each.container.empty(); }));
  }

  std::string run(const step& now) {
    const words& w = now.command;
    if (w[0] == "end") return end();
    if (w[0].find('.') != 1) return this->run_on_objects(now);
    const std::size_t i = this->index(w[1]);
    switch (w[0][0]) {
    case 'v':
      return run_on_dictionary(now, v_.at(i));
    case 'k':
      return run_on_dictionary(now, k_.at(i));
    case 'w':
      return run_on_dictionary(now, w_.at(i));
    default:
      return run_on_set(now, t_.at(i));
    }
  }

  /// Whether somebody iterates over what owns objects.
  bool is_owning_iterated() const { return w_[0].standing.has_value() || w_[1].standing.has_value(); }

 private:
  template <class Container> struct box {
    explicit box(const weakref::options& chosen) : container(chosen) {}
    box(box&&) = default;
    Container container;
    std::optional<typename Container::iterator> standing;
    words seen;
  };

  template <class D> static constexpr bool is_values = std::is_same_v<D, values>;
  template <class D> static constexpr bool is_set = std::is_same_v<D, set>;
  template <class D> using key_of = std::conditional_t<is_values<D>, std::string, owner>;
  template <class D> using value_of = typename D::value_type::second_type;

  // -- Texts

  static std::string text(const std::string& key) { return key; }
  static std::string text(int number) { return std::to_string(number); }
  template <class V> static std::string text(const std::optional<V>& found) {
    return found ? text(*found) : "None";
  }
  template <class Item> static std::string item_text(const Item& item) {
    if constexpr (std::is_same_v<Item, owner>) {
      return text(item);
    } else {
      return text(item.key) + "=" + text(item.value);
    }
  }
  template <class Item> static std::string name_text(const Item& item) {
    if constexpr (std::is_same_v<Item, owner>) {
      return text(item);
    } else {
      return text(item.key);
    }
  }
  static std::string listed(const words& all) { return "[" + joined(all) + "]"; }
  template <class Container> static words members(const Container& container) {
    words result;
    for (const auto& item : container) result.push_back(item_text(item));
    return result;
  }
  template <class Range> static std::string list_of(const Range& range) {
    words result;
    for (const auto& each : range) result.push_back(text(each));
    return listed(result);
  }
  template <class Range> static std::string list_of_refs(const Range& range) {
    words result;
    for (const auto& r : range) {
      const owner object = r();
      result.push_back(object == nullptr ? "dead" : text(object));
    }
    std::sort(result.begin(), result.end());
    return listed(result);
  }
  static words sorted(words all) {
    std::sort(all.begin(), all.end());
    return all;
  }
  /// What stands in the brackets.
  static words inside(const std::string& list) {
    const std::size_t open = list.find('['), close = list.rfind(']');
    demand(open != std::string::npos && close != std::string::npos, "Python lists nothing");
    return split(list.substr(open + 1, close - open - 1));
  }

  template <class D> key_of<D> key(const std::string& word) {
    if constexpr (is_values<D>) {
      return "k" + word;
    } else {
      return operand(word);
    }
  }
  template <class D> value_of<D> value(const std::string& word) {
    if constexpr (std::is_same_v<D, keys>) {
      return std::stoi(word);
    } else {
      return operand(word);
    }
  }
  template <class D> auto pairs(const words& w) {
    std::vector<std::pair<key_of<D>, value_of<D>>> result;
    for (std::size_t i = 2; i + 1 < w.size(); i += 2) result.emplace_back(key<D>(w[i]), value<D>(w[i + 1]));
    return result;
  }
  static bool is_bad(const owner& object) { return !weakref::is_tracked(object); }
  template <class D> static bool is_bad(const std::pair<key_of<D>, value_of<D>>& pair) {
    if constexpr (is_values<D>) {
      return is_bad(pair.second);
    } else {
      return is_bad(pair.first);
    }
  }

  // -- Both kinds of dictionaries

  /// A look-up, in each of the forms that a key can have.
  template <class D, class F> static auto ask(const key_of<D>& k, F f) {
    const auto answer = f(k);
    if constexpr (is_values<D>) {
      demand(f(std::string_view(k)) == answer, "a string_view finds something else");
    } else {
      demand(f(static_cast<const T*>(k.get())) == answer, "a pointer finds something else");
      if (k != nullptr) demand(f(std::as_const(*k)) == answer, "a reference finds something else");
    }
    return answer;
  }

  template <class D> std::string run_on_dictionary(const step& now, box<D>& in) {
    const words& w = now.command;
    const std::string op = w[0].substr(2);
    D& d = in.container;
    if (w.size() == 2) return run_on_all(now, op, in);
    if (op == "stand") return stand(in, is_values<D> ? "k" + w[2] : w[2]);
    if (op == "updatepairs") return update_pairs(now, d);
    if (op == "frompairs") {
      d = D(pairs<D>(w), options_);
      return listed(members(d));
    }
    if (w[2][0] == w[1][0]) return run_on_two(now, op, d, other_of(d, w[2]));
    const key_of<D> k = key<D>(w[2]);
    if (op == "get") return text(ask<D>(k, [&](const auto& asked) { return d.get(asked); }));
    if (op == "at") return text(d.at(k));
    if (op == "in") return text(ask<D>(k, [&](const auto& asked) { return d.contains(asked); }));
    if (op == "pop") {
      const auto popped = d.pop(k);
      return popped ? text(popped) : "empty";
    }
    if (op == "del") return d.erase(k) ? "ok" : "absent";
    if (op == "visit") return visit(d, k);
    if constexpr (!std::is_same_v<D, owning>) {
      if (op == "create" || op == "emplace") return create(w, d, k);
    }
    const value_of<D> v = value<D>(w.at(3));
    if (op == "set") return text(d.insert_or_assign(k, v));
    if (op == "getor" || op == "popor") {
      const bool refused = !is_values<D> && now.python == "TypeError";
      if (refused) {
        if constexpr (!is_values<D>) demand(is_bad(k), "Python refuses what is tracked here");
        differences_->use(difference::lookups_take_any_pointer);
      }
      const std::string said =
          text(op == "popor" ? d.pop(k, v) : ask<D>(k, [&](const auto& asked) { return d.get(asked, v); }));
      if (refused) demand(said == text(v), "not the default: " + said);
      return refused ? now.python : said;
    }
    demand(op == "setdefault", "no command " + w[0]);
    if constexpr (is_values<D>) {
      if (is_bad(v) && now.python != "TypeError") {
        differences_->use(difference::bad_pointers_are_always_refused);
        demand(text(d.get(k)) == now.python, "there is no such entry");
        bool is_refused = false;
        try {
          d.setdefault(k, v);
        } catch (const weakref::untracked_error&) {
          is_refused = true;
        }
        demand(is_refused, "a bad default was taken");
        return text(d.get(k));
      }
    }
    return text(d.setdefault(k, v));
  }

  template <class D> static std::string visit(D& d, const key_of<D>& k) {
    std::string said = "absent";
    bool is_found = false;
    if constexpr (is_values<D>) {
      is_found = d.visit(k, [&](T& found) { said = text(&found); });
    } else {
      is_found = d.visit(k, [&](auto& found) { said = text(found); });
    }
    demand(is_found == (said != "absent"), "visit() says another thing than it does");
    return said;
  }

  template <class D> std::string create(const words& w, D& d, const key_of<D>& k) {
    if constexpr (is_values<D>) {
      const int serial = this->last_serial + 1, number = std::stoi(w[3]);
      bool is_made = false;
      owner object;
      if (w[0] == "v.emplace") {
        std::tie(object, is_made) = d.try_emplace(k, this->log, serial, number);
      } else {
        object = d.get_or_create(k, [&] {
          is_made = true;
          return std::make_unique<T>(this->log, serial, number);
        });
      }
      if (is_made) this->known[++this->last_serial] = object;
      const std::string said = text(is_made) + " " + text(object);
      this->put(w[4], std::move(object));
      return said;
    } else {
      return text(d.get_or_create(k, [&] { return std::stoi(w[3]); }));
    }
  }

  /// Commands on a whole container.
  template <class C> std::string run_on_all(const step& now, const std::string& op, box<C>& in) {
    C& c = in.container;
    if (op == "len") {
      demand(c.empty() == (c.size() == 0), "empty()");
      demand(C(c).size() == c.size(), "a copy has another size");
      return std::to_string(c.size());
    }
    if (op == "finish") return finish(now, in);
    if (op == "leave") {
      in.standing.reset();
      return "ok";
    }
    if (op == "clear") {
      c.clear();
      demand(c.empty(), "not empty after clear()");
      return "ok";
    }
    if (op == "new") {
      c = C(options_);
      return "ok";
    }
    if (op == "items") {
      if constexpr (!is_set<C>) {
        words by_view;
        for (const auto& item : c.items()) by_view.push_back(item_text(item));
        demand(by_view == members(c), "items() and the dictionary differ");
      }
      return listed(members(c));
    }
    if (op == "refs") {
      if constexpr (is_values<C>) {
        return list_of_refs(c.valuerefs());
      } else if constexpr (is_set<C>) {
        return list_of_refs(c.refs());
      } else {
        return list_of_refs(c.keyrefs());
      }
    }
    if (op == "pop" || op == "popitem") return pop_any(now, c);
    if constexpr (!is_set<C>) {
      if (op == "keys") return list_of(c.keys());
      if (op == "values") return list_of(c.values());
    }
    throw mismatch("no command " + now.name());
  }

  /// Takes what it likes, checks it, puts it back, and takes what Python took.
  template <class C> std::string pop_any(const step& now, C& c) {
    const words before = members(c);
    if constexpr (is_set<C>) {
      const owner own = c.pop();
      check_popped(c, before, text(own), !c.contains(own));
      if (text(own) == now.python) return now.python;
      demand(c.add(own), "the set will not have its element back");
      const owner theirs = this->named(now.python);
      demand(c.get(theirs) == theirs && c.discard(theirs), "not in the set: " + now.python);
      return text(theirs);
    } else {
      const auto own = c.popitem();
      const std::string said = text(own.first) + "=" + text(own.second);
      check_popped(c, before, said, !c.contains(own.first));
      if (said == now.python) return said;
      differences_->use(difference::popitem_takes_any);
      demand(c.insert_or_assign(own.first, own.second), "the key is still there");
      for (const auto& item : c) {
        if (item_text(item) != now.python) continue;
        const auto theirs = c.pop(item.key);
        return text(item.key) + "=" + text(theirs);
      }
      return said;
    }
  }
  template <class C>
  void check_popped(const C& c, const words& before, const std::string& popped, bool is_gone) {
    demand(std::count(before.begin(), before.end(), popped) == 1, "popped what was not there: " + popped);
    demand(is_gone && c.size() == before.size() - 1, "popped, but not taken out: " + popped);
  }

  template <class C> std::string stand(box<C>& in, const std::string& target) {
    in.seen.clear();
    in.standing.emplace(in.container.begin());
    for (; *in.standing != in.container.end(); ++*in.standing) {
      in.seen.push_back(name_text(**in.standing));
      if (in.seen.back() == target) return item_text(**in.standing);
    }
    throw mismatch("the iterator does not come to " + target);
  }

  /// Whatever nobody touched has been shown once, also where Python gives up.
  template <class C> std::string finish(const step& now, box<C>& in) {
    for (++*in.standing; *in.standing != std::default_sentinel; ++*in.standing)
      in.seen.push_back(name_text(**in.standing));
    in.standing.reset();
    for (const std::string& stayed : inside(now.python))
      demand(std::count(in.seen.begin(), in.seen.end(), stayed) == 1, stayed + " was not shown once");
    if (!now.python.starts_with("end ")) {
      demand(now.python.starts_with("RuntimeError ") || now.python.starts_with("missed "), "how did it end?");
      differences_->use(difference::iteration_never_fails);
    }
    return now.python;
  }

  // -- Two containers

  values& other_of(const values&, const std::string& name) { return v_.at(this->index(name)).container; }
  keys& other_of(const keys&, const std::string& name) { return k_.at(this->index(name)).container; }
  owning& other_of(const owning&, const std::string& name) { return w_.at(this->index(name)).container; }
  set& other_of(const set&, const std::string& name) { return t_.at(this->index(name)).container; }

  template <class C> std::string run_on_two(const step& now, const std::string& op, C& c, C& other) {
    if (op == "copy") {
      other = C(c);
      return listed(members(other));
    }
    if (op == "from") {
      C same(options_);
      same.update(other);
      c = std::move(same);
      return listed(members(c));
    }
    if (op == "eq") return equal(now, c, other);
    if (op == "or") return listed(members(c | other));
    if (op == "ior" || op == "update") {
      if (op == "ior")
        c |= other;
      else
        c.update(other);
      follow_update(now, c);
      return (is_set<C> && op == "update" ? "ok " : "") + listed(members(c));
    }
    throw mismatch("no command " + now.name());
  }

  template <class C> std::string equal(const step& now, const C& c, const C& other) {
    const bool same = c == other;
    demand(same == (other == c), "== is not symmetric");
    if constexpr (by_value && !is_set<C>) {
      const bool python = now.of_a_copy.value_or(now.python) == "True";
      if (python && !same) {
        differences_->use(difference::values_compare_by_identity);
        demand(c.size() == other.size(), "Python finds them equal, but their sizes differ");
        for (const auto& [k, v] : c) {
          const auto found = other.get(k);
          demand(is_same_value(v, found), "Python finds them equal, but at " + text(k));
        }
        return "True";
      }
    }
    return text(same);
  }
  static bool is_same_key(const std::string& a, const std::string& b) { return a == b; }
  static bool is_same_key(const owner& a, const owner& b) {
    if constexpr (by_value) {
      return is_same_value(a, b);
    } else {
      return a == b;
    }
  }
  static bool is_same_value(int a, const std::optional<int>& b) { return a == b; }
  static bool is_same_value(const owner& a, const std::optional<owner>& b) {
    return b.has_value() && is_same_value(a, *b);
  }
  static bool is_same_value(const owner& a, const owner& b) {
    return a == b || (a != nullptr && b != nullptr && a->value == b->value);
  }

  /// After an update that was refused: nothing has changed; then Python's half of it.
  template <class C, class F> void follow_half(C& c, const words& before, F do_half) {
    demand(members(c) == before, "a refused update has changed something");
    do_half();
    if (sorted(members(c)) != sorted(before)) differences_->use(difference::update_is_all_or_none);
  }

  /// Where a key has died in an update that brought an equal one.
  template <class C> void follow_update(const step& now, C& c) {
    if constexpr (by_value && std::is_same_v<C, owning>) {
      const words own = sorted(members(c)), theirs = sorted(inside(now.python));
      if (own == theirs) return;
      const auto rest = [this](words all) {
        std::erase_if(all, [this](const std::string& entry) {
          const auto number = [this](const std::string& name) {
            return this->value_by_serial.at(std::stoi(name.substr(name.find('o') + 1)));
          };
          return std::any_of(this->log.events.begin(), this->log.events.end(), [&](const std::string& event) {
            return event[0] == '~' && number(event) == number(entry);
          });
        });
        return all;
      };
      if (rest(own) != rest(theirs)) return;
      differences_->use(difference::update_lets_go_at_its_end);
      std::vector<std::pair<owner, owner>> pythons;
      for (const std::string& entry : theirs) {
        const std::size_t equals = entry.find('=');
        const std::string mapped = entry.substr(equals + 1);
        pythons.emplace_back(this->named(entry.substr(0, equals)),
                             mapped == "None" ? owner() : this->named(mapped));
      }
      c.clear();
      for (const auto& [k, v] : pythons) c.insert(k, v);
    }
  }

  template <class D> std::string update_pairs(const step& now, D& d) {
    // What only the pairs hold dies before the contents are looked at.
    const std::string said = update_with_pairs(now, d);
    return said + listed(members(d));
  }
  template <class D> std::string update_with_pairs(const step& now, D& d) {
    const auto all = pairs<D>(now.command);
    const words before = members(d);
    try {
      d.update(all);
    } catch (const weakref::untracked_error&) {
      follow_half(d, before, [&] {
        // Python makes a dict of the pairs first: of equal keys the first one has the last value.
        for (std::size_t i = 0; i != all.size() && !is_bad<D>(all[i]); ++i) {
          std::size_t last = i;
          for (std::size_t j = i + 1; j != all.size(); ++j)
            if (is_same_key(all[i].first, all[j].first)) last = j;
          d.insert_or_assign(all[i].first, all[last].second);
        }
      });
      return "TypeError ";
    }
    return "ok ";
  }

  // -- Sets

  std::vector<owner> range_of(const words& w) {
    std::vector<owner> result;
    for (std::size_t i = 2; i < w.size(); ++i) result.push_back(operand(w[i]));
    return result;
  }

  std::string run_on_set(const step& now, box<set>& in) {
    const words& w = now.command;
    const std::string op = w[0].substr(2);
    set& t = in.container;
    if (w.size() == 2) return run_on_all(now, op, in);
    if (op == "stand") return stand(in, w[2]);
    if (w.size() == 3 && w[2][0] == 't') {
      set& other = other_of(t, w[2]);
      if (is_among(op, "copy from eq or ior update")) return run_on_two(now, op, t, other);
      if (op == "le") return text(t <= other);
      if (op == "lt") return text(t < other);
      if (op == "ge") return text(t >= other);
      if (op == "gt") return text(t > other);
      return algebra(now, op, t, other);
    }
    if (op == "add") return text(t.add(operand(w[2])));
    if (op == "in")
      return text(ask<set>(operand(w[2]), [&](const auto& asked) { return t.contains(asked); }));
    if (op == "discard") return text(t.discard(operand(w[2])));
    if (op == "remove") {
      t.remove(operand(w[2]));
      return "ok";
    }
    return algebra(now, op, t, range_of(w));
  }

  template <class Range>
  std::string algebra(const step& now, const std::string& op, set& t, const Range& other) {
    if (op == "isdisjoint") return text(t.isdisjoint(other));
    if (op == "issubset") return text(t.issubset(other));
    if (op == "issuperset") return text(t.issuperset(other));
    if (op == "fromlist") {
      if constexpr (!is_set<Range>) t = set(other, options_);
      return listed(members(t));
    }
    if (op == "union") return listed(members(t.union_(other)));
    if (op == "and") return intersected(now, members(t & other));
    if (op == "intersection") return intersection(now, t, other);
    if (op == "sub") return listed(members(t - other));
    if (op == "difference") return listed(members(t.difference(other)));
    if (op == "xor") return listed(members(t ^ other));
    if (op == "symmetric_difference") return listed(members(t.symmetric_difference(other)));
    if (op == "iand") {
      t &= other;
      return follow_intersection(now, t);
    }
    if (op == "isub") {
      t -= other;
      return listed(members(t));
    }
    if (op == "ixor") {
      t ^= other;
      return listed(members(t));
    }
    const std::string said =
        op == "intersection_update" ? intersection_update(now, t, other) : change(now, op, t, other);
    return said + " " + (said == "ok" ? follow_intersection(now, t) : listed(members(t)));
  }

  template <class Range>
  std::string change(const step& now, const std::string& op, set& t, const Range& other) {
    const words before = members(t);
    try {
      if (op == "update")
        t.update(other);
      else if (op == "intersection_update")
        t.intersection_update(other);
      else if (op == "difference_update")
        t.difference_update(other);
      else if (op == "symmetric_difference_update")
        t.symmetric_difference_update(other);
      else
        throw mismatch("no command " + now.name());
      return "ok";
    } catch (const weakref::untracked_error&) {
      follow_half(t, before, [&] {
        for (const owner& each : other) {
          if (is_bad(each)) break;
          if (op == "update") t.add(each);
          if (op == "difference_update") t.discard(each);
        }
      });
      return "TypeError";
    }
  }

  template <class Range> std::string intersection(const step& now, const set& t, const Range& other) {
    const std::optional<std::vector<owner>> good = what_python_takes(now, other);
    if (!good) return intersected(now, members(t.intersection(other)));
    bool is_refused = false;
    try {
      static_cast<void>(t.intersection(other));
    } catch (const weakref::untracked_error&) {
      is_refused = true;
    }
    demand(is_refused, "a range with a bad pointer was taken");
    return intersected(now, members(t.intersection(*good)));
  }
  template <class Range> std::string intersection_update(const step& now, set& t, const Range& other) {
    const std::optional<std::vector<owner>> good = what_python_takes(now, other);
    if (!good) return change(now, "intersection_update", t, other);
    demand(change(now, "intersection_update", t, other) == "TypeError",
           "a range with a bad pointer was taken");
    return change(now, "intersection_update", t, *good);
  }
  /// The good ones, if there are others, which Python did not mind: it may have stopped before it came to them.
  template <class Range>
  std::optional<std::vector<owner>> what_python_takes(const step& now, const Range& other) {
    std::vector<owner> good;
    bool has_bad = false;
    for (const owner& each : other) {
      if (is_bad(each))
        has_bad = true;
      else
        good.push_back(each);
    }
    if (!has_bad || now.python.starts_with("TypeError")) return std::nullopt;
    differences_->use(difference::algebra_refuses_bad_pointers);
    return good;
  }

  /// Python's elements, where they are equal to ours.
  std::string intersected(const step& now, const words& own) {
    if constexpr (by_value) {
      if (now.python.find('[') != std::string::npos && sorted(own) != sorted(inside(now.python))) {
        std::vector<int> ours, theirs;
        for (const std::string& each : own) ours.push_back(this->named(each)->value);
        for (const std::string& each : inside(now.python)) theirs.push_back(this->named(each)->value);
        std::sort(ours.begin(), ours.end());
        std::sort(theirs.begin(), theirs.end());
        if (ours == theirs) {
          differences_->use(difference::intersection_keeps_its_own);
          return now.python.substr(now.python.find('['));
        }
      }
    }
    return listed(own);
  }
  std::string follow_intersection(const step& now, set& t) {
    const words own = members(t);
    if (!is_among(now.name(), "t.iand t.intersection_update")) return listed(own);
    const std::string said = intersected(now, own);
    if (said == listed(own)) return said;
    for (const std::string& each : inside(said)) {
      const owner theirs = this->named(each);
      t.discard(theirs);
      t.add(theirs);
    }
    return listed(members(t));
  }

  // -- What callbacks do, and the end

  void clear(const std::string& name) override {
    const std::size_t i = this->index(name);
    if (name[0] == 'v') v_.at(i).container.clear();
    if (name[0] == 'k') k_.at(i).container.clear();
    if (name[0] == 't') t_.at(i).container.clear();
  }
  void store(const std::string& name, const std::string& k, const owner& v) override {
    v_.at(this->index(name)).container.insert_or_assign("k" + k, v);
  }
  void look(char letter) override {
    const auto look_at = [this](const std::string& name, const auto& c) {
      this->log.events.push_back(name + ":" + std::to_string(c.size()) + "/" +
                                 std::to_string(members(c).size()));
    };
    for (std::size_t i = 0; letter == 'v' && i != v_.size(); ++i)
      look_at("v" + std::to_string(i), v_[i].container);
    for (std::size_t i = 0; letter == 'k' && i != k_.size(); ++i)
      look_at("k" + std::to_string(i), k_[i].container);
    for (std::size_t i = 0; letter == 't' && i != t_.size(); ++i)
      look_at("t" + std::to_string(i), t_[i].container);
  }

  std::string end() {
    const auto renew = [this](auto& each) {
      each.container = std::remove_reference_t<decltype(each.container)>(options_);
    };
    std::for_each(v_.begin(), v_.end(), renew);
    std::for_each(k_.begin(), k_.end(), renew);
    std::for_each(w_.begin(), w_.end(), renew);
    std::for_each(t_.begin(), t_.end(), renew);
    const auto is_filled = [](const owner& each) { return each != nullptr; };
    while (std::any_of(this->slots.begin(), this->slots.end(), is_filled)) {
      for (owner& each : this->slots) std::exchange(each, nullptr);
    }
    return std::to_string(this->log.living);
  }

  weakref::options options_;
  ledger* differences_;
  std::array<box<values>, 2> v_;
  std::array<box<keys>, 2> k_;
  std::array<box<owning>, 2> w_;
  std::array<box<set>, 3> t_;
};

} // namespace oracle

#endif
