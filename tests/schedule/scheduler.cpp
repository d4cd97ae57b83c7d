// SPDX-License-Identifier: BSL-1.0
#include "scheduler.hpp"
#include "support/sanitizers.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <sstream>
#include <thread>

#include <semaphore.h>
#include <signal.h>

#if defined(__linux__)
#include <sched.h>
#endif

extern "C" {
#if defined(__SANITIZE_THREAD__)
void AnnotateIgnoreSyncBegin(const char*, int);
void AnnotateIgnoreSyncEnd(const char*, int);
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
#endif
// Present in every sanitizer's run-time library, absent without.
[[gnu::weak]] void __sanitizer_set_death_callback(void (*)());
}

namespace schedule {
namespace {

constexpr unsigned max_threads = 8;

// Handing over the baton orders everything one thread did before everything the next one does. If
// ThreadSanitizer saw that it could never find two accesses that the *code under test* leaves unordered. So
// all of the scheduler runs inside this guard, but for the start of the bodies and their end, which a real
// program orders too.
struct unseen {
#if defined(__SANITIZE_THREAD__)
  unseen() noexcept {
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  }
#else
  unseen() noexcept {}
  ~unseen() {}
#endif
  unseen(const unseen&) = delete;
  unseen& operator=(const unseen&) = delete;
};

enum class step : unsigned char {
  // the values of sync_point come first
  start = 32,
  lock,
  locked,
  unlock,
  spin,
  spin_again,
  wait,
  notify,
  end,
};

const char* name_of(step what) {
  switch (static_cast<unsigned>(what)) {
  case unsigned(sync_point::before_list_lock):
    return "before list lock";
  case unsigned(sync_point::after_list_unlock):
    return "after list unlock";
  case unsigned(sync_point::before_owner_lock):
    return "before lock()";
  case unsigned(sync_point::after_owner_lock):
    return "after lock()";
  case unsigned(sync_point::before_expired):
    return "before expired()";
  case unsigned(sync_point::after_expired):
    return "after expired()";
  case unsigned(sync_point::before_release):
    return "before release";
  case unsigned(sync_point::after_release):
    return "after release";
  case unsigned(sync_point::death):
    return "death";
  case unsigned(step::start):
    return "start";
  case unsigned(step::lock):
    return "before mutex lock";
  case unsigned(step::locked):
    return "has the mutex";
  case unsigned(step::unlock):
    return "after mutex unlock";
  case unsigned(step::spin):
    return "spins";
  case unsigned(step::spin_again):
    return "spins on";
  case unsigned(step::wait):
    return "waits";
  case unsigned(step::notify):
    return "before notify";
  case unsigned(step::end):
    return "end";
  default:
    return "point";
  }
}

enum class mood : unsigned char { ready, spinning, waiting, blocked, ended };

// Who has the baton. Not std::atomic::wait, which first spins and yields: on a busy machine each yield costs
// a time slice, and that made the search five times slower.
class baton {
 public:
  baton() { sem_init(&arrived_, 0, 0); }
  ~baton() { sem_destroy(&arrived_); }
  baton(const baton&) = delete;
  baton& operator=(const baton&) = delete;

  void give() { sem_post(&arrived_); }
  void await() {
    while (sem_wait(&arrived_) != 0) continue; // a signal
  }

