// SPDX-License-Identifier: BSL-1.0
//
// What the family script knows of its objects: who owns each, who watches each, and which deaths are under way.
// Every owner of the script is a Held, which tells the family when it is copied and before it lets go; so the
// family knows in advance which owner is the last one, what must be called then and in which order, and that all
// of it has happened when the owner is gone. Objects, callbacks and keys report, and may run commands of the script
// meanwhile, in the middle of whatever is going on.
#ifndef WEAKREF_TESTS_PROPERTY_FAMILY_HPP
#define WEAKREF_TESTS_PROPERTY_FAMILY_HPP

#include "script.hpp"

#include <weakref/finalize.hpp>
#include <weakref/proxy.hpp>
#include <weakref/ref.hpp>
#include <weakref/weak_method.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace model {

struct Member;

class Held {
 public:
  Held() = default;
  explicit Held(std::shared_ptr<Member> owner);
  Held(const Held& other) : Held(other.owner_) {}
  Held(Held&& other) noexcept : owner_(std::move(other.owner_)) {}
  Held& operator=(Held other) noexcept {
    owner_.swap(other.owner_);
    return *this;
  }
  ~Held();

  explicit operator bool() const noexcept { return owner_ != nullptr; }
  const std::shared_ptr<Member>& owner() const noexcept { return owner_; }
  Member* operator->() const noexcept { return owner_.get(); }

 private:
  std::shared_ptr<Member> owner_;
};

struct Member : dictionary_test::counted<Member> {
  explicit Member(int number) : id(number) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  virtual ~Member();
  void method() {}

  const int id;
  std::vector<Held> children; // older ones only, or they would own each other
};
// The destructor of the base class that is named last runs first: the member's, then the callbacks.
struct OwnMember final : weakref::enable_weakref, Member {
  using Member::Member;
};

class family : public script_base {
 public:
  static family& now() noexcept { return *now_; }

  explicit family(std::span<const unsigned char> script) : script_base(script) { now_ = this; }

  // --- told by objects, owners, callbacks and keys ---------------------------------------------------------

  void held(int id) {
    const auto found = living_.find(id);
    expect(found != living_.end(), "an owner of a dead object");
    if (found != living_.end()) ++found->second.owners;
  }
  void let_go(std::shared_ptr<Member>& owner) {
    let_go(owner->id, [&] { owner.reset(); });
  }
  void destroyed(Member& member) {
    Death* const death = at_work(member.id);
    if (death == nullptr) return;
    death->has_begun = true;
    expect(!death->is_destroyed, "destroyed twice");
    expect(!death->calls_first || death->watches.empty(), "destroyed before the callbacks have run");
    death->is_destroyed = true;
    nested();
    while (!member.children.empty()) {
      const Held child = std::move(member.children.back());
      member.children.pop_back();
    }
    end_if_over(member.id);
  }
  void called(int watch, int id) {
    if (watch == called_by_hand_) {
      called_by_hand_ = -1;
      return nested();
    }
    Death* const death = at_work(id);
    if (death == nullptr) return;
    death->has_begun = true;
    expect(!death->watches.empty() && death->watches.front() == watch,
           "callbacks run newest first, each once");
    expect(death->is_destroyed != death->calls_first, "when the callbacks run");
    std::erase(death->watches, watch);
    expect(death->plain.expired() && death->plain() == nullptr, "a ref to a dead object is alive");
    ++nesting_; // looking into containers ends what was put off
    expect_forgotten(id);
    --nesting_;
    nested();
    end_if_over(id);
  }
  void key_gone() { nested(); }

 protected:
  struct Object {
    int owners = 0;
    bool calls_first = true; // before the destructor runs; else after it
    weakref::ref<Member> plain;
    std::deque<int> watches; // newest first
  };
  struct Death {
    int id;
    bool calls_first;
    std::deque<int> watches; // still to be called
    weakref::ref<Member> plain;
    bool is_destroyed = false;
    bool has_begun = false; // somebody has reported
    bool ends_itself = false;
  };

  /// A command, in the middle of something.
  virtual void command() = 0;
  /// The object is dead: out of all models.
  virtual void forget(int id) = 0;
  /// The object must be in no container.
  virtual void expect_forgotten(int id) = 0;

  void nested() {
    if (is_quiet_ || nesting_ == 3 || is_over() || has_failed()) return;
    ++nesting_;
    const char* const outer = command_;
    for (int count = below(3); count > 0 && !is_over() && !has_failed(); --count) command();
    command_ = outer;
    --nesting_;
  }

