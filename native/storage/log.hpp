// The log writer: groups into runs, one sync window at a time (R2, R3, R8), and which runs the log
// still needs. Used by the committer alone.
#pragma once
#include <deque>

#include "storage/group.hpp"
#include "storage/manifest.hpp"
#include "storage/run.hpp"
#include "storage/space.hpp"

namespace rve {

struct GroupPlace {
  uint64_t lsn = 0;
  uint64_t offset = 0;  // in the file
  uint32_t length = 0;
  uint32_t header_crc = 0;
};

// Where the log goes on after recovery (or from its first run).
struct LogPosition {
  uint64_t lsn = 0;
  uint64_t durable_lsn = 0;
  uint32_t previous_crc = 0;
  uint32_t epoch = 1;          // of the next group
  bool first_of_epoch = true;
  uint64_t in_run = 0;         // bytes used in the open run, header page included
  uint64_t logical_ms = 0;
};

class LogWriter {
 public:
  LogWriter(File* file, const Layout& layout, const Uuid& uuid, SpaceMap* space);

  // Creation: takes the first run and its successor, and writes the first run's header (not
  // synced).
  Status start();
  // Recovery: adds a run of the log in order; the last one added is the open one.
  void adoptRun(const Run& run, uint64_t first_lsn, uint64_t sequence);
  // Recovery: where to go on, and the successor that the open run's header names.
  void resume(const LogPosition& position, const Run& next);

  // Makes sure that a group of `bytes` can be written: space for it and for the successors that run
  // headers name is reserved. kNoSpace changes nothing. Costs nothing while the open run has room.
  Status ensureRoom(uint32_t bytes, SpacePurpose purpose);
  // Writes one group; not durable before sync(). Requires ensureRoom of its padded size.
  Status write(GroupBuilder* builder, int64_t wall_ms, uint64_t logical_ms, GroupPlace* place);
  // Where the next groups will stand on space that was never written: zeroes up to 32 pages of it,
  // in the window of the group before. Costs a page written twice; saves the file system's journal
  // commit that a sync of a page's first write needs (measured on ext4: 2,300 against 4,300 appends
  // of 4 KiB a second, each synced). A page of zeroes ends a log as well as stale bytes do (R8).
  Status zeroAhead();
  // Ends the window. After a failure nothing may be written (R9): the caller latches.
  Status sync();
  // True if `bytes` more would make the unsynced window longer than one group may be.
  bool windowIsFull(uint32_t bytes) const;
  // Recovery: the whole file was synced, so all that the log holds is durable (R10).
  void setAllDurable() { position_.durable_lsn = position_.lsn; }

#ifdef RVE_MUTATIONS
  void pretendSynced() { position_.durable_lsn = position_.lsn; }
#else
  void pretendSynced() {}
#endif

  uint64_t lsn() const { return position_.lsn; }          // end of what is written
  uint64_t durableLsn() const { return position_.durable_lsn; }
  uint32_t epoch() const { return position_.epoch; }
  uint32_t lastHeaderCrc() const { return position_.previous_crc; }
  uint64_t bytesWritten() const { return bytes_written_; }
  uint64_t groupsWritten() const { return groups_; }
  // The run that holds the end of the log.
  Run openRun() const { return runs_.back().pin.run(); }
  // Runs that hold LSNs at or above `lsn`, oldest first; also one that ends just there: a slot
  // whose log ended with a full run names that run, and the walk starts at its header.
  std::vector<LogRunEntry> runsFrom(uint64_t lsn) const;
  // The run that holds file offset `offset`; empty pin if the log has let go of it.
  RunPin pinAt(uint64_t offset) const;
  // Lets go of runs that end below `lsn`.
  void release(uint64_t lsn);
  // The successors reserved (their space counts as fixed).
  uint32_t reservedChunks() const;
  // Gives back the successors but the named one, which is on disk.
  void trimAhead();
  // Goes on in a run of the smallest size, with a successor of that size (settle: the fixed cost of
  // a file is then two small runs); the old ones go when both slots have let go of them. Nothing if
  // it is so already. Writes at most two windows of one NOOP group. kNoSpace changes nothing; after
  // another failure the caller latches.
  Status shrink();

 private:
  struct LogRun {
    RunPin pin;
    uint64_t first_lsn = 0;
    uint64_t sequence = 0;
  };
  uint64_t room() const;
  uint32_t usualChunks() const;
  Status reserveAhead(SpacePurpose purpose, RunPin* out);
  Status roll();
  Status writeGroup(Bytes group);
  Status writeBridge();

  File* file_;
  Layout layout_;
  Uuid uuid_;
  SpaceMap* space_;
  std::deque<LogRun> runs_;
  std::deque<RunPin> ahead_;  // [0] is named in the open run's header
  LogPosition position_;
  uint64_t zeroed_to_ = 0;  // in the open run
  GroupBuilder bridge_;
  int64_t wall_ms_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t groups_ = 0;
};

}  // namespace rve