 private:
  sem_t arrived_;
};

struct alignas(64) worker {
  baton turn;
  mood now = mood::ended;
  bool woken = false;   // waiting: notified since the word changed
  bool guarded = false; // waiting: the word had changed before it fell asleep
  int mutexes = 0;
  std::uint64_t seen = 0; // spinning: the progress made when it began this turn's rest
  const void* word = nullptr;
  std::uint64_t old = 0;
  detail::differs_fn differs = nullptr;
  std::thread thread;
};

// One decision of the depth-first search. Position 0 of the candidates is "go on" where the thread can.
struct decision {
  std::uint8_t taken;
  std::uint8_t candidates;
  // Which threads they are, and after how many steps: must be the same whenever this decision is met again.
  std::uint8_t mask;
  std::uint32_t steps;
};

struct event {
  std::uint8_t thread;
  step what;
};

struct memory_piece {
  void* start;
  std::size_t bytes;
  std::size_t alignment;
  bool given_back;
};
constexpr unsigned char rubbish = 0xDD;
#if defined(__SANITIZE_ADDRESS__)
constexpr bool keeps_memory = false;
#else
constexpr bool keeps_memory = true;
#endif

struct choice_list {
  std::vector<std::uint8_t> threads;
  static choice_list parse(std::string_view);
  std::string text() const;
};

choice_list choice_list::parse(std::string_view text) {
  choice_list list;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) {
    const auto star = word.find('*');
    const auto times = star == std::string::npos ? 1 : std::stoul(word.substr(star + 1));
    list.threads.insert(list.threads.end(), times,
                        static_cast<std::uint8_t>(std::stoul(word.substr(0, star))));
  }
  return list;
}

std::string choice_list::text() const {
  std::string out;
  for (std::size_t i = 0; i < threads.size();) {
    auto j = i;
    while (j < threads.size() && threads[j] == threads[i]) ++j;
    if (!out.empty()) out += ' ';
    out += std::to_string(threads[i]);
    if (j - i > 1) out += '*' + std::to_string(j - i);
    i = j;
  }
  return out;
}

thread_local int self = -1;

// Set from inside ThreadSanitizer's report, where no more than this can be done.
volatile sig_atomic_t race_reported = 0;

// Lives on the heap, because a run that can't end (a deadlock) leaves threads behind that still look at it.
class engine {
 public:
  engine(const scenario& what, const options& how)
      : scenario_(what), options_(how), workers_(what.bodies.size()) {
    if (workers_.empty() || workers_.size() > max_threads)
      throw std::invalid_argument("a scenario has 1 to 8 bodies");
    result_.preemptions = how.preemptions;
    result_.again = how.again;
  }

  void follow(choice_list choices) {
    replaying_ = true;
    script_ = std::move(choices);
  }

  static result run(std::unique_ptr<engine>);

  void arrive(step where, bool progress = true) {
    log(where, progress);
    pass_on();
  }

  void spin(bool first_turn) {
    // A turn that only found the lock still taken is no progress, or two spinning threads would keep each
    // other busy for ever while the third, who holds the lock, is never chosen.
    log(first_turn ? step::spin : step::spin_again, first_turn);
    me().now = mood::spinning;
    me().seen = progress_;
    pass_on();
  }

  void wait_for_change(const void* word, std::uint64_t old, detail::differs_fn differs) {
    log(step::wait);
    auto& mine = me();
    mine.now = mood::waiting;
    mine.word = word;
    mine.old = old;
    mine.differs = differs;
    mine.woken = false;
    mine.guarded = differs(word, old);
    pass_on();
  }

  void notify(const void* word) {
    log(step::notify);
    pass_on();
    for (auto& other : workers_)
      if (other.now == mood::waiting && other.word == word && other.differs(word, other.old))
        other.woken = true;
  }

  void block(const void* mutex, detail::differs_fn is_free) {
    log(step::lock);
    auto& mine = me();
    if (mine.mutexes > 0 && !options_.nested_locks) fail("a second mutex is locked while one is held");
    mine.now = mood::blocked;
    mine.word = mutex;
    mine.differs = is_free;
    pass_on();
    got_mutex();
  }

  void got_mutex() { ++me().mutexes; }
  bool holds_a_mutex() { return me().mutexes > 0; }

  void unlocked() {
    --me().mutexes;
    arrive(step::unlock);
  }

  bool is_blocked_on(const void* mutex) const {
    return std::any_of(workers_.begin(), workers_.end(),
                       [&](const worker& w) { return w.now == mood::blocked && w.word == mutex; });
  }

  bool ignores(sync_point where) const { return (options_.ignored >> unsigned(where) & 1U) != 0; }
  void note_ignored() { result_.bounded = true; }

  void fail(std::string what) {
    if (result_.failure.empty()) result_.failure = std::move(what);
  }
  // For what leaves no way on: the threads stay where they are for ever.
  [[noreturn]] void give_up(std::string what);

  void add_memory(const memory_piece& piece) { memory_.push_back(piece); }
  bool give_back(void* start, std::size_t bytes);

  void observe(const char* outcome) { ++result_.outcomes[outcome]; }
  void print_schedule() const noexcept;

  static std::atomic<engine*> running;

 private:
  enum class can_run : unsigned char { no, perhaps, yes };

  worker& me() { return workers_[static_cast<unsigned>(self)]; }

