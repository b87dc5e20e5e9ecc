// Background work: freeze the tail, link frozen segments, compact, recompress. One thread at low
// priority, or run() where everything is manual. It writes parts by itself; only the committer
// publishes them.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/committer.hpp"
#include "engine/search.hpp"
#include "engine/quantizer_keeper.hpp"
#include "engine/segment_writer.hpp"
#include "engine/tier_manager.hpp"

namespace rve {

struct MaintenanceStats {
  std::atomic<uint64_t> freezes{0}, links{0}, compactions{0};
  std::atomic<uint64_t> freeze_bytes{0}, link_bytes{0}, compact_bytes{0}, lost{0};
  std::atomic<uint64_t> recompressions{0}, recompressed_rows{0}, recompressed_bytes{0};
};

class Maintenance {
 public:
  Maintenance(Store* store, LiveState* state, Committer* committer, const SegmentContext& context,
              const OpenOptions& options);
  ~Maintenance();

  void startThread();
  // Work under way ends at its next poll. Idempotent.
  void stopThread();
  void wake();
  // `done` once a pass finds nothing to do. Threaded only.
  void whenSettled(Done done);
  // A query asked for a recall: from now on segments are measured for it as they come. Who never
  // asks pays nothing outside settle. Thread-safe.
  void expectRecall();
  // What is left once no job is due: a small tail is sealed too, segments are merged as far as they
  // may be, and measured.
  Status settleDown(bool* did);
  // One job to its end.
  Status run(Job job, bool* did);
  const MaintenanceStats& stats() const { return stats_; }
  const TierManager& tiers() const { return tiers_; }

 private:
  void threadMain();
  // Runs the most urgent job; *did: whether there was one.
  Status runOne(bool* did);
  bool tailIsDue(uint32_t rows) const;
  // Graphs made so far.
  uint64_t built() const;
  Status freeze(bool* did);
  Status link(bool* did);
  Status compact(bool settling, bool* did);
  Status mergeUnlinked(bool* did);
  Status merge(const Segments& inputs, const Segments& all, bool settling, bool* did);
  Status recompress(bool settling, bool* did);
  uint32_t buildThreads() const;
  void calibrateIfExpected(bool* did);
  // Measures one walked segment that has no RecallCurve.
  void calibrate(bool* did);
  Status rewrite(const Segments& inputs, const Segments& all, bool in_tiers);
  Status orderRows(const Segments& inputs, const TierPlan* plan, std::vector<RowRef>* rows) const;
  void takeOverGraph(const Segments& inputs, const std::vector<RowRef>& rows,
                     SegmentJob* job) const;
  uint64_t recodeRowsMin() const;
  void prefetch(const Segment& segment);
  Status publish(std::unique_ptr<EditCall> edit);
  bool keepGoing();

  Store* store_;
  LiveState* state_;
  Committer* committer_;
  SegmentContext context_;
  OpenOptions options_;
  SegmentWriter writer_;
  QuantizerKeeper quantizers_;
  TierManager tiers_;
  Searcher searcher_;  // leaves no heat
  std::atomic<bool> recall_expected_{false};
  uint64_t next_look_ms_ = 0;  // at the heat, in active time
  MaintenanceStats stats_;
  std::mutex mutex_;
  std::condition_variable wakeup_;
  bool woken_ = false, in_job_ = false;
  std::atomic<bool> stopping_{false};
  std::vector<Done> settle_waiters_;
  std::thread thread_;
};

}  // namespace rve
