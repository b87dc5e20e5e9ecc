#include "graph/view.hpp"

#include <string>

namespace rve {
namespace {

Status corrupt(const char* what, uint64_t value) {
  return Status(Code::kCorrupt, std::string("graph: ") + what + " is " + std::to_string(value));
}

// The one place where a level of `count` nodes may lie: right behind the section before it.
bool placed(const GraphLevel& level, uint32_t links, uint64_t at, uint64_t* end) {
  const uint64_t index_bytes = roundUp(uint64_t{level.count} * 4, 64);
  *end = at + 2 * index_bytes + roundUp(uint64_t{level.count} * links * 4, 64);
  return level.nodes == at && level.down == at + index_bytes &&
         level.links == at + 2 * index_bytes;
}

}  // namespace

Status GraphView::open(Bytes bytes, GraphView* out) {
  if (bytes.size() < kGraphHeaderBytes) return corrupt("size", bytes.size());
  if (addressOf(bytes.data()) % 64 != 0) return corrupt("address modulo 64", 1);
  const auto word = [&](size_t at) { return load<uint32_t>(bytes, at); };
  if (word(0) != kGraphMagic) return corrupt("magic", word(0));
  if (word(4) != kGraphVersion) {
    return Status(Code::kVersion, "graph: version " + std::to_string(word(4)));
  }
  GraphView view;
  view.bytes_ = bytes;
  view.rows_ = word(8);
  view.links0_ = word(12);
  view.links_ = word(16);
  view.levels_ = word(20);
  view.entry_level_ = word(24);
  if (view.rows_ < 1 || view.rows_ > kGraphRowsMax) return corrupt("rows", view.rows_);
  if (view.links0_ < 2 || view.links0_ > kGraphLinks0Max || view.links0_ % 2 != 0) {
    return corrupt("links0", view.links0_);
  }
  if (view.links_ != view.links0_ / 2) return corrupt("links", view.links_);
  if (view.levels_ < 1 || view.levels_ > kGraphLevelsMax) return corrupt("levels", view.levels_);
  if (view.entry_level_ >= view.levels_) return corrupt("entry_level", view.entry_level_);
  if (word(28) != 0 || load<uint64_t>(bytes, 56) != 0) return corrupt("reserved", 1);
  const auto total = load<uint64_t>(bytes, 32);
  if (total != bytes.size()) return corrupt("bytes", total);
  const auto table = load<uint64_t>(bytes, 48);
  if (table != kGraphHeaderBytes) return corrupt("table", table);
  const uint64_t table_bytes = (view.levels_ - 1) * kGraphTableEntryBytes;
  if (table + table_bytes > total) return corrupt("table", table);
  view.level0_ = load<uint64_t>(bytes, 40);
  if (view.level0_ != kGraphLevel0Offset) return corrupt("level0", view.level0_);
  uint64_t end = view.level0_ + roundUp(uint64_t{view.rows_} * view.links0_ * 4, 64);
  uint32_t count_below = view.rows_;
  for (uint32_t l = 1; l < view.levels_; ++l) {
    const uint64_t at = table + (l - 1) * kGraphTableEntryBytes;
    GraphLevel& level = view.table_[l];
    level.count = word(at);
    level.nodes = load<uint64_t>(bytes, at + 8);
    level.down = load<uint64_t>(bytes, at + 16);
    level.links = load<uint64_t>(bytes, at + 24);
    if (level.count < 1 || level.count > count_below) return corrupt("level count", level.count);
    if (word(at + 4) != 0) return corrupt("reserved", word(at + 4));
    if (!placed(level, view.links_, end, &end)) return corrupt("level offset", level.nodes);
    count_below = level.count;
  }
  if (end != total) return corrupt("end of levels", end);
  if (view.entryCount() > kGraphEntryMax) return corrupt("entry level count", view.entryCount());
  *out = view;
  return {};
}

}  // namespace rve
