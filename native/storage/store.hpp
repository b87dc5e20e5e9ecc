// One store file: identity, roots, space, log and manifest under one roof. The engine decides what
// records mean; the store decides where bytes stand and when they are durable. One writer thread;
// reads through view().
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/log.hpp"
#include "storage/recovery.hpp"

namespace rve {

struct StoreOptions {
  std::string path;
  uint32_t dimensions = 0;
  bool has_metric = false;
  Metric metric = Metric::kCosine;
  bool read_only = false;
  bool create_if_missing = true;
  uint64_t bytes_max = 0;
  Layout layout;
  Disk* disk = nullptr;
  Clock* clock = nullptr;
  Rng* rng = nullptr;
};

class Store {
 public:
  // Steps 0 to 6 of recovery: lock, identity, slots, manifest, walk. Creates a missing file. After
  // it the caller rebuilds its state from manifest() and replay(), then calls finishOpen().
  static Status open(const StoreOptions& options, std::unique_ptr<Store>* out);

  const Layout& layout() const { return layout_; }
  const Identity& identity() const { return identity_; }
  const std::byte* view() const { return file_->view(); }
  File& file() { return *file_; }
  SpaceMap& space() { return *space_; }
  LogWriter& log() { return *log_; }
  Symbols& symbols() { return symbols_; }
  SourceMarks& marks() { return marks_; }
  // As read at open; the engine keeps the live state.
  const Manifest& manifest() const { return root_.manifest; }
  uint64_t nextIdAtOpen() const;
  const LogWalk& walk() const { return walk_; }
  const std::vector<Hole>& holes() const { return holes_; }
  bool readOnly() const { return read_only_; }
  bool created() const { return created_; }

  // Pins of a segment's runs. kCorrupt if a run lies outside the file.
  Status pinRuns(const std::vector<Run>& runs, std::vector<RunPin>* out);
  // Runs that a SEAL or REPLACE at `lsn` names: kept until both slots have passed it (R6).
  void keepEditRuns(uint64_t lsn, std::vector<RunPin> runs);
  // R10: syncs what recovery found beyond the proven part. Before the first acknowledgement.
  Status finishOpen();

  // R7: makes sure that the next manifest has its run, before an insert takes space. kNoSpace.
  // Cheap when held. `growth`: bytes that the next manifest may be larger than the last one.
  Status holdCheckpointRun(uint64_t growth);
  // Writes a manifest and then the older slot (R4); what only older roots needed becomes free.
  // `segments` are the pins of the live segments. Fills in log runs, holes and edit runs. Two
  // syncs.
  Status checkpoint(Manifest* manifest, std::vector<RunPin> segments, uint64_t next_id, bool clean);

  // close(): reads go on through the view until the Store is destroyed, but another opener may
  // come.
  void releaseLock() { file_->unlock(); }

  // R9: after the first failed write or sync the store refuses writes for good.
  void latch(const Status& why);
  bool latched() const { return latched_.load(std::memory_order_acquire); }
  Status latchStatus() const;

  uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }
  void countSync() { syncs_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t checkpointBytes() const { return checkpoint_bytes_; }
  uint32_t manifestBytes() const { return manifest_bytes_; }
  uint64_t logicalMs() const;

 private:
  struct RootState {
    bool valid = false;
    Slot slot;
    std::vector<RunPin> pins;  // manifest and segments
  };
  struct EditRuns {
    uint64_t lsn = 0;
    std::vector<RunPin> pins;
  };

  static Status create(const StoreOptions& options);
  Status readIdentity(const StoreOptions& options);
  Status chooseRoot();
  Status protectRoots(const std::vector<Root>& roots);
  void fillSlot(const Manifest& manifest, Slot* slot) const;
  std::vector<Run> ownRuns() const;
  bool overlapsOwn(const Run& run) const;
  Status checkOwners() const;
  Status healNewestSlot();
  void updateReserve();
  void releaseLog();

  std::string path_;
  Disk* disk_ = nullptr;
  std::unique_ptr<File> file_;
  Layout layout_;
  Identity identity_;
  Clock* clock_ = nullptr;
  bool read_only_ = false, created_ = false;
  std::unique_ptr<SpaceMap> space_;
  std::unique_ptr<LogWriter> log_;
  Symbols symbols_;
  SourceMarks marks_;
  Root root_;
  LogWalk walk_;
  std::vector<Hole> holes_;
  RootState roots_[2];
  uint32_t newest_ = 0;
  uint32_t newest_copies_ = 3;  // bit c: copy c of the newest slot is whole
  std::deque<EditRuns> edit_runs_;
  std::atomic<bool> latched_{false};
  mutable std::mutex latch_mutex_;
  Status latch_status_;
  std::atomic<uint64_t> syncs_{0};
  uint64_t checkpoint_bytes_ = 0;
  uint32_t manifest_bytes_ = 0;
  RunPin checkpoint_run_;  // reserved for the next manifest
  uint64_t opened_ns_ = 0, logical_base_ms_ = 0;
};

}  // namespace rve
