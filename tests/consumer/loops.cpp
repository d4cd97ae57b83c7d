// SPDX-License-Identifier: BSL-1.0
// Loops as users write them, for `warnings`. What a compiler sees through, and so what it warns of, changes with the
// code around it: each LOOP is compiled alone.
#include <weakref/weakref.hpp>

#include <memory>
#include <string>
#include <vector>

struct Sound {
  bool is_playing();
  void stop();
};

struct Player {
  void stop_all(double now);
  weakref::WeakValueDictionary<std::string, Sound> by_name;
  weakref::WeakKeyDictionary<Sound, std::string> titles;
  weakref::WeakSet<Sound> all;
  std::vector<std::shared_ptr<Sound>> playing;
  double last = 0;
};
weakref::WeakValueDictionary<std::string, Sound> sounds;

#if LOOP == 1
void stop() {
  for (const auto& [name, sound] : sounds) sound->stop();
}
#elif LOOP == 2
void Player::stop_all(double now) {
  if (now - last < 0.5) return;
  last = now;
  for (const auto& [name, sound] : by_name) sound->stop();
  playing.clear();
  for (const auto& [name, sound] : by_name)
    if (sound->is_playing()) playing.push_back(sound);
}
#elif LOOP == 3
void Player::stop_all(double) {
  for (const auto& sound : by_name.values()) sound->stop();
}
#elif LOOP == 4
void Player::stop_all(double) {
  for (const auto& [sound, title] : titles)
    if (title.empty()) sound->stop();
  for (const auto& sound : all) playing.push_back(sound);
  auto at = by_name.begin();
  if (at != by_name.end()) ++at;
  auto moved = std::move(at);
  moved = by_name.begin();
}
#endif