  void log(step where, bool progress = true) {
    if (progress) ++progress_;
    if (events_.size() >= options_.max_steps) give_up("the run does not come to an end");
    events_.push_back({static_cast<std::uint8_t>(self), where});
  }

  can_run eligible(const worker&) const;
  int choose(int current);
  unsigned pick(const std::uint8_t* candidates, unsigned count, bool interrupts);
  void pass_on();
  void hand_to(int next);
  void await(int number);

  void thread_main(int number);
  bool finish_body(int number);
  int begin_run();
  bool end_run();
  bool next_path();
  void check_memory();
  void over();
  void supervise();
  std::string trace() const;
  std::string where_all_stand() const;

  const scenario scenario_; // a copy: abandoned threads outlive the caller's
  const options options_;
  std::vector<worker> workers_;
  result result_;

  std::shared_ptr<void> state_;
  std::atomic<bool> started_{false};
  std::atomic<int> running_bodies_{0};

  std::vector<decision> decisions_; // the path of the search
  std::size_t depth_ = 0;           // how much of it this run has followed
  int preemptions_ = 0;
  choice_list
      chosen_; // threads chosen wherever more than one could run: bound or not, so that replay needs no bound
  bool replaying_ = false;
  choice_list script_;

  std::vector<event> events_;
  std::vector<memory_piece> memory_;
  std::uint64_t progress_ = 0;
  std::uint64_t last_chance_at_ =
      ~std::uint64_t{0}; // the progress at which all who spin were given one more turn

