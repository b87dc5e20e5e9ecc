// The committer: the only writer. Turns queued calls into groups, makes them durable, applies them,
// publishes, completes. One thread, or pump() where everything is manual.
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "engine/live_state.hpp"

namespace rve {

enum class CallKind {
  kInsert,
  kForgetIds,
  kForgetSource,
  kWaitDurable,
  kCheckpoint,
  kShrinkLog,
  kTrim
};

// One queued call.
struct Call {
  CallKind kind = CallKind::kInsert;
  InsertBatch batch;
  InsertDone insert_done;
  InsertResult result;
  uint32_t next_row = 0;       // rows below are in groups already
  std::vector<uint64_t> ids;   // forget
  std::string source;
  ForgetDone forget_done;
  ForgetResult forget_result;
  uint64_t lsn = 0;            // wait
  Done done;
  bool clean = false;          // checkpoint: the last one of close()
  uint64_t bytes = 0;          // counted against kQueueBytesMax
  bool completed = false;      // buffered: told already
  bool dropped = false;        // ended by itself, with result.status; completed in its turn
  std::vector<uint32_t> records;  // of the group being made: indices of its DELETE records
};

// A SEAL or REPLACE, from background work. Written in a group of its own.
struct EditCall {
  RecordType type = RecordType::kSeal;
  SegmentEdit edit;
  // Fills in the dead rows of the output, at the moment of writing (R11).
  std::function<void(SegmentEdit*)> fill_dead;
  std::map<uint64_t, std::shared_ptr<const Segment>> prepared;
  Done done;
};

struct CommitterStats {
  std::atomic<uint64_t> inserts{0}, duplicates{0}, deletes{0}, vector_bytes{0};
  std::atomic<uint64_t> groups{0}, checkpoints{0}, log_bytes{0}, checkpoint_bytes{0};
  std::atomic<uint64_t> durable_lsn{0}, written_lsn{0}, next_id{0};
  std::atomic<uint64_t> tail_rows{0}, tail_dead{0}, tail_groups{0};
  std::atomic<uint64_t> unlinked_rows{0}, segments_changed{0};
  std::atomic<uint32_t> fixed_chunks{0};
  std::atomic<bool> no_space{false};
};

class Committer {
 public:
  Committer(Store* store, LiveState* state, const OpenOptions& options, Clock* clock);
  ~Committer();

  void startThread();
  // Drains the queues, then ends the thread. Idempotent.
  void stopThread();

  // kClosed, kLatched, kBusy (queue full), kReadOnly.
  Status submit(std::unique_ptr<Call> call);
  // From the maintenance thread. Where all is manual it is written before the call returns.
  void submitEdit(std::unique_ptr<EditCall> edit);
  // One group (or one call that needs none). False: nothing was queued.
  bool step();
  // No further calls; those queued are still served.
  void refuseNew();

  uint64_t queueBytes() const { return queue_bytes_.load(std::memory_order_relaxed); }
  void onceQueueHasRoom(std::function<void()> room);
  const CommitterStats& stats() const { return stats_; }
  // Called after each group, on the committer's thread (wakes maintenance).
  void onCommit(std::function<void()> wake) { wake_ = std::move(wake); }
  // Background work cannot seal (full disk): inserts that would wait for it are refused instead.
  void setSealStuck(bool stuck) { seal_stuck_.store(stuck, std::memory_order_relaxed); }

 private:
  enum class Took { kRides, kGroupFull, kDropped, kStalled };
  void threadMain();
  void spinForCall();
  bool workWaits();
  bool gather();
  void addClockStep();
  bool gatherMore();
  std::unique_ptr<Call> front();
  void putBack(std::unique_ptr<Call> call);
  Took take(Call* call);
  Took takeInsert(Call* call);
  Took takeForget(Call* call);
  Took roomToForget(Call* call, uint32_t bytes);
  bool mustStall() const;
  uint64_t manifestGrowth() const;
  Status addSymbols(Call* call, uint32_t first, uint32_t rows);
  Status nameSymbols(const Call& call, uint32_t first, uint32_t rows,
                     std::vector<std::pair<SymbolKind, std::string>>* fresh) const;
  uint32_t rowsThatFit(const Call& call, uint32_t first, uint32_t rows_max, uint64_t extra) const;
  void encodeRows(Call* call, uint32_t first, uint32_t rows);
  uint32_t knownRows(const Call& call, uint32_t first, bool* known) const;
  void writeEdit(std::unique_ptr<EditCall> edit);
  Status writeGroup(GroupPlace* place, Bytes* group);
  void commit();
  Status markEpoch();
  void wakeMaintenance(bool now);
  bool shouldZeroAhead(uint32_t group_bytes);
  Status syncIfDue(bool force);
  void completeRiding(const Status& status, const Applied& applied, uint64_t lsn);
  void complete(Call* call, const Status& status);
  void checkpointIfDue();
  Status checkpoint(bool clean);
  Status shrinkLog();
  void refreshStats();
  void notifyRoom();
  bool needsOwnGroup() const { return options_.durability == Durability::kSync; }

  Store* store_;
  LiveState* state_;
  OpenOptions options_;
  Clock* clock_;
  GroupBuilder builder_;
  CommitterStats stats_;

  std::mutex mutex_;
  std::condition_variable wakeup_;
  std::deque<std::unique_ptr<Call>> calls_;
  std::deque<std::unique_ptr<EditCall>> edits_;
  std::vector<std::function<void()>> room_waiters_;
  std::atomic<uint64_t> queue_bytes_{0};
  bool refusing_ = false, stopping_ = false;
  std::thread thread_;
  std::function<void()> wake_;
  std::atomic<bool> seal_stuck_{false};

  // The group being made.
  std::vector<std::unique_ptr<Call>> riding_;
  bool force_sync_ = false;
  uint64_t unsynced_since_ns_ = 0;
  uint64_t log_bytes_at_checkpoint_ = 0, groups_at_checkpoint_ = 0;
  uint64_t group_ended_ns_ = 0, woken_ns_ = 0;
  int64_t last_wall_ms_ = 0;
  uint64_t last_logical_ms_ = 0;
  uint32_t small_groups_ = 0;  // in a row, each right behind the one before
  bool over_torn_ = false;  // the next group would stand where an unfinished one was cut
  bool dirty_ = false;  // something was written since the last checkpoint
};

}  // namespace rve