  Held make() {
    const int way = below(4);
    const int id = next_id_++;
    Object& made = living_[id];
    std::shared_ptr<Member> owner;
    switch (way) {
    case 0:
      owner = weakref::make_tracked<Member>(id);
      break;
    case 1:
      owner = weakref::adopt(std::make_unique<Member>(id));
      break;
    case 2:
      owner = weakref::make_tracked<OwnMember>(id);
      break;
    default:
      owner = std::make_shared<OwnMember>(id);
      made.calls_first = false;
    }
    made.plain = weakref::ref<Member>(owner);
    return Held(std::move(owner));
  }

  /// One owner less, by `drop`.
  template <class Drop> void let_go(int id, Drop&& drop) {
    const auto found = living_.find(id);
    if (found == living_.end() || --found->second.owners > 0) return drop();
    const Object gone = std::move(found->second);
    living_.erase(found);
    forget(id);
    Death death{id, gone.calls_first, gone.watches, gone.plain};
    if (is_locked_ && death.calls_first) {
      death.ends_itself = true;
      put_off_.push_back(death);
      return drop();
    }
    deaths_.push_back(death);
    drop();
    settle(id, gone.watches.size());
  }

  /// Inside an operation of a container, which may hold an owner for a while: then a death may come later.
  class operation {
   public:
    explicit operation(family& of) noexcept : family_(of) { ++family_.operations_; }
    ~operation() {
      if (--family_.operations_ == 0) {
        family_.expect(family_.late_.empty(), "an object outlives an operation");
        family_.expect(family_.put_off_.empty(), "a death put off has not happened");
      } else if (!family_.is_locked_) {
        family_.late_.splice(family_.late_.end(), family_.put_off_);
      }
    }
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

   private:
    family& family_;
  };

  /// Perhaps an operation further out still holds an object that the family takes for dead.
  bool is_undecided() const {
    return !late_.empty() || (operations_ > 0 && !deaths_.empty() && !deaths_.back().has_begun);
  }
  bool is_late(int id) const {
    return std::any_of(late_.begin(), late_.end(), [&](const Death& each) { return each.id == id; });
  }

  // --- watches -----------------------------------------------------------------------------------------------

  struct call {
    int watch;
    int id;
    // The ref, and this with it, may be gone when called() returns.
    void operator()() const { family::now().called(watch, id); }
    void operator()(const Held&) const { family::now().called(watch, id); }
  };
  struct Watch {
    Watch(int its_number, const Held& held) : number(its_number), id(held->id) {}
    virtual ~Watch() = default;
    /// True if it was called.
    virtual bool call_by_hand() { return false; }
    /// Before its end. What is returned holds the object, if this is what makes the difference.
    virtual std::shared_ptr<const void> detach() { return nullptr; }
    virtual bool stays_when_too_late() const { return false; }
    const int number;
    const int id;
  };
  struct RefWatch final : Watch {
    RefWatch(int its_number, const Held& held)
        : Watch(its_number, held), watch(held.owner(), call{its_number, held->id}) {}
    weakref::ref<Member, call> watch;
  };
  struct ProxyWatch final : Watch {
    ProxyWatch(int its_number, const Held& held)
        : Watch(its_number, held), watch(held.owner(), call{its_number, held->id}) {}
    weakref::proxy<Member, call> watch;
  };
  struct MethodWatch final : Watch {
    MethodWatch(int its_number, const Held& held)
        : Watch(its_number, held), watch(held.owner(), &Member::method, call{its_number, held->id}) {}
    weakref::WeakMethod<Member, void (Member::*)(), call> watch;
  };
  struct Finalizer final : Watch {
    Finalizer(int its_number, const Held& held, Held kept)
        : Watch(its_number, held), watch(held.owner(), call{its_number, held->id}, std::move(kept)) {}
    std::shared_ptr<const void> detach() override { return watch.detach(); }
    // A finalizer whose object is dead can't be detached any more: it will be called.
    bool stays_when_too_late() const override { return true; }
    bool call_by_hand() override { return watch(); }
    weakref::finalize<> watch;
  };