  bool quit_ = false;
  std::atomic<std::uint64_t> heartbeat_{0};
  std::mutex over_mutex_;
  std::condition_variable over_changed_;
  bool over_ = false;
  bool abandoned_ = false;
};

std::atomic<engine*> engine::running{nullptr};

// ----------------------------------------------------------------------------------------------------
// decisions

engine::can_run engine::eligible(const worker& w) const {
  switch (w.now) {
  case mood::ready:
    return can_run::yes;
  case mood::spinning:
    return progress_ > w.seen ? can_run::yes : can_run::no;
  case mood::blocked:
    return w.differs(w.word, 0) ? can_run::yes : can_run::no;
  case mood::waiting:
    if (!w.differs(w.word, w.old)) return can_run::no;
    return w.woken || w.guarded ? can_run::yes : can_run::perhaps;
  case mood::ended:
    break;
  }
  return can_run::no;
}

// The thread to go on with, or -1 when all have ended. Thread `current` stands first among the candidates
// where it can go on: so the first path of the search is the one with the fewest switches.
int engine::choose(int current) {
  for (;;) {
    std::array<std::uint8_t, max_threads> candidates;
    unsigned count = 0;
    bool certain = false, all_ended = true, somebody_spins = false;
    bool current_goes_on = false;
    for (unsigned turn = 0; turn <= workers_.size(); ++turn) {
      const int number = turn == 0 ? current : static_cast<int>(turn) - 1;
      if (number < 0 || (turn > 0 && number == current)) continue;
      const worker& w = workers_[static_cast<unsigned>(number)];
      all_ended = all_ended && w.now == mood::ended;
      somebody_spins = somebody_spins || w.now == mood::spinning;
      const auto can = eligible(w);
      if (can == can_run::no) continue;
      if (turn == 0) current_goes_on = true;
      certain = certain || can == can_run::yes;
      candidates[count++] = static_cast<std::uint8_t>(number);
    }
    if (all_ended) return -1;
    if (certain) {
      if (count == 1) return candidates[0];
      const auto taken = candidates[pick(candidates.data(), count, current_goes_on)];
      chosen_.threads.push_back(taken);
      return taken;
    }
    if (somebody_spins && last_chance_at_ != progress_) {
      last_chance_at_ = progress_;
      for (auto& w : workers_)
        if (w.now == mood::spinning) w.seen = progress_ - 1;
      continue;
    }
    give_up("deadlock: " + where_all_stand());
  }
}

unsigned engine::pick(const std::uint8_t* candidates, unsigned count, bool interrupts) {
  unsigned taken = 0;
  if (replaying_) {
    if (chosen_.threads.size() < script_.threads.size()) {
      const auto wanted = script_.threads[chosen_.threads.size()];
      while (taken < count && candidates[taken] != wanted) ++taken;
      if (taken == count) {
        fail("the schedule does not fit the scenario");
        taken = 0;
      }
    }
  } else if (interrupts && options_.preemptions >= 0 && preemptions_ >= options_.preemptions) {
    result_.bounded = true;
  } else {
    std::uint8_t mask = 0;
    for (unsigned i = 0; i < count; ++i) mask = static_cast<std::uint8_t>(mask | 1U << candidates[i]);
    const auto steps = static_cast<std::uint32_t>(events_.size());
    if (depth_ == decisions_.size())
      decisions_.push_back({0, static_cast<std::uint8_t>(count), mask, steps});
    else if (decisions_[depth_].mask != mask || decisions_[depth_].steps != steps)
      fail("the scenario is not deterministic: the same choices led elsewhere");
    taken = decisions_[depth_++].taken;
    if (taken >= count) taken = 0;
  }
  if (interrupts && taken != 0) ++preemptions_;
  return taken;
}

bool engine::next_path() {
  while (!decisions_.empty()) {
    auto& last = decisions_.back();
    if (++last.taken < last.candidates) return true;
    decisions_.pop_back();
  }
  return false;
}

// ------------------------------------------------------------------------------------------------------ the
// baton

void engine::hand_to(int next) { workers_[static_cast<unsigned>(next)].turn.give(); }

void engine::await(int number) { workers_[static_cast<unsigned>(number)].turn.await(); }

void engine::pass_on() {
  const int number = self;
  const int next = choose(number);
  if (next != number) {
    hand_to(next);
    await(number);
  }
  me().now = mood::ready;
}

void engine::give_up(std::string what) {
  const int number = self;
  fail(std::move(what));
  abandoned_ = true;
  over();
  for (;;) await(number);
}

// ------------------------------------------------------------------------------------------------------- the
// runs

// The first thread to run, or -1 when the set-up failed.
int engine::begin_run() {
  try {
    state_ = scenario_.setup();
  } catch (const std::exception& e) {
    fail(std::string("the set-up threw: ") + e.what());
    return -1;
  }
  running_bodies_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  started_.store(true, std::memory_order_release); // pairs with the load before each body

  unseen guard;
  events_.clear();
  chosen_.threads.clear();
  depth_ = 0;
  preemptions_ = 0;
  progress_ = 1;
  last_chance_at_ = ~std::uint64_t{0};
  for (auto& w : workers_) w.now = mood::ready;
  return choose(-1);
}

// True if this memory may go back to the system at once.
bool engine::give_back(void* start, std::size_t bytes) {
  for (auto piece = memory_.rbegin(); piece != memory_.rend(); ++piece) {
    if (piece->start != start || (piece->given_back && !keeps_memory)) continue;
    if (piece->given_back) fail("memory is given back twice");
    if (piece->bytes != bytes) fail("memory is given back in another size");
    piece->given_back = true;
    return !keeps_memory;
  }
  fail("memory is given back that nobody allocated");
  return false;
}

void engine::check_memory() {
  for (const auto& piece : memory_) {
    if (!piece.given_back) {
      fail("memory is never given back");
      continue;
    }
    const auto* const bytes = static_cast<const unsigned char*>(piece.start);
    if (keeps_memory &&
        !std::all_of(bytes, bytes + piece.bytes, [](unsigned char b) { return b == rubbish; }))
      fail("memory is written to after it was given back");
    if (keeps_memory) ::operator delete (piece.start, std::align_val_t{piece.alignment});
  }
  memory_.clear();
}

// True when there is another run to make.
bool engine::end_run() {
  (void)running_bodies_.load(std::memory_order_acquire); // pairs with the fetch_sub after each body
  if (scenario_.check) {
    try {
      scenario_.check(state_.get());
    } catch (const std::exception& e) {
      fail(std::string("the check threw: ") + e.what());
    }
  }
  state_.reset();

  unseen guard;
  ++result_.schedules;
  check_memory();
  if (race_reported != 0) fail("ThreadSanitizer reported a race");
  if (!replaying_ && depth_ != decisions_.size()) fail("the scenario is not deterministic: it ended early");
  if (!result_.failure.empty() || replaying_) return false;
  if (!next_path()) {
    result_.finished = true;
    return false;
  }
  return result_.schedules < options_.limit;
}

// True when the next run begins with this very thread.
bool engine::finish_body(int number) {
  int next = -1;
  {
    unseen guard;
    log(step::end);
    workers_[static_cast<unsigned>(number)].now = mood::ended;
    next = choose(number);
  }
  if (next < 0) {
    self = -1;
    if (end_run()) next = begin_run();
  }
  unseen guard;
  if (next < 0)
    over();
  else if (next != number)
    hand_to(next);
  return next == number;
}

void engine::thread_main(int number) {
  for (bool goes_on = false;;) {
    {
      unseen guard;
      if (!goes_on) await(number);
      if (quit_) return;
      self = number;
      log(step::start);
    }
    (void)started_.load(std::memory_order_acquire); // pairs with the store in begin_run
    try {
      scenario_.bodies[static_cast<unsigned>(number)](state_.get());
    } catch (const std::exception& e) {
      unseen guard;
      fail(std::string("a body threw: ") + e.what());
    } catch (...) {
      unseen guard;
      fail("a body threw");
    }
    running_bodies_.fetch_sub(1, std::memory_order_release); // pairs with the load in end_run
    goes_on = finish_body(number);
  }
}

void engine::over() {
  const std::lock_guard lock(over_mutex_);
  over_ = true;
  over_changed_.notify_one();
}

void engine::supervise() {
  std::unique_lock lock(over_mutex_);
  for (auto last = heartbeat_.load(); !over_;) {
    // Not a timed check of anything: only a way to name the schedule where a real lock or an endless loop
    // without a scheduling point would hang the program.
    if (over_changed_.wait_for(lock, std::chrono::minutes(2)) == std::cv_status::no_timeout) continue;
    const auto now = heartbeat_.load();
    if (now == last && !over_) {
      std::fputs("scheduler: no step for two minutes; something waits without a scheduling point\n", stderr);
      std::abort();
    }
    last = now;
  }
}

// All threads on one processor: handing over the baton is then a plain switch, twice as fast as waking
// another one.
class one_processor {
 public:
  one_processor() {
#if defined(__linux__)
    saved_ = sched_getaffinity(0, sizeof before_, &before_) == 0;
    cpu_set_t one;
    CPU_ZERO(&one);
    if (const int cpu = sched_getcpu(); cpu >= 0) CPU_SET(static_cast<unsigned>(cpu), &one);
    saved_ = saved_ && sched_setaffinity(0, sizeof one, &one) == 0; // threads made from here on inherit it
#endif
  }
  ~one_processor() {
#if defined(__linux__)
    if (saved_) sched_setaffinity(0, sizeof before_, &before_);
#endif
  }
  one_processor(const one_processor&) = delete;
  one_processor& operator=(const one_processor&) = delete;

