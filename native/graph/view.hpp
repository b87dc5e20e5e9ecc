// The serialised graph, used in place (a read-only mapping, or the builder's buffer). Position
// independent, little-endian, every offset relative to the first byte, which is 64-byte aligned
// (4,096 in a file, so that no list of a flat graph straddles two pages).
//
// Version 1 is flat: every list has all its slots, as the builder needs them. Version 2 is packed:
// lists of variable length, four times smaller, which packGraph (pack.hpp) makes of a flat graph.
//
// Header, 64 bytes:
//
// | Offset | Bytes | Name | Type | Meaning |
// | ---: | ---: | --- | --- | --- |
// | 0 | 4 | `magic` | u32 | 0x31475652 ("RVG1") |
// | 4 | 4 | `version` | u32 | 1 or 2 |
// | 8 | 4 | `rows` | u32 | n, 1..2^28 |
// | 12 | 4 | `links0` | u32 | M0: links of a row on level 0 at most, 2..128, even |
// | 16 | 4 | `links` | u32 | M: links of a node on higher levels at most, M0 / 2 |
// | 20 | 4 | `levels` | u32 | 1..16; level 0 counts |
// | 24 | 4 | `entry_level` | u32 | level that a search scans flat; below `levels` |
// | 28 | 4 | reserved | u32 | zero |
// | 32 | 8 | `bytes` | u64 | size of the whole |
// | 40 | 8 | `level0` | u64 | offset of level 0: 4,096, or in version 2 the end of the table |
// | 48 | 8 | `table` | u64 | offset of the level table |
// | 56 | 8 | reserved | u64 | zero |
//
// Sections are 64-byte aligned, filled up with zeros, each right behind the one before. A level
// above 0 has `nodes` u32[count], the rows on it, ascending, and `down` u32[count], the index of
// the same row in the level below (on level 1 that is the row). Its links are indices in that
// level, those of level 0 rows.
//
// *Why* indices on the higher levels: a walk needs no search for a row's place; it costs 4 bytes
// for 1 row in 16.
//
// Version 1. Table: for each level from 1, 32 bytes: u32 count (1..n, not growing with the level),
// u32 zero, u64 offsets of `nodes`, `down` and `links` u32[count][M]. Level 0: u32[n][M0]. A list
// ends at its first 0xFFFFFFFF (kNoRow); the slots behind it hold the same. Order of sections:
// header, table, level 0, levels 1.. (nodes, down, links).
//
// Version 2. Table: for each level from 0, 56 bytes: u32 count, u32 `low_bits`, u64 offsets of
// `nodes`, `down`, directory and lists (the first two zero on level 0, equal on level 1, where the
// array is kept once), u64 `bits` of all lists, u64 `links` in all lists. Directory and lists as in
// packed_links.hpp, 8 zero bytes behind the lists. Order: header, table, then for each level nodes,
// down, directory, lists.
#pragma once
#include "base/bytes.hpp"
#include "base/status.hpp"
#include "graph/packed_links.hpp"
#include "graph/page_guard.hpp"

namespace rve {

inline constexpr uint32_t kGraphMagic = 0x31475652;
inline constexpr uint32_t kGraphVersionFlat = 1;
inline constexpr uint32_t kGraphVersionPacked = 2;
inline constexpr uint64_t kGraphTableEntryBytes = 32;
inline constexpr uint64_t kGraphPackedEntryBytes = 56;
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
  uint64_t links = 0;  // flat: slots; packed: lists
};

class GraphView {
 public:
  // Checks header, table, order, sizes and alignment against bytes.size(). Reads only header and
  // table; the ids inside the sections are checked where they are used. kCorrupt (what, where),
  // kVersion.
  static Status open(Bytes bytes, GraphView* out);

  bool packed() const { return version_ == kGraphVersionPacked; }
  uint32_t rows() const { return rows_; }
  uint32_t links0() const { return links0_; }
  uint32_t links() const { return links_; }
  // Links of a node on a level at most: what readLinks may write.
  uint32_t linksMax(uint32_t level) const { return level == 0 ? links0_ : links_; }
  uint32_t levels() const { return levels_; }
  uint32_t entryLevel() const { return entry_level_; }
  // Nodes on the entry level.
  uint32_t entryCount() const { return table_[entry_level_].count; }
  const GraphLevel& level(uint32_t level) const { return table_[level]; }
  const std::byte* data() const { return bytes_.data(); }
  uint64_t bytes() const { return bytes_.size(); }

  // The links of a node (level 0: a row) to out[0..]: their number, or kUnreadable where the guard
  // (over the graph's bytes) withholds a page or a packed list is none. Ids are not checked.
  // Requires: node < level(level).count.
  static constexpr uint32_t kUnreadable = PackedLinks::kUnreadable;
  uint32_t readLinks(uint32_t level, uint32_t node, const PageGuard& guard, uint32_t* out) const;
  uint32_t readLinks(uint32_t level, uint32_t node, uint32_t* out) const {
    return readLinks(level, node, PageGuard(), out);
  }

  // Byte offset and start of a list of a flat graph: linksMax(level) slots.
  uint64_t flatOffset(uint32_t level, uint32_t node) const {
    return table_[level].links + uint64_t{node} * linksMax(level) * 4;
  }
  const uint32_t* flatLinks(uint32_t level, uint32_t node) const {
    return viewAs<uint32_t>(bytes_.data() + flatOffset(level, node));
  }
  // All lists of a level of a packed graph.
  const PackedLinks& packedLinks(uint32_t level) const { return packed_[level]; }

  // The two index arrays of a level from 1.
  const uint32_t* nodes(uint32_t level) const {
    return viewAs<uint32_t>(bytes_.data() + table_[level].nodes);
  }
  const uint32_t* down(uint32_t level) const {
    return viewAs<uint32_t>(bytes_.data() + table_[level].down);
  }

 private:
  Status openHeader();
  Status openFlat();
  Status openPacked();

  Bytes bytes_;
  uint32_t version_ = 0;
  uint32_t rows_ = 0;
  uint32_t links0_ = 0;
  uint32_t links_ = 0;
  uint32_t levels_ = 0;
  uint32_t entry_level_ = 0;
  GraphLevel table_[kGraphLevelsMax];
  PackedLinks packed_[kGraphLevelsMax];
};

}  // namespace rve