  void watch(std::unique_ptr<Watch>& place, int kind, const Held& held, Held kept) {
    unwatch(place);
    if (place != nullptr) return; // somebody has been faster
    const int number = next_watch_++;
    switch (kind) {
    case 0:
      place = std::make_unique<ProxyWatch>(number, held);
      break;
    case 1:
      place = std::make_unique<MethodWatch>(number, held);
      break;
    case 2:
      place = std::make_unique<Finalizer>(number, held, std::move(kept));
      break;
    default:
      place = std::make_unique<RefWatch>(number, held);
    }
    living_.at(held->id).watches.push_front(number);
  }
  void unwatch(std::unique_ptr<Watch>& place) {
    if (place == nullptr) return;
    const operation scope(*this);
    const std::unique_ptr<Watch> gone = std::move(place);
    if (!gone->stays_when_too_late()) {
      forget_watch(*gone);
    } else if (const auto object = gone->detach()) {
      forget_watch(*gone);
    }
  }
  void call_by_hand(std::unique_ptr<Watch>& place) {
    if (place == nullptr || dynamic_cast<Finalizer*>(place.get()) == nullptr) return;
    const operation scope(*this);
    const std::unique_ptr<Watch> called = std::move(place);
    called_by_hand_ = called->number;
    const bool is_waiting = forget_watch(*called);
    if (!is_waiting) called_by_hand_ = -1;
    expect(called->call_by_hand() == is_waiting, "whether a finalizer was called by hand");
  }

  std::map<int, Object> living_;
  std::list<Death> deaths_;  // under way, innermost last
  std::list<Death> put_off_; // until a lock is let go
  std::list<Death> late_;    // until an operation lets an owner go
  bool is_locked_ = false;   // inside a visit
  bool is_quiet_ = false;
  int next_id_ = 0;

 private:
  Death* at_work(int id) {
    if (!deaths_.empty() && deaths_.back().id == id) return &deaths_.back();
    for (std::list<Death>* const list : {&put_off_, &late_}) {
      const auto found =
          std::find_if(list->begin(), list->end(), [&](const Death& each) { return each.id == id; });
      if (found == list->end()) continue;
      // (Nested, it may be that an earlier one is still busy with keys, which don't say whose they are.)
      expect(list == &late_ || found == list->begin() || nesting_ > 0, "deaths put off run in their order");
      expect(list == &late_ || !is_locked_, "a death under a lock");
      deaths_.splice(deaths_.end(), *list, found);
      return &deaths_.back();
    }
    expect(false, "a death that nobody has expected");
    return nullptr;
  }
  static bool is_over(const Death& death) { return death.is_destroyed && death.watches.empty(); }
  void end_if_over(int id) {
    if (!deaths_.empty() && deaths_.back().id == id && deaths_.back().ends_itself && is_over(deaths_.back()))
      deaths_.pop_back();
  }
  using script_base::is_over;

  void settle(int id, std::size_t watches) {
    if (deaths_.empty() || deaths_.back().id != id) return expect(false, "deaths are nested");
    Death& last = deaths_.back();
    if (is_over(last)) return deaths_.pop_back();
    last.ends_itself = true;
    if (is_locked_ && last.is_destroyed)
      return put_off_.splice(put_off_.end(), deaths_, std::prev(deaths_.end()));
    if (operations_ > 0 && !last.is_destroyed && last.watches.size() == watches)
      return late_.splice(late_.end(), deaths_, std::prev(deaths_.end()));
    expect(false, "the last owner has gone, and the object is not dead");
    deaths_.pop_back();
  }

  /// True if it had not been called.
  bool forget_watch(const Watch& gone) {
    if (const auto living = living_.find(gone.id); living != living_.end())
      return std::erase(living->second.watches, gone.number) != 0;
    bool was_waiting = false;
    for (std::list<Death>* const list : {&deaths_, &put_off_, &late_})
      for (Death& each : *list)
        if (each.id == gone.id) was_waiting |= std::erase(each.watches, gone.number) != 0;
    // The last callback of a death that was still to come: nothing is left of that which would report.
    for (std::list<Death>* const list : {&deaths_, &put_off_, &late_})
      std::erase_if(*list, [](const Death& each) { return each.ends_itself && is_over(each); });
    return was_waiting;
  }

  static inline family* now_ = nullptr;
  int nesting_ = 0;
  int operations_ = 0;
  int next_watch_ = 0;
  int called_by_hand_ = -1;
};

inline Held::Held(std::shared_ptr<Member> owner) : owner_(std::move(owner)) {
  if (owner_ != nullptr) family::now().held(owner_->id);
}
inline Held::~Held() {
  if (owner_ != nullptr) family::now().let_go(owner_);
}
inline Member::~Member() { family::now().destroyed(*this); }

} // namespace model

#endif