 private:
#if defined(__linux__)
  cpu_set_t before_;
  bool saved_ = false;
#endif
};

// What a crash, a failed assertion or a sanitizer's verdict leaves on the screen is worth little without the
// order in which it happened.
class crash_report {
 public:
  crash_report() {
    for (unsigned i = 0; i < signals.size(); ++i) {
      struct sigaction ours {};
      ours.sa_handler = &on_signal;
      sigaction(signals[i], &ours, &before[i]);
    }
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(&print);
  }
  ~crash_report() {
    for (unsigned i = 0; i < signals.size(); ++i) sigaction(signals[i], &before[i], nullptr);
  }
  crash_report(const crash_report&) = delete;
  crash_report& operator=(const crash_report&) = delete;

 private:
  static void print() {
    if (const engine* e = engine::running.load()) e->print_schedule();
  }
  static void on_signal(int number) {
    print();
    for (unsigned i = 0; i < signals.size(); ++i) sigaction(signals[i], &before[i], nullptr);
    raise(number); // for whoever handled it before: the test framework, a sanitizer, the system
  }

  static constexpr std::array signals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  static std::array<struct sigaction, 5> before;
};
std::array<struct sigaction, 5> crash_report::before;

result engine::run(std::unique_ptr<engine> owned) {
  engine* const it = owned.get();
  if (engine* none = nullptr; !running.compare_exchange_strong(none, it))
    throw std::logic_error("one exploration at a time");
  const crash_report on_crash;
  const one_processor here;
  race_reported = 0;
  for (unsigned i = 0; i < it->workers_.size(); ++i)
    it->workers_[i].thread = std::thread([it, i] { it->thread_main(static_cast<int>(i)); });
  const int first = it->begin_run();

  {
    unseen guard;
    if (first >= 0) {
      it->hand_to(first);
      it->supervise();
    }
    running.store(nullptr);
    if (!it->result_.failure.empty()) {
      it->result_.schedule = it->chosen_.text();
      it->result_.trace = it->trace();
    }
    if (it->abandoned_) {
      for (auto& w : it->workers_) w.thread.detach();
      return owned.release()->result_; // for ever: its threads still stand in it
    }
    it->quit_ = true;
    for (unsigned i = 0; i < it->workers_.size(); ++i) it->hand_to(static_cast<int>(i));
  }
  for (auto& w : it->workers_) w.thread.join();
  return std::move(it->result_);
}

// --------------------------------------------------------------------------------------------------------
// reports

std::string engine::where_all_stand() const {
  std::ostringstream out;
  for (unsigned i = 0; i < workers_.size(); ++i) {
    const auto& w = workers_[i];
    out << (i == 0 ? "thread " : ", thread ") << i;
    switch (w.now) {
    case mood::ended:
      out << " has ended";
      break;
    case mood::spinning:
      out << " spins";
      break;
    case mood::blocked:
      out << " waits for a mutex";
      break;
    case mood::waiting:
      out << (w.differs(w.word, w.old) ? " waits for a word that changed without a notification"
                                       : " waits for a word to change");
      break;
    case mood::ready:
      out << " can run";
      break;
    }
  }
  return out.str();
}

std::string engine::trace() const {
  std::ostringstream out;
  for (const auto& e : events_) out << "  thread " << unsigned(e.thread) << ": " << name_of(e.what) << '\n';
  return out.str();
}

// From a signal handler or a dying sanitizer: no allocation, no locale.
void engine::print_schedule() const noexcept {
  std::fputs("\nscheduler: this happened in one schedule\nreplay with: WEAKREF_SCHEDULE_REPLAY=\"", stderr);
  const auto& threads = chosen_.threads;
  for (std::size_t i = 0, end = 0; i < threads.size(); i = end) {
    for (end = i; end < threads.size() && threads[end] == threads[i];) ++end;
    std::fprintf(stderr, i == 0 ? "%u" : " %u", unsigned(threads[i]));
    if (end - i > 1) std::fprintf(stderr, "*%zu", end - i);
  }
  std::fprintf(stderr, "\" %s\n", options_.again.c_str());
  std::fflush(stderr);
}

} // namespace

