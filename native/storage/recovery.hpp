// Finding the end of the log after a crash (STORAGE.md 2.8, steps 3 to 6). Reads only: nothing here
// writes, so a cut during recovery adds no states.
#pragma once
#include <vector>

#include "storage/group.hpp"
#include "storage/log.hpp"
#include "storage/manifest.hpp"
#include "storage/slot.hpp"

namespace rve {

// One slot whose copies and manifest were examined.
struct Root {
  uint32_t which = 0;   // 0: A, 1: B
  uint32_t copies = 0;  // bit c: copy c holds this slot
  Slot slot;
  Manifest manifest;
};

// Reads the four slot copies; valid ones by generation, newest first, one per slot place.
std::vector<Root> readSlots(File& file, const Layout& layout, const Uuid& uuid,
                            uint32_t chunk_count);

// Reads and checks the manifest that a slot names.
Status readManifest(File& file, const Layout& layout, const Uuid& uuid, uint32_t chunk_count,
                    Root* root, Symbols* symbols, SourceMarks* marks);

struct WalkedGroup {
  GroupHeader header;
  uint64_t offset = 0;  // in the file
  bool intact = true;   // false: acknowledged, but its body is damaged: its records are lost
};

struct WalkedRun {
  Run run;
  uint64_t first_lsn = 0;
  uint64_t sequence = 0;
};

struct LogWalk {
  std::vector<WalkedGroup> groups;  // from manifest_lsn on, in order
  std::vector<WalkedRun> runs;      // from the scan run on
  std::vector<Hole> holes;          // found by this walk
  Run next;                         // the successor that the last run's header names
  LogPosition position;             // where to write on; epoch is not yet raised
  bool torn = false;                // bytes of an unfinished window were cut
  bool beyond_durable = false;      // groups were found whose sync is not proven (R10)
};

// Walks the log from the slot's manifest_lsn. kCorrupt only if not even the scan run's header can
// be read.
Status walkLog(File& file, const Layout& layout, const Uuid& uuid, uint32_t chunk_count,
               const Slot& slot, LogWalk* out);

}  // namespace rve
