// Which chunks are free (rules R6 and R7). A chunk is reusable only when nobody pins it: neither
// slot, nor the live state, nor the log, nor a Version. Pins are counted per chunk, so shared runs
// need no owner.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "storage/layout.hpp"

namespace rve {

class SpaceMap;

// Holds one run: its chunks are not reused before the last pin is gone. Thread-safe to drop.
class RunPin {
 public:
  RunPin() = default;
  RunPin(SpaceMap* map, Run run);  // adds a pin
  RunPin(const RunPin& other);
  RunPin(RunPin&& other) noexcept;
  RunPin& operator=(RunPin other) noexcept;
  ~RunPin();
  // Mutation tests only: names a run without holding it.
  static RunPin unheld(Run run) {
    RunPin pin;
    pin.run_ = run;
    return pin;
  }
  // A run that is pinned for the result already.
  static RunPin held(SpaceMap* map, Run run) {
    RunPin pin;
    pin.map_ = map;
    pin.run_ = run;
    return pin;
  }
  const Run& run() const { return run_; }
  explicit operator bool() const { return map_ != nullptr; }

 private:
  SpaceMap* map_ = nullptr;
  Run run_;
};

enum class SpacePurpose {
  kData,    // inserts: leave the reserve alone
  kSeal,    // seals and compaction, which free more than they take: may use half of it
  kForget,  // the log of deletes: all but what the record of one compaction takes
  kSystem,  // checkpoints, and what records them: may use all of it
};

struct SpaceUse {
  uint64_t chunk_count = 0, pinned = 0, free_allocated = 0, holes = 0;
};

class SpaceMap {
 public:
  SpaceMap(File* file, const Layout& layout, uint64_t bytes_max);
  SpaceMap(const SpaceMap&) = delete;
  SpaceMap& operator=(const SpaceMap&) = delete;

  uint32_t chunkCount() const;
  // Chunks held back from kData, as allocated space (R7). Grows the file when needed.
  void setReserve(uint32_t chunks);
  // First fit of `chunks` in a row, growing the file if nothing fits. The run comes pinned.
  // kNoSpace leaves everything as it was.
  Status allocate(uint32_t chunks, SpacePurpose purpose, RunPin* out);
  // Gives the tail part of an owned run back, keeping the first `chunks`. The pin must be the only
  // one.
  void shorten(RunPin* pin, uint32_t chunks);
  // Punches free space beyond the reserve into holes.
  Status trim();
  SpaceUse use() const;
  // True if the chunk at this file offset was in use before in this life.
  bool wasWritten(uint64_t offset) const;
  // True if no chunk of the run is pinned (recovery: is a run owned twice?).
  bool isUnpinned(const Run& run) const;

 private:
  friend class RunPin;
  // kWritten: somebody held it, so its device blocks hold bytes; kAllocated: reserved and, as far
  // as known, never written since, which makes the first sync of each page dear (ext4 notes in its
  // journal that it holds data now).
  enum class State : uint8_t { kHole, kAllocated, kWritten };
  struct Chunk {
    uint32_t pins = 0;
    State state = State::kHole;
  };
  void pin(const Run& run);
  void pinLocked(const Run& run);
  void unpin(const Run& run);
  uint32_t findFree(uint32_t chunks) const;
  Status growBy(uint32_t chunks, uint32_t at_least);
  Status secure(uint32_t first, uint32_t chunks);
  Status holdBack(uint32_t floor, uint32_t first, uint32_t chunks);
  uint32_t freeCount() const;

  File* file_;
  Layout layout_;
  uint32_t chunks_max_;
  uint32_t reserve_chunks_ = 0;
  mutable std::mutex mutex_;
  std::vector<Chunk> chunks_;  // [0] unused: chunk numbers start at 1
};

}  // namespace rve