std::size_t result::seen(const std::string& outcome) const {
  const auto found = outcomes.find(outcome);
  return found == outcomes.end() ? 0 : found->second;
}

std::string result::summary() const {
  std::ostringstream out;
  out << schedules << (schedules == 1 ? " schedule" : " schedules");
  if (!failure.empty()) {
    out << ", the last of which failed: " << failure << "\nreplay with: WEAKREF_SCHEDULE_REPLAY=\""
        << schedule << "\" " << again << '\n'
        << trace;
    return out.str();
  }
  if (!finished)
    out << ", stopped at the limit";
  else if (!bounded)
    out << ", all there are";
  else if (preemptions >= 0)
    out << ", all with up to " << preemptions << " interruptions";
  for (const auto& [outcome, times] : outcomes) out << "; " << outcome << ": " << times;
  return out.str();
}

// ---------------------------------------------------------------------------------------------------- entry
// points

result explore(const scenario& what, options how) {
  if (const char* text = std::getenv("WEAKREF_SCHEDULE_PREEMPTIONS"))
    how.preemptions = text == std::string_view("all") ? -1 : std::atoi(text);
  if (const char* text = std::getenv("WEAKREF_SCHEDULE_LIMIT")) how.limit = std::strtoull(text, nullptr, 10);
  if (const char* text = std::getenv("WEAKREF_SCHEDULE_REPLAY")) return replay(what, text, how);
  return engine::run(std::make_unique<engine>(what, how));
}

result replay(const scenario& what, std::string_view schedule, options how) {
  auto one = std::make_unique<engine>(what, how);
  one->follow(choice_list::parse(schedule));
  return engine::run(std::move(one));
}

void expect(bool holds, const char* what, const char* file, int line) {
  if (holds) return;
  const unseen guard;
  if (engine* e = engine::running.load())
    e->fail(std::string(file) + ':' + std::to_string(line) + ": " + what);
}

