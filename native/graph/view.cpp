#include "graph/view.hpp"

#include <string>

namespace rve {
namespace {

Status corrupt(const char* what, uint64_t value) {
  return Status(Code::kCorrupt, std::string("graph: ") + what + " is " + std::to_string(value));
}

// Hands out the one place where the next section may lie: right behind the one before.
struct Sections {
  uint64_t at;

  uint64_t take(uint64_t bytes) {
    const uint64_t start = at;
    at += roundUp(bytes, 64);
    return start;
  }
};

}  // namespace

Status GraphView::open(Bytes bytes, GraphView* out) {
  if (bytes.size() < kGraphHeaderBytes) return corrupt("size", bytes.size());
  if (addressOf(bytes.data()) % 64 != 0) return corrupt("address modulo 64", 1);
  GraphView view;
  view.bytes_ = bytes;
  RVE_TRY(view.openHeader());
  RVE_TRY(view.packed() ? view.openPacked() : view.openFlat());
  if (view.entryCount() > kGraphEntryMax) return corrupt("entry level count", view.entryCount());
  *out = view;
  return {};
}

Status GraphView::openHeader() {
  const auto word = [&](size_t at) { return load<uint32_t>(bytes_, at); };
  if (word(0) != kGraphMagic) return corrupt("magic", word(0));
  version_ = word(4);
  if (version_ != kGraphVersionFlat && version_ != kGraphVersionPacked) {
    return Status(Code::kVersion, "graph: version " + std::to_string(version_));
  }
  rows_ = word(8);
  links0_ = word(12);
  links_ = word(16);
  levels_ = word(20);
  entry_level_ = word(24);
  if (rows_ < 1 || rows_ > kGraphRowsMax) return corrupt("rows", rows_);
  if (links0_ < 2 || links0_ > kGraphLinks0Max || links0_ % 2 != 0) {
    return corrupt("links0", links0_);
  }
  if (links_ != links0_ / 2) return corrupt("links", links_);
  if (levels_ < 1 || levels_ > kGraphLevelsMax) return corrupt("levels", levels_);
  if (entry_level_ >= levels_) return corrupt("entry_level", entry_level_);
  if (word(28) != 0 || load<uint64_t>(bytes_, 56) != 0) return corrupt("reserved", 1);
  const auto total = load<uint64_t>(bytes_, 32);
  if (total != bytes_.size()) return corrupt("bytes", total);
  const auto table = load<uint64_t>(bytes_, 48);
  if (table != kGraphHeaderBytes) return corrupt("table", table);
  const uint64_t table_bytes =
      packed() ? levels_ * kGraphPackedEntryBytes : (levels_ - 1) * kGraphTableEntryBytes;
  if (table + table_bytes > total) return corrupt("table", table);
  const uint64_t level0 = packed() ? roundUp(table + table_bytes, 64) : kGraphLevel0Offset;
  if (load<uint64_t>(bytes_, 40) != level0) return corrupt("level0", level0);
  return {};
}

Status GraphView::openFlat() {
  const auto word = [&](size_t at) { return load<uint32_t>(bytes_, at); };
  Sections sections{kGraphLevel0Offset};
  table_[0] = {.count = rows_, .links = sections.take(uint64_t{rows_} * links0_ * 4)};
  for (uint32_t l = 1; l < levels_; ++l) {
    const uint64_t at = kGraphHeaderBytes + (l - 1) * kGraphTableEntryBytes;
    GraphLevel& level = table_[l];
    level.count = word(at);
    level.nodes = load<uint64_t>(bytes_, at + 8);
    level.down = load<uint64_t>(bytes_, at + 16);
    level.links = load<uint64_t>(bytes_, at + 24);
    if (level.count < 1 || level.count > table_[l - 1].count) {
      return corrupt("level count", level.count);
    }
    if (word(at + 4) != 0) return corrupt("reserved", word(at + 4));
    const uint64_t index_bytes = uint64_t{level.count} * 4;
    if (level.nodes != sections.take(index_bytes) || level.down != sections.take(index_bytes) ||
        level.links != sections.take(index_bytes * links_)) {
      return corrupt("level offset", level.nodes);
    }
  }
  return sections.at == bytes_.size() ? Status() : corrupt("end of levels", sections.at);
}

Status GraphView::openPacked() {
  Sections sections{roundUp(kGraphHeaderBytes + levels_ * kGraphPackedEntryBytes, 64)};
  for (uint32_t l = 0; l < levels_; ++l) {
    const uint64_t at = kGraphHeaderBytes + l * kGraphPackedEntryBytes;
    const auto low_bits = load<uint32_t>(bytes_, at + 4);
    const auto directory = load<uint64_t>(bytes_, at + 24);
    const auto bits = load<uint64_t>(bytes_, at + 40);
    GraphLevel& level = table_[l];
    level.count = load<uint32_t>(bytes_, at);
    level.nodes = load<uint64_t>(bytes_, at + 8);
    level.down = load<uint64_t>(bytes_, at + 16);
    level.links = load<uint64_t>(bytes_, at + 32);
    const uint32_t count_max = l == 0 ? rows_ : table_[l - 1].count;
    if (level.count < 1 || level.count > count_max || (l == 0 && level.count != rows_)) {
      return corrupt("level count", level.count);
    }
    if (low_bits > 28) return corrupt("low_bits", low_bits);
    const uint64_t spread = (level.count - 1) >> low_bits;
    if (spread > kPackedSpreadMax) return corrupt("low_bits", low_bits);
    const auto links = load<uint64_t>(bytes_, at + 48);
    if (links > uint64_t{level.count} * linksMax(l)) return corrupt("links of a level", links);
    if (bits != links * (low_bits + 1) + level.count * spread) return corrupt("bits", bits);
    const uint64_t index_bytes = uint64_t{level.count} * 4;
    const uint64_t nodes = l == 0 ? 0 : sections.take(index_bytes);
    const uint64_t down = l < 2 ? nodes : sections.take(index_bytes);
    const uint64_t blocks = divideUp(level.count, kPackedBlockNodes);
    if (level.nodes != nodes || level.down != down ||
        directory != sections.take(blocks * kPackedBlockBytes) ||
        level.links != sections.take(divideUp(bits, 8) + kPackedSpareBytes)) {
      return corrupt("level offset", level.links);
    }
    // Behind this nothing is read before the last check: sections.at grows past any size.
    if (sections.at > bytes_.size()) return corrupt("end of levels", sections.at);
    packed_[l] = PackedLinks(bytes_.data() + directory, bytes_.data() + level.links, bits,
                             level.count, low_bits, linksMax(l));
  }
  return sections.at == bytes_.size() ? Status() : corrupt("end of levels", sections.at);
}

uint32_t GraphView::readLinks(uint32_t level, uint32_t node, const PageGuard& guard,
                              uint32_t* out) const {
  if (packed()) return packed_[level].read(node, guard, bytes_.data(), out);
  const uint32_t slots = linksMax(level);
  if (!guard.ok(flatOffset(level, node), uint64_t{slots} * 4)) return kUnreadable;
  const uint32_t* links = flatLinks(level, node);
  uint32_t count = 0;
  for (; count < slots && links[count] != kNoRow; ++count) out[count] = links[count];
  return count;
}

}  // namespace rve
