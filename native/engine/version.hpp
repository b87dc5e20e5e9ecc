// Versions: what a query reads. Immutable, published by the committer, held by readers through
// hazard slots (Michael 2004), so that a query takes no lock and a seal never waits for one.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "base/limits.hpp"
#include "engine/tail.hpp"

namespace rve {

class Segment;
using Segments = std::vector<std::shared_ptr<const Segment>>;

// A row is visible when its group lies below `lsn` and its death does not (R13).
struct Version {
  uint64_t lsn = 0;  // end of the last group applied
  std::shared_ptr<const Segments> segments;
  std::shared_ptr<const TailBlocks> blocks;
  uint64_t tail_first = 0, tail_end = 0;  // ordinals
  uint64_t tail_live = 0; // rows of the tail that are alive
  uint64_t tail_lsn = 0;  // of the oldest group in the tail
};

class Versions;

// Holds one Version. Movable; release it soon: what it names cannot be freed.
class VersionHold {
 public:
  VersionHold() = default;
  VersionHold(VersionHold&& other) noexcept { *this = std::move(other); }
  VersionHold& operator=(VersionHold&& other) noexcept;
  ~VersionHold() { reset(); }
  void reset();
  const Version* operator->() const { return version_; }
  const Version& operator*() const { return *version_; }
  explicit operator bool() const { return version_ != nullptr; }

 private:
  friend class Versions;
  std::atomic<const Version*>* slot_ = nullptr;
  const Version* version_ = nullptr;
};

class Versions {
 public:
  ~Versions();
  // Committer. The older ones are freed as their holders let go.
  void publish(std::unique_ptr<const Version> version);
  // Any thread. Waits (yielding) only if all kReaderSlotsMax slots are taken.
  VersionHold hold();
  // Committer: frees what nobody holds; returns the smallest LSN held (the current one's if none is
  // older).
  uint64_t collect();

 private:
  // One cache line each, so that readers do not disturb one another.
  struct alignas(64) Slot {
    std::atomic<const Version*> version{nullptr};
  };
  std::atomic<const Version*> current_{nullptr};
  Slot slots_[kReaderSlotsMax];
  std::vector<std::unique_ptr<const Version>> owned_;  // the last one is current
};

}  // namespace rve