void observe(const char* outcome) {
  const unseen guard;
  if (engine* e = engine::running.load()) e->observe(outcome);
}

void point() noexcept {
  const unseen guard;
  if (self >= 0) engine::running.load()->arrive(step{31});
}

int this_thread() noexcept { return self; }

bool holds_a_mutex() noexcept {
  const unseen guard;
  return self >= 0 && engine::running.load()->holds_a_mutex();
}

void* allocate_checked(std::size_t bytes, std::size_t alignment) {
  void* const start = ::operator new (bytes, std::align_val_t{alignment});
  const unseen guard;
  if (engine* e = engine::running.load()) e->add_memory({start, bytes, alignment, false});
  return start;
}

void deallocate_checked(void* memory, std::size_t bytes, std::size_t alignment) noexcept {
  // Seen by ThreadSanitizer: whoever still looks at this memory, unordered, races with the write.
  if (keeps_memory) std::memset(memory, rubbish, bytes);
  bool is_free = false;
  {
    const unseen guard;
    engine* const e = engine::running.load();
    is_free = e == nullptr || e->give_back(memory, bytes);
  }
  if (is_free) ::operator delete (memory, std::align_val_t{alignment});
}

namespace detail {
namespace {
engine& running() { return *engine::running.load(); }
} // namespace

void reach(sync_point where) noexcept {
  const unseen guard;
  if (self < 0) return;
  if (running().ignores(where))
    running().note_ignored();
  else
    running().arrive(step{static_cast<unsigned char>(where)});
}

void spin(bool first_turn) noexcept {
  const unseen guard;
  if (self >= 0) running().spin(first_turn);
}

void wait_for_change(const void* word, std::uint64_t old, differs_fn differs) noexcept {
  const unseen guard;
  if (self >= 0) running().wait_for_change(word, old, differs);
}

void notify(const void* word) noexcept {
  const unseen guard;
  if (self >= 0) running().notify(word);
}
} // namespace detail

bool scheduled_mutex::is_free(const void* mutex, std::uint64_t) noexcept {
  return !static_cast<const scheduled_mutex*>(mutex)->locked_.load(std::memory_order_relaxed);
}

void scheduled_mutex::lock() noexcept {
  {
    const unseen guard;
    if (self >= 0) {
      if (locked_.load(std::memory_order_relaxed) && holder_ == self)
        detail::running().give_up("a thread locks the mutex it holds");
      detail::running().block(this, &is_free);
    } else if (locked_.load(std::memory_order_relaxed)) {
      std::fputs("scheduler: set-up or check locks a mutex that is never unlocked\n", stderr);
      std::abort();
    }
  }
  take();
}

bool scheduled_mutex::try_lock() noexcept {
  {
    const unseen guard;
    if (self >= 0) detail::running().arrive(step::lock);
    if (locked_.load(std::memory_order_relaxed)) return false;
    if (self >= 0) detail::running().got_mutex();
  }
  take();
  return true;
}

// Seen by ThreadSanitizer: this is the mutex of the code under test.
void scheduled_mutex::take() noexcept {
  locked_.exchange(true, std::memory_order_acquire); // pairs with the store in unlock
  holder_ = self;
}

void scheduled_mutex::unlock() noexcept {
  {
    const unseen guard;
    engine* const e = engine::running.load();
    if (e != nullptr && (!locked_.load(std::memory_order_relaxed) || holder_ != self))
      return e->fail("a mutex is unlocked by a thread that does not hold it");
  }
  holder_ = nobody;
  locked_.store(false, std::memory_order_release); // pairs with the exchange in take
  // From here on *this may be gone.
  const unseen guard;
  if (self >= 0) detail::running().unlocked();
}

scheduled_mutex::~scheduled_mutex() {
  const unseen guard;
  engine* const e = engine::running.load();
  if (e == nullptr) return;
  if (locked_.load(std::memory_order_relaxed)) e->fail("a mutex is destroyed while it is locked");
  if (self >= 0 && e->is_blocked_on(this)) e->give_up("a mutex is destroyed while a thread waits for it");
}

} // namespace schedule

#if defined(__SANITIZE_THREAD__)
// Called by ThreadSanitizer where a program defines it.
extern "C" __attribute__((no_sanitize("thread"))) void __tsan_on_report(void*) {
  schedule::race_reported = 1;
}
#endif
