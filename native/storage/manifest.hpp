// The manifest (FORMAT.md 9): the state of the memory at one LSN. Written whole at each checkpoint,
// into a run of its own, synced before the slot that names it (R4). Replay goes on from its LSN.
#pragma once
#include "storage/marks.hpp"
#include "storage/segment_entry.hpp"
#include "storage/symbols.hpp"

namespace rve {

// One unsealed group: where it is, and which rows it put.
struct TailGroup {
  uint64_t lsn = 0;
  uint64_t offset = 0;  // of the group in the file
  uint32_t length = 0;
  uint32_t rows = 0;
  uint32_t header_crc = 0;  // the parent holds the child's checksum
};

struct LogRunEntry {
  Run run;
  uint64_t first_lsn = 0;
};

struct ManifestSegment {
  SegmentEntry entry;
  std::vector<uint32_t> dead;  // ascending
};

struct Hole {
  uint64_t lsn_from = 0, lsn_to = 0;
};

struct Manifest {
  uint64_t lsn = 0;           // edits below are in here
  uint64_t replay_lsn = 0;
  uint64_t next_segment_id = 1;
  uint64_t next_id = 0;
  uint64_t lost_records = 0;
  std::vector<ManifestSegment> segments;
  std::vector<TailGroup> tail;        // in log order
  std::vector<uint32_t> tail_dead;    // ascending ordinals over the rows of `tail`
  std::vector<LogRunEntry> log_runs;  // from the one that holds replay_lsn to the open one
  std::vector<Run> edit_runs;  // named by records that replay from the other slot passes (R6)
  std::vector<Hole> holes;            // acknowledged log ranges found damaged, for good
};

// Symbols and marks are encoded from and into the live tables.
void encodeManifest(const Manifest& manifest, const Symbols& symbols, const SourceMarks& marks,
                    WireWriter* out);
// kCorrupt if any bound is broken. The caller has checked length and checksum against the slot.
Status decodeManifest(Bytes bytes, const Layout& layout, uint32_t chunk_count, Manifest* out,
                      Symbols* symbols, SourceMarks* marks);

}  // namespace rve
