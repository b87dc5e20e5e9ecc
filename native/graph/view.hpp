// The serialised graph, used in place (a read-only mapping, or the builder's buffer). Position
// independent, little-endian, every offset relative to the first byte, which is 64-byte aligned
// (4,096 in a file, so that one link list never straddles two pages).
//
// Header, 64 bytes:
//
// | Offset | Bytes | Name | Type | Meaning |
// | ---: | ---: | --- | --- | --- |
// | 0 | 4 | `magic` | u32 | 0x31475652 ("RVG1") |
// | 4 | 4 | `version` | u32 | 1 |
// | 8 | 4 | `rows` | u32 | n, 1..2^28 |
// | 12 | 4 | `links0` | u32 | M0: slots per row on level 0, 2..128, even |
// | 16 | 4 | `links` | u32 | M: slots per node on higher levels, M0 / 2 |
// | 20 | 4 | `levels` | u32 | 1..16; level 0 counts |
// | 24 | 4 | `entry_level` | u32 | level that a search scans flat; below `levels` |
// | 28 | 4 | reserved | u32 | zero |
// | 32 | 8 | `bytes` | u64 | size of the whole |
// | 40 | 8 | `level0` | u64 | offset of level 0 |
// | 48 | 8 | `table` | u64 | offset of the level table |
// | 56 | 8 | reserved | u64 | zero |
//
// Level table: for each level 1..levels-1, 32 bytes: u32 count (1..n, not growing with the level),
// u32 zero, u64 offset of `nodes` u32[count] (rows, ascending), u64 offset of `down` u32[count]
// (index of the same row in the level below; on level 1 that is the row), u64 offset of `links`
// u32[count][M] (indices in this level). Level 0: u32[n][M0] rows. A list ends at its first
// 0xFFFFFFFF (kNoRow); the slots behind it hold the same. Sections are 64-byte aligned, in the
// order header, table, level 0, levels 1.. (nodes, down, links).
//
// *Why* indices on the higher levels: a walk needs no search for a row's place; it costs 4 bytes
// for 1 row in 16.
#pragma once
#include "base/bytes.hpp"
#include "base/status.hpp"

namespace rve {

inline constexpr uint32_t kGraphMagic = 0x31475652;
inline constexpr uint32_t kGraphVersion = 1;
inline constexpr uint64_t kGraphTableEntryBytes = 32;
inline constexpr uint32_t kNoRow = 0xFFFFFFFFu;
inline constexpr uint32_t kGraphRowsMax = 1u << 28;  // Four bits of a pool entry's row are flags.
inline constexpr uint32_t kGraphLevelsMax = 16;      // At M = 4 a 16th level is 1 row in 2^30.
inline constexpr uint32_t kGraphLinks0Max = 128;
inline constexpr uint64_t kGraphHeaderBytes = 64;
inline constexpr uint64_t kGraphLevel0Offset = 4096;
inline constexpr uint32_t kGraphEntryMax = 1024;  // Nodes that a search scans flat to begin with.

struct GraphLevel {
  uint32_t count = 0;
  uint64_t nodes = 0;
  uint64_t down = 0;
  uint64_t links = 0;
};

class GraphView {
 public:
  // Checks header, table, order, sizes and alignment against bytes.size(). Reads only header and
  // table; the ids inside the sections are checked where they are used. kCorrupt (what, where),
  // kVersion.
  static Status open(Bytes bytes, GraphView* out);

  uint32_t rows() const { return rows_; }
  uint32_t links0() const { return links0_; }
  uint32_t links() const { return links_; }
  uint32_t levels() const { return levels_; }
  uint32_t entryLevel() const { return entry_level_; }
  // Nodes on the entry level.
  uint32_t entryCount() const { return entry_level_ == 0 ? rows_ : table_[entry_level_].count; }
  const GraphLevel& level(uint32_t level) const { return table_[level]; }  // 1..levels-1
  const std::byte* data() const { return bytes_.data(); }
  uint64_t bytes() const { return bytes_.size(); }

  // Byte offset and start of a row's list on level 0: links0() slots. Requires: row < rows().
  uint64_t linksOffset(uint32_t row) const { return level0_ + uint64_t{row} * links0_ * 4; }
  const uint32_t* linksOf(uint32_t row) const {
    return viewAs<uint32_t>(bytes_.data() + linksOffset(row));
  }
  // The same on level 1.. by index in that level, and the two index arrays.
  const uint32_t* linksOf(uint32_t level, uint32_t index) const {
    return viewAs<uint32_t>(bytes_.data() + table_[level].links) + uint64_t{index} * links_;
  }
  const uint32_t* nodes(uint32_t level) const {
    return viewAs<uint32_t>(bytes_.data() + table_[level].nodes);
  }
  const uint32_t* down(uint32_t level) const {
    return viewAs<uint32_t>(bytes_.data() + table_[level].down);
  }

 private:
  Bytes bytes_;
  uint32_t rows_ = 0;
  uint32_t links0_ = 0;
  uint32_t links_ = 0;
  uint32_t levels_ = 0;
  uint32_t entry_level_ = 0;
  uint64_t level0_ = 0;
  GraphLevel table_[kGraphLevelsMax];
};

}  // namespace rve
