// Source marks: which (source, boot, sequence) are stored already, so that a redelivered message is
// acknowledged and not stored twice. Per (source, boot) the highest sequence and a bitmap of the
// 1,024 below it.
#pragma once
#include <array>
#include <list>
#include <map>

#include "storage/wire.hpp"

namespace rve {

class SourceMarks {
 public:
  static constexpr uint64_t kWindow = 1024;
  // Beyond it the least recently used mark leaves: a duplicate is better than a loss.
  static constexpr size_t kMarksMax = 4096;

  // False for a sequence older than the window: it is stored again.
  bool contains(uint32_t source, uint32_t boot, uint64_t sequence) const;
  void add(uint32_t source, uint32_t boot, uint64_t sequence);
  size_t size() const { return marks_.size(); }

  void encode(WireWriter* out) const;
  // False if the bytes are impossible.
  bool decode(WireReader* in);

 private:
  using Key = std::pair<uint32_t, uint32_t>;
  struct Mark {
    uint64_t high = 0;
    std::array<uint64_t, kWindow / 64> below{};  // bit i: sequence high - 1 - i is known
    std::list<Key>::iterator age;
  };
  static void shift(Mark* mark, uint64_t by);
  Mark* touch(const Key& key, bool* fresh);

  std::map<Key, Mark> marks_;
  std::list<Key> by_age_;  // least recently used first
};

}  // namespace rve
