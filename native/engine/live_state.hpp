// The state of an open memory, and the one way that it changes: by applying records in log order.
// The committer applies what it has just made durable; recovery applies what it reads: the same
// code, so that replay cannot mean something else than the commit did (R11).
#pragma once
#include <functional>
#include <map>

#include "engine/segment.hpp"
#include "engine/tail.hpp"
#include "engine/version.hpp"
#include "storage/edit.hpp"
#include "storage/store.hpp"

namespace rve {

// What one group did, for the completions of its calls.
struct Applied {
  std::vector<uint64_t> killed;  // per record: rows that died of it
};

struct ApplyOptions {
  bool replay = false;  // recovery: no reader exists yet, codes are made at the end
  // Live: segments that the seal or compaction has opened already, by id.
  const std::map<uint64_t, std::shared_ptr<const Segment>>* prepared = nullptr;
};

class LiveState {
 public:
  LiveState(Store* store, const SegmentContext& context);

  // Steps 4, 6 and 7 of recovery: manifest, tail directory, log. Then codes and the first Version.
  Status restore();
  // Applies the records of one whole group. Not visible before publish().
  Status apply(const GroupPlace& place, Bytes group, const ApplyOptions& options, Applied* applied);
  void publish(uint64_t lsn);
  // Lets go of Versions that nobody holds any more, and of the space that only they needed.
  void collect() { versions_.collect(); }

  VersionHold hold() const { return versions_.hold(); }
  // True if the row is visible to a Version with this LSN.
  bool visible(const Segment& segment, uint32_t row, uint64_t version_lsn) const {
    if (!segment.marks().isDead(row)) return true;
    return recent_.find(&segment.marks(), row) >= version_lsn;
  }
  static bool visible(const TailBlock& block, uint32_t at, uint64_t version_lsn) {
    return block.dead_lsn[at].load(std::memory_order_acquire) >= version_lsn;
  }

  Tail& tail() { return tail_; }
  const Segments& segments() const { return *segments_; }
  // Pins of all live segments, for a checkpoint.
  std::vector<RunPin> segmentPins() const;
  // Everything but what the store adds itself.
  Manifest manifest() const;

  uint64_t nextId() const { return next_id_; }
  uint64_t seenIds() const { return seen_ids_.load(std::memory_order_relaxed); }
  // Takes `count` ids in a row. Committer only.
  uint64_t takeIds(uint64_t count);
  void noteId(uint64_t id);
  // Given ids of a group being made: later calls in it are assigned ids above them.
  void noteGivenId(uint64_t id) { next_id_ = next_id_ > id ? next_id_ : id + 1; }
  uint64_t takeSegmentId() { return next_segment_id_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t liveCount() const { return live_.load(std::memory_order_relaxed); }
  uint64_t lostRecords() const { return lost_records_; }
  void addLost(uint64_t records) { lost_records_ += records; }
  // Active time that heat counts in: the store's, or the one given in its place.
  uint64_t heatNowMs() const {
    const uint64_t given = heat_now_ms_.load(std::memory_order_relaxed);
    return given > 0 ? given : store_->logicalMs();
  }
  void setHeatNow(uint64_t now_ms) { heat_now_ms_.store(now_ms, std::memory_order_relaxed); }
  // Where in the file stands what queries compare in segments with links, or in those without: 48
  // MiB at most. Of links only where lists begin: a walk opens some hundred of them.
  std::vector<FileRange> codeRanges(bool linked) const;
  // A scan needs all it compares, and at once.
  void prefetchScanned() const;
  // True if something of what the Version shows cannot be read. Any thread.
  bool degraded(const Version& version) const;
#ifdef RVE_MUTATIONS
  bool killWithoutRecord(uint64_t id, uint64_t lsn) { return killId(id, lsn, false); }
  uint64_t killSourceWithoutRecord(uint32_t source, uint64_t lsn);
  uint64_t largestLiveId() const;
#endif

 private:
  void prefetchTail();
  void prefetchParts();
  Status replayLog();
  Status restoreSegments();
  Status restoreTail();
  Status restoreTailGroup(const TailGroup& group, const std::vector<uint32_t>& dead,
                          uint64_t* ordinal);
  Status applyPut(const GroupPlace& place, Bytes record, uint32_t record_at,
                  const ApplyOptions& options, uint64_t* killed);
  Status applyDelete(const GroupPlace& place, Bytes body, bool replay, uint64_t* killed);
  uint64_t killSource(uint32_t source, uint64_t lsn, bool replay);
  Status applyEdit(const GroupPlace& place, RecordType type, Bytes body,
                   const ApplyOptions& options);
  Status openSegment(const ManifestSegment& from, std::shared_ptr<RowMarks> marks,
                     std::shared_ptr<const Segment>* out);
  bool killId(uint64_t id, uint64_t lsn, bool replay);
  bool killTailRow(uint64_t ordinal, uint64_t lsn);
  bool killSegmentRow(const Segment& segment, uint32_t row, uint64_t lsn, bool replay);
  void codeRow(TailBlock* block, uint32_t at);
  const float* floatsOf(const TailBlock& block, uint32_t at);
  std::shared_ptr<const BinaryCodec> codecAbout(const TailBlock& block, uint32_t from, uint32_t to);
  void centreNewBlock(TailBlock* block);
  void codeTail();

  Store* store_;
  SegmentContext context_;
  std::shared_ptr<const Segments> segments_ = std::make_shared<Segments>();
  Tail tail_;
  mutable Versions versions_;
  RecentDeaths recent_;
  // About zero, until rows tell a better centre.
  std::shared_ptr<const BinaryCodec> plain_codec_;
  std::vector<float> rotated_, floats_;
  // To be assigned next: runs ahead of seen_ids_ while a group is being made.
  uint64_t next_id_ = 0;
  std::atomic<uint64_t> seen_ids_{0};  // one above the largest id applied
  std::atomic<uint64_t> next_segment_id_{1};
  std::atomic<uint64_t> live_{0};
  std::atomic<uint64_t> heat_now_ms_{0};
  uint64_t lost_records_ = 0;
  bool tail_damaged_ = false;
#ifdef RVE_MUTATIONS
  void killLater(uint64_t id);
  std::vector<std::function<void(uint64_t lsn)>> late_deaths_;  // of the group before
#endif
};

}  // namespace rve
