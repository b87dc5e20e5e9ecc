#include "engine/committer.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/mutation.hpp"

namespace rve {
namespace {

// A lingering group closes early: more company would gain nothing in wear, and a client with a
// receive window of 32 would wait for its own acknowledgements.
constexpr size_t kLingerCallsMax = 32;
constexpr uint32_t kLingerBytesMax = 64 * 1024;
constexpr uint32_t kBufferedLingerMs = 1000;
constexpr int64_t kClockStepMs = 1000;
constexpr uint32_t kSmallGroupPages = 2;

}  // namespace

Committer::Committer(Store* store, LiveState* state, const OpenOptions& options, Clock* clock)
    : store_(store), state_(state), options_(options), clock_(clock), builder_(store->layout()) {
  if (options_.durability == Durability::kBuffered) options_.linger_ms = kBufferedLingerMs;
  last_wall_ms_ = clock_->wallMs();
  last_logical_ms_ = store_->logicalMs();
  log_bytes_at_checkpoint_ = store_->log().bytesWritten();
  dirty_ = store_->log().lsn() > store_->manifest().lsn;
  over_torn_ = store_->walk().torn && !RVE_MUTATED(kTornEpochNotMarked);
  refreshStats();
}

Committer::~Committer() { stopThread(); }

void Committer::startThread() { thread_ = std::thread([this] { threadMain(); }); }

void Committer::stopThread() {
  {
    std::lock_guard lock(mutex_);
    refusing_ = stopping_ = true;
  }
  wakeup_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Committer::refuseNew() {
  std::lock_guard lock(mutex_);
  refusing_ = true;
}

Status Committer::submit(std::unique_ptr<Call> call) {
  const bool writes = call->kind != CallKind::kWaitDurable;
  if (store_->readOnly() && writes) return Status(Code::kReadOnly);
  if (store_->latched() && writes) return store_->latchStatus();
  {
    std::lock_guard lock(mutex_);
    if (refusing_ && !call->clean) return Status(Code::kClosed);
    const uint64_t queued = queue_bytes_.load(std::memory_order_relaxed);
    // A single call larger than the queue is let in when nothing else waits.
    if (call->bytes > 0 && queued > 0 && queued + call->bytes > kQueueBytesMax) {
      return Status(Code::kBusy, "the insert queue is full");
    }
    queue_bytes_.fetch_add(call->bytes, std::memory_order_relaxed);
    calls_.push_back(std::move(call));
  }
  wakeup_.notify_all();
  return {};
}

void Committer::onceQueueHasRoom(std::function<void()> room) {
  {
    std::lock_guard lock(mutex_);
    room_waiters_.push_back(std::move(room));
  }
  notifyRoom();
}

void Committer::notifyRoom() {
  std::vector<std::function<void()>> waiters;
  {
    std::lock_guard lock(mutex_);
    if (queue_bytes_.load(std::memory_order_relaxed) > kQueueBytesMax / 2) return;
    waiters.swap(room_waiters_);
  }
  for (const auto& room : waiters) room();
}

void Committer::submitEdit(std::unique_ptr<EditCall> edit) {
  if (options_.tuning.all_manual) {
    writeEdit(std::move(edit));
    return;
  }
  {
    std::lock_guard lock(mutex_);
    edits_.push_back(std::move(edit));
  }
  wakeup_.notify_all();
}

// Requires the lock.
bool Committer::workWaits() {
  if (!edits_.empty()) return true;
  if (calls_.empty()) return false;
  return stopping_ || calls_.front()->kind != CallKind::kInsert || !mustStall();
}

// Where callers wait for each small group, the next call comes within a fraction of a sync: looking
// out for it costs less time than going to sleep and being woken (some 100 us on a small machine).
// Bounded, and only then.
void Committer::spinForCall() {
  constexpr auto kSpinMax = std::chrono::microseconds(150);
  if (options_.tuning.zero_ahead_groups == 0 || small_groups_ < options_.tuning.zero_ahead_groups) {
    return;
  }
  const auto end = std::chrono::steady_clock::now() + kSpinMax;
  while (queue_bytes_.load(std::memory_order_relaxed) == 0 &&
         std::chrono::steady_clock::now() < end) {
  }
}

void Committer::threadMain() {
  using std::chrono::milliseconds;
  for (;;) {
    std::unique_ptr<EditCall> edit;
    bool idle = false;
    spinForCall();
    {
      std::unique_lock lock(mutex_);
      if (!workWaits() && !stopping_) {
        const bool unsynced = store_->log().lsn() > store_->log().durableLsn();
        const uint32_t wait_ms = unsynced ? options_.interval_ms
                                 : dirty_ ? options_.tuning.checkpoint_idle_ms
                                          : 3'600'000;
        idle = !wakeup_.wait_for(lock, milliseconds(wait_ms),
                                 [this] { return stopping_ || workWaits(); });
      }
      if (!edits_.empty()) {
        edit = std::move(edits_.front());
        edits_.pop_front();
      } else if (stopping_ && calls_.empty()) {
        break;
      }
    }
    if (edit != nullptr) {
      writeEdit(std::move(edit));
    } else if (idle) {
      wakeMaintenance(true);
      const Status synced = syncIfDue(true);
      if (synced.ok() && dirty_ && store_->log().lsn() == store_->log().durableLsn()) {
        static_cast<void>(checkpoint(false));
      }
    } else {
      step();
    }
  }
  static_cast<void>(syncIfDue(true));
}

bool Committer::mustStall() const {
  if (options_.tuning.all_manual || stopping_) return false;
  return stats_.tail_rows.load(std::memory_order_relaxed) >= kTailRowsMax ||
         stats_.tail_groups.load(std::memory_order_relaxed) >= kTailGroupsMax ||
         stats_.unlinked_rows.load(std::memory_order_relaxed) >= kUnlinkedRowsMax;
}

// How much larger the next manifest may be than the last one: every row dead, every group of the
// tail named.
uint64_t Committer::manifestGrowth() const {
  uint64_t rows = state_->tail().rows();
  for (const auto& segment : state_->segments()) rows += segment->rows();
  return rows / 8 + 28 * (state_->tail().groups().size() + 16);
}

// Takes queued calls into the group until it is full or the queue is empty. True: it may take more.
bool Committer::gatherMore() {
  for (;;) {
    std::unique_ptr<Call> call;
    {
      std::lock_guard lock(mutex_);
      if (calls_.empty()) return true;
      call = std::move(calls_.front());
      calls_.pop_front();
    }
    switch (take(call.get())) {
      case Took::kRides:
        riding_.push_back(std::move(call));
        if (needsOwnGroup() || RVE_MUTATED(kNextGroupBeforeSync)) return false;
        break;
      case Took::kDropped:
        // Completions run in the order of the calls: behind those that ride, it waits for their
        // group.
        if (riding_.empty()) {
          // Nothing was written for it, but what it was answered from stands below this.
          call->result.lsn = call->forget_result.lsn = store_->log().lsn();
          complete(call.get(), Status(call->result.status));
        } else {
          call->dropped = true;
          riding_.push_back(std::move(call));
        }
        break;
      case Took::kStalled:
      case Took::kGroupFull: {
        std::lock_guard lock(mutex_);
        calls_.push_front(std::move(call));
        return false;
      }
    }
  }
}

// A wall clock that jumped is on record, so that ages can be told later; decay does not look at it.
void Committer::addClockStep() {
  const int64_t wall_ms = clock_->wallMs();
  const uint64_t logical_ms = store_->logicalMs();
  const int64_t step_ms =
      wall_ms - last_wall_ms_ - static_cast<int64_t>(logical_ms - last_logical_ms_);
  if (std::abs(step_ms) > kClockStepMs) {
    // It may be all that this group holds, and needs a place like any record; without one it waits
    // for the next.
    const uint32_t bytes = builder_.paddedWith(GroupBuilder::recordBytes(8));
    if (!store_->log().ensureRoom(bytes, SpacePurpose::kSystem).ok()) return;
    RecordHeader header;
    header.type = RecordType::kClockStep;
    header.time_ms = wall_ms;
    uint32_t record_at = 0;
    const MutableBytes body = builder_.begin(header, 8, &record_at);
    store(body, 0, step_ms);
    builder_.end();
  }
  last_wall_ms_ = wall_ms;
  last_logical_ms_ = logical_ms;
}

bool Committer::gather() {
  using std::chrono::milliseconds;
  using std::chrono::steady_clock;
  builder_.reset();
  force_sync_ = false;
  addClockStep();
  bool more = gatherMore();
  if (options_.linger_ms == 0 || options_.tuning.all_manual) return more;
  const bool buffered = options_.durability == Durability::kBuffered;
  const auto deadline = steady_clock::now() + milliseconds(options_.linger_ms);
  while (more && !riding_.empty() && !force_sync_) {
    if (!buffered && (riding_.size() >= kLingerCallsMax || builder_.bytes() >= kLingerBytesMax)) {
      break;
    }
    {
      std::unique_lock lock(mutex_);
      const bool came = wakeup_.wait_until(
          lock, deadline, [this] { return stopping_ || !calls_.empty() || !edits_.empty(); });
      if (!came || stopping_ || !edits_.empty()) break;
    }
    more = gatherMore();
  }
  return more;
}

// R8. Where recovery cut a group of which parts reached the device, the first group of this life is
// written over it. If the power goes then, what arrives of the new group may complete the old one
// (zero padding does), and a call that was seen to be lost would be back. A slot with the raised
// epoch rules the old one out beforehand. Runs before a group is begun: a manifest must not hold
// the names and marks of calls that are not durable.
Status Committer::markEpoch() {
  if (!over_torn_) return {};
  const Status status = checkpoint(false);
  // A disk too full for a manifest must still take deletes: the coincidence above is the lesser
  // evil.
  if (status.ok() || status.code() == Code::kNoSpace) over_torn_ = false;
  return over_torn_ ? status : Status();
}

bool Committer::step() {
  if (over_torn_) {
    std::unique_lock lock(mutex_);
    const bool waits = !calls_.empty();
    lock.unlock();
    // A failure latches, and the calls are answered with it.
    if (waits) static_cast<void>(markEpoch());
  }
  gather();
  // A call longer than a group rides nowhere yet, but the rows that filled this one are in it.
  if (riding_.empty() && builder_.empty()) {
    std::lock_guard lock(mutex_);
    return !calls_.empty();
  }
  commit();
  return true;
}

Status Committer::syncIfDue(bool force) {
  LogWriter& log = store_->log();
  if (log.lsn() == log.durableLsn()) return {};
  const uint64_t waited_ns = clock_->monotonicNs() - unsynced_since_ns_;
  const bool interval = options_.durability == Durability::kInterval && !force;
  if (interval && waited_ns < uint64_t{options_.interval_ms} * 1'000'000) return {};
  const Status status = log.sync();
  store_->countSync();
  if (!status.ok()) store_->latch(status);
  // In this order, so that nobody sees more durable than written.
  stats_.written_lsn.store(log.lsn(), std::memory_order_relaxed);
  stats_.durable_lsn.store(log.durableLsn(), std::memory_order_relaxed);
  return status;
}

Status Committer::writeGroup(GroupPlace* place, Bytes* group) {
  LogWriter& log = store_->log();
  if (store_->latched()) return store_->latchStatus();
  if (log.windowIsFull(builder_.paddedWith(0))) RVE_TRY(syncIfDue(true));
  if (log.lsn() == log.durableLsn()) unsynced_since_ns_ = clock_->monotonicNs();
  const bool zero_ahead = shouldZeroAhead(builder_.paddedWith(0));
  Status status = log.write(&builder_, last_wall_ms_, last_logical_ms_, place);
  if (status.ok() && zero_ahead) status = log.zeroAhead();
  if (!status.ok()) {
    store_->latch(status);
    return status;
  }
  *group = builder_.sealed(place->length);
  dirty_ = true;
  bool more_waits = false;
  if (RVE_MUTATED(kNextGroupBeforeSync)) {
    std::lock_guard lock(mutex_);
    more_waits = !calls_.empty();
  }
  if (more_waits) {
    log.pretendSynced();
    return {};
  }
  return syncIfDue(force_sync_);
}

// A wake-up costs a context switch, which on two cores is a tenth of a small group: at once where
// the tail is due, else once in a while (a forget or a supersede may have made a compaction due)
// and when nothing more comes.
void Committer::wakeMaintenance(bool now) {
  constexpr uint64_t kWakeNs = 50'000'000;
  const uint64_t at = clock_->monotonicNs();
  const bool due =
      stats_.tail_rows.load(std::memory_order_relaxed) >= options_.tuning.freeze_rows ||
      state_->tail().groups().size() >= kTailGroupsMax * 3 / 4;
  if (!wake_ || !(now || due || at - woken_ns_ >= kWakeNs)) return;
  woken_ns_ = at;
  wake_();
}

// Small groups one right behind the other: somebody waits for each.
bool Committer::shouldZeroAhead(uint32_t group_bytes) {
  const Tuning& t = options_.tuning;
  const bool small = group_bytes <= kSmallGroupPages * store_->layout().page_bytes;
  const bool close =
      clock_->monotonicNs() - group_ended_ns_ <= uint64_t{t.zero_ahead_gap_us} * 1000;
  small_groups_ = small && close ? small_groups_ + 1 : 0;
  return t.zero_ahead_groups > 0 && small_groups_ >= t.zero_ahead_groups;
}

void Committer::commit() {
  GroupPlace place;
  Bytes group;
  Applied applied;
  Status status;
  if (builder_.empty()) {
    // Only known duplicates, or waits: what they wait for must be durable (R10).
    status = options_.durability == Durability::kInterval && !force_sync_ ? Status()
                                                                          : syncIfDue(true);
    if (store_->latched() && status.ok()) status = store_->latchStatus();
  } else {
    status = writeGroup(&place, &group);
    if (status.ok()) status = state_->apply(place, group, {}, &applied);
    if (status.ok()) {
      state_->publish(store_->log().lsn());
    } else {
      store_->latch(status);
    }
  }
  group_ended_ns_ = clock_->monotonicNs();
  // First, for who is told may ask next to have it all settled.
  refreshStats();
  completeRiding(status, applied, store_->log().lsn());
  wakeMaintenance(false);
  notifyRoom();
  checkpointIfDue();
}

void Committer::completeRiding(const Status& status, const Applied& applied, uint64_t lsn) {
  {
    // A forget that is longer than the group goes on in the next one; what it did here counts now.
    std::lock_guard lock(mutex_);
    if (!calls_.empty() && status.ok()) {
      Call& partly = *calls_.front();
      for (const uint32_t record : partly.records) {
        partly.forget_result.count += applied.killed[record];
      }
      partly.records.clear();
    }
  }
  for (auto& call : riding_) {
    if (call->kind == CallKind::kInsert) {
      call->result.lsn = lsn;
    } else {
      for (const uint32_t record : call->records) {
        if (status.ok()) call->forget_result.count += applied.killed[record];
      }
      stats_.deletes.fetch_add(call->forget_result.count, std::memory_order_relaxed);
      call->forget_result.lsn = lsn;
    }
    complete(call.get(), call->dropped ? Status(call->result.status) : status);
  }
  riding_.clear();
}

void Committer::complete(Call* call, const Status& status) {
  queue_bytes_.fetch_sub(call->bytes, std::memory_order_relaxed);
  call->bytes = 0;
  if (call->completed) return;
  call->completed = true;
  switch (call->kind) {
    case CallKind::kInsert:
      call->result.status = status;
      if (call->insert_done) call->insert_done(std::move(call->result));
      break;
    case CallKind::kForgetIds:
    case CallKind::kForgetSource:
      call->forget_result.status = status;
      if (call->forget_done) call->forget_done(std::move(call->forget_result));
      break;
    case CallKind::kWaitDurable:
    case CallKind::kCheckpoint:
    case CallKind::kShrinkLog:
    case CallKind::kTrim:
      if (call->done) call->done(status);
      break;
  }
}

// SEAL and REPLACE stand in a group of their own: their dead rows are those of this very moment.
void Committer::writeEdit(std::unique_ptr<EditCall> edit) {
  static_cast<void>(markEpoch());  // a failure latches: the group below is then refused
  const bool leave_out = (RVE_MUTATED(kSealDeadLeftOut) && edit->type == RecordType::kSeal) ||
                         (RVE_MUTATED(kReplaceDeadLeftOut) && edit->type == RecordType::kReplace);
  if (edit->fill_dead && !leave_out) edit->fill_dead(&edit->edit);
  std::vector<SegmentEdit> parts{edit->edit};
  if (RVE_MUTATED(kNoSealedUpto)) parts[0].sealed_upto = 0;
  if (RVE_MUTATED(kReplaceCarriesSealedUpto) && edit->type == RecordType::kReplace) {
    parts[0].sealed_upto = store_->log().lsn();
  }
  if (RVE_MUTATED(kReplaceSplit) && edit->type == RecordType::kReplace) {
    parts.push_back(parts[0]);
    parts[0].drops.clear();
    parts[1].adds.clear();
  }
  Status status;
  for (const SegmentEdit& part : parts) {
    WireWriter body;
    encodeEdit(part, &body);
    builder_.reset();
    const uint32_t bytes = static_cast<uint32_t>(body.size());
    if (!builder_.fits(GroupBuilder::recordBytes(bytes))) {
      status = Status(Code::kInternal, "a SEAL or REPLACE record is larger than a group");
      break;
    }
    status = store_->log().ensureRoom(builder_.paddedWith(GroupBuilder::recordBytes(bytes)),
                                      SpacePurpose::kSystem);
    if (!status.ok()) break;
    RecordHeader header;
    header.type = edit->type;
    uint32_t record_at = 0;
    const MutableBytes to = builder_.begin(header, bytes, &record_at);
    std::copy(body.bytes().begin(), body.bytes().end(), to.begin());
    builder_.end();
    GroupPlace place;
    Bytes group;
    force_sync_ = true;
    status = writeGroup(&place, &group);
    if (!status.ok()) break;
    Applied applied;
    ApplyOptions options;
    options.prepared = &edit->prepared;
    status = state_->apply(place, group, options, &applied);
    if (!status.ok()) {
      store_->latch(status);
      break;
    }
    if (RVE_MUTATED(kFreeLogAtSeal) && part.sealed_upto > 0) {
      store_->log().release(part.sealed_upto);
    }
    state_->publish(store_->log().lsn());
  }
  builder_.reset();
  refreshStats();
  if (edit->done) edit->done(status);
}

void Committer::checkpointIfDue() {
  if (options_.tuning.all_manual || store_->readOnly() || store_->latched()) return;
  const LogWriter& log = store_->log();
  const uint64_t bytes = log.bytesWritten() - log_bytes_at_checkpoint_;
  // A large manifest is written less often, so that it stays a small part of what is written.
  const uint64_t bytes_due =
      std::max<uint64_t>(options_.tuning.checkpoint_log_bytes, 16ull * store_->manifestBytes());
  const uint64_t groups = log.groupsWritten() - groups_at_checkpoint_;
  const bool groups_due = groups >= options_.tuning.checkpoint_groups &&
                          bytes >= 16ull * store_->manifestBytes();
  if (bytes >= bytes_due || groups_due) static_cast<void>(checkpoint(false));
}

Status Committer::checkpoint(bool clean) {
  if (store_->latched()) return store_->latchStatus();
  RVE_TRY(syncIfDue(true));
  state_->collect();
  Manifest manifest = state_->manifest();
  uint64_t next_id = state_->nextId();
#ifdef RVE_MUTATIONS
  if (RVE_MUTATED(kNextIdLeftOut)) next_id = state_->largestLiveId() + 1;
#endif
  RVE_TRY(store_->checkpoint(&manifest, state_->segmentPins(), next_id, clean));
  log_bytes_at_checkpoint_ = store_->log().bytesWritten();
  groups_at_checkpoint_ = store_->log().groupsWritten();
  dirty_ = false;
  stats_.checkpoints.fetch_add(1, std::memory_order_relaxed);
  refreshStats();
  return {};
}

Status Committer::shrinkLog() {
  if (store_->latched()) return store_->latchStatus();
  RVE_TRY(markEpoch());
  const Status status = store_->log().shrink();
  if (status.code() == Code::kNoSpace) return {};  // a full disk keeps its large runs
  if (!status.ok()) store_->latch(status);
  dirty_ = true;
  if (status.ok()) state_->publish(store_->log().lsn());
  refreshStats();
  return status;
}

void Committer::refreshStats() {
  const LogWriter& log = store_->log();
  const auto set = [](auto& to, auto value) { to.store(value, std::memory_order_relaxed); };
  set(stats_.durable_lsn, log.durableLsn());
  set(stats_.written_lsn, log.lsn());
  set(stats_.log_bytes, log.bytesWritten());
  set(stats_.groups, log.groupsWritten());
  set(stats_.checkpoint_bytes, store_->checkpointBytes());
  set(stats_.next_id, state_->nextId());
  set(stats_.tail_rows, state_->tail().rows());
  set(stats_.tail_dead, state_->tail().deadCount());
  set(stats_.tail_groups, static_cast<uint64_t>(state_->tail().groups().size()));
  set(stats_.fixed_chunks, log.openRun().chunks + log.reservedChunks());
  uint64_t unlinked = 0;
  for (const auto& segment : state_->segments()) {
    if (!segment->linked() && !segment->unusable()) unlinked += segment->rows();
  }
  set(stats_.unlinked_rows, unlinked);
}

}  // namespace rve
