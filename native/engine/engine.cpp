// The engine: what opens, owns and closes the pieces behind include/rve/engine.hpp.
#include "rve/engine.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <unordered_set>

#include "engine/batch_check.hpp"
#include "engine/committer.hpp"
#include "engine/maintenance.hpp"
#include "engine/query_pool.hpp"
#include "engine/reader.hpp"
#include "engine/search.hpp"
#include "engine/search_helper.hpp"
#include "engine/warm_up.hpp"

namespace rve {
namespace {

constexpr auto kQueryDrainMax = std::chrono::seconds(1);

SegmentStats statsOf(const Segment& segment) {
  SegmentStats s;
  s.id = segment.id();
  s.rows = segment.rows();
  s.dead = segment.marks().deadCount();
  s.bytes = segment.bytes();
  s.linked = segment.linked();
  const RecallCurve* curve = segment.recallCurve();
  s.calibrated = curve != nullptr && curve->points > 0;
  for (size_t i = 0; s.calibrated && i < std::size(kStatsRecalls); i++) {
    s.ef_of_recall[i] = efForRecall(curve, kStatsRecalls[i], kCalibratedK);
  }
  return s;
}

class EngineImpl final : public Engine {
 public:
  ~EngineImpl() override { stopThreads(); }

  Status init(const OpenOptions& options) {
    options_ = options;
    if (options_.disk == nullptr) options_.disk = (own_disk_ = makePosixDisk()).get();
    if (options_.clock == nullptr) options_.clock = (own_clock_ = makePosixClock()).get();
    if (options_.rng == nullptr) options_.rng = (own_rng_ = makePosixRng()).get();
    StoreOptions store;
    store.path = options.path;
    store.dimensions = options.dimensions;
    store.has_metric = options.has_metric;
    store.metric = options.metric;
    store.read_only = options.read_only;
    store.create_if_missing = options.create_if_missing;
    store.bytes_max = options.bytes_max;
    store.layout = options.layout;
    store.disk = options_.disk;
    store.clock = options_.clock;
    store.rng = options_.rng;
    RVE_TRY(Store::open(store, &store_));
    const Identity& identity = store_->identity();
    rotation_ = std::make_unique<Rotation>(
        identity.dimensions, load<uint64_t>(bytesOf(identity.uuid.data(), 16), 0));
    context_.file = &store_->file();
    context_.view = store_->view();
    context_.layout = store_->layout();
    context_.uuid = identity.uuid;
    context_.dims = identity.dimensions;
    context_.kind = static_cast<DistanceKind>(identity.metric);
    context_.rotation = rotation_.get();
    context_.shelf = &shelf_;
    state_ = std::make_unique<LiveState>(store_.get(), context_);
    RVE_TRY(state_->restore());
    RVE_TRY(store_->finishOpen());
    state_->prefetchScanned();  // behind the sync, which would wait for it
    committer_ =
        std::make_unique<Committer>(store_.get(), state_.get(), options_, options_.clock);
    maintenance_ = std::make_unique<Maintenance>(store_.get(), state_.get(), committer_.get(),
                                                 context_, options_);
    reader_ = std::make_unique<Reader>(state_.get(), store_.get(), context_,
                                       &maintenance_->tiers().heatScale());
    searcher_ = std::make_unique<Searcher>(state_.get(), store_.get(), context_, options_.clock,
                                           options.tuning.ef_search,
                                           &maintenance_->tiers().heatScale());
    if (!options.tuning.all_manual || options.tuning.helped_when_manual) startHelper();
    if (!options.tuning.all_manual) startThreads();
    return {};
  }

  Status submitInsert(InsertBatch&& batch, InsertDone done) override {
    RVE_TRY(refuseIfClosed());
    RVE_TRY(checkBatch(batch, context_.dims, metric()));
    auto call = std::make_unique<Call>();
    call->kind = CallKind::kInsert;
    call->bytes = batchBytes(batch);
    call->batch = std::move(batch);
    call->insert_done = std::move(done);
    return committer_->submit(std::move(call));
  }

  Status submitForget(std::vector<uint64_t> ids, ForgetDone done) override {
    RVE_TRY(refuseIfClosed());
    for (const uint64_t id : ids) {
      if (id > kIdMax) return Status(Code::kIdRange, std::to_string(id));
    }
    auto call = std::make_unique<Call>();
    call->kind = CallKind::kForgetIds;
    call->bytes = ids.size() * 8;
    call->ids = std::move(ids);
    call->forget_done = std::move(done);
    return committer_->submit(std::move(call));
  }

  Status submitForgetSource(std::string source, ForgetDone done) override {
    RVE_TRY(refuseIfClosed());
    if (!nameIsValid(source)) return Status(Code::kName, "the source");
    auto call = std::make_unique<Call>();
    call->kind = CallKind::kForgetSource;
    call->source = std::move(source);
    call->forget_done = std::move(done);
    return committer_->submit(std::move(call));
  }

  Status submitWaitDurable(uint64_t lsn, Done done) override {
    RVE_TRY(refuseIfClosed());
    if (store_->latched()) return store_->latchStatus();
    auto call = makeCall(CallKind::kWaitDurable, std::move(done));
    call->lsn = lsn;
    return committer_->submit(std::move(call));
  }

  Status submitCheckpoint(Done done) override {
    RVE_TRY(refuseIfClosed());
    return committer_->submit(makeCall(CallKind::kCheckpoint, std::move(done)));
  }

  Status submitSettle(Done done) override {
    RVE_TRY(refuseIfClosed());
    if (store_->readOnly()) return Status(Code::kReadOnly);
    if (store_->latched()) return store_->latchStatus();
    if (options_.tuning.all_manual) {
      done(settleManually());
      return {};
    }
    maintenance_->whenSettled([this, done = std::move(done)](Status status) {
      if (!status.ok()) {
        done(status);
        return;
      }
      finishSettle(done);
    });
    return {};
  }

  uint64_t queueBytes() const override { return committer_->queueBytes(); }
  void onceQueueHasRoom(std::function<void()> room) override {
    committer_->onceQueueHasRoom(std::move(room));
  }

  Status query(const QueryRequest& request, const std::atomic<bool>* cancel,
               QueryResult* out) override {
    RVE_TRY(refuseIfClosed());
    noteQuery(request);
    return searcher_->query(request, cancel, out);
  }

  Status submitQuery(QueryRequest&& request, std::shared_ptr<std::atomic<bool>> cancel,
                     QueryDone done) override {
    RVE_TRY(refuseIfClosed());
    auto shared = std::make_shared<QueryRequest>(std::move(request));
    return submitRead([this, shared, cancel = std::move(cancel), done = std::move(done)] {
      QueryResult result;
      noteQuery(*shared);
      const bool cancelled = cancel != nullptr && cancel->load(std::memory_order_relaxed);
      const std::atomic<bool>* flag = abort_queries_.load() ? &abort_queries_ : cancel.get();
      const Status status = cancelled ? Status(Code::kAborted, "the query was cancelled")
                                      : searcher_->query(*shared, flag, &result);
      done(status, std::move(result));
    });
  }

  Status submitRead(std::function<void()> work) override {
    RVE_TRY(refuseIfClosed());
    if (pool_ == nullptr) {
      work();
      return {};
    }
    return pool_->submit(std::move(work));
  }

  // Reads queued before close() may still run while it drains; only the outer door refuses.
  Status get(const std::vector<uint64_t>& ids, std::vector<Record>* out) override {
    return reader_->get(ids, out);
  }
  Status scan(const Filter& filter, uint32_t records_max, ScanCursor* cursor,
              std::vector<Record>* out) override {
    return reader_->scan(filter, records_max, cursor, out);
  }
  Status check(bool deep, CheckReport* out) override { return reader_->check(deep, out); }

  Stats stats() override;
  void setHeatNow(uint64_t active_ms) override { state_->setHeatNow(active_ms); }

  uint32_t atomicRows() const override {
    PutShape shape;
    shape.dims = context_.dims;
    shape.count = 1;
    const uint64_t one = putBytesMax(shape);
    shape.count = 2;
    const uint64_t row = putBytesMax(shape) - one;
    return static_cast<uint32_t>(
        (store_->layout().group_bytes_max - kGroupHeaderBytes - (one - row)) / row);
  }
  uint32_t dimensions() const override { return context_.dims; }
  Metric metric() const override { return store_->identity().metric; }

  Status close() override;

  bool pump() override {
    RVE_ASSERT(options_.tuning.all_manual);
    return committer_->step();
  }

  Status maintain(Job job, bool* did) override {
    RVE_ASSERT(options_.tuning.all_manual);
    RVE_TRY(refuseIfClosed());
    const bool shrinks = job == Job::kShrinkLog;
    if (job != Job::kCheckpoint && !shrinks) return maintenance_->run(job, did);
    *did = true;
    Status status;
    const CallKind kind = shrinks ? CallKind::kShrinkLog : CallKind::kCheckpoint;
    RVE_TRY(committer_->submit(makeCall(kind, [&](Status s) { status = s; })));
    while (committer_->step()) {
    }
    return status;
  }

  std::unique_ptr<HeldVersion> holdVersion() override {
    class Held final : public HeldVersion {
     public:
      Held(VersionHold version, Searcher* searcher, Reader* reader)
          : version_(std::move(version)), searcher_(searcher), reader_(reader) {}
      Status query(const QueryRequest& request, QueryResult* out) override {
        return searcher_->queryVersion(*version_, request, nullptr, out);
      }
      Status get(const std::vector<uint64_t>& ids, std::vector<Record>* out) override {
        reader_->getVersion(*version_, ids, out);
        return {};
      }

     private:
      VersionHold version_;
      Searcher* searcher_;
      Reader* reader_;
    };
    return std::make_unique<Held>(state_->hold(), searcher_.get(), reader_.get());
  }

 private:
  void noteQuery(const QueryRequest& request) {
    queries_.fetch_add(request.count, std::memory_order_relaxed);
    if (request.recall != 0) maintenance_->expectRecall();
  }
  // Costs some ns a row.
  void addTiers(const Version& version, Stats* s) const;
  Status refuseIfClosed() const {
    return closed_.load(std::memory_order_acquire) ? Status(Code::kClosed) : Status();
  }

  static std::unique_ptr<Call> makeCall(CallKind kind, Done done) {
    auto call = std::make_unique<Call>();
    call->kind = kind;
    call->done = std::move(done);
    return call;
  }

  void startHelper() {
    const uint32_t rows_min = options_.tuning.helped_rows;
    if (std::thread::hardware_concurrency() < 2 || rows_min == 0) return;
    helper_ = std::make_unique<SearchHelper>();
    searcher_->useHelper(helper_.get(), rows_min);
  }

  void startThreads() {
    const uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
    const uint32_t threads = options_.tuning.query_threads != 0 ? options_.tuning.query_threads
                                                                : std::max(1u, cores - 1);
    pool_ = std::make_unique<QueryPool>(std::min(threads, kReaderSlotsMax / 2));
    warm_up_ = std::make_unique<WarmUp>(&store_->file(), state_->codeRanges(true));
    if (store_->readOnly()) {
      committer_->startThread();
      return;
    }
    committer_->onCommit([this] { maintenance_->wake(); });
    committer_->startThread();
    maintenance_->startThread();
    maintenance_->wake();
  }

  void stopThreads() {
    if (pool_ != nullptr) pool_->stop();
    if (warm_up_ != nullptr) warm_up_->stop();
    if (maintenance_ != nullptr) maintenance_->stopThread();
    if (committer_ != nullptr) committer_->stopThread();
  }

  // A small log run; two checkpoints, so that the older root lets go of the large one; then the
  // free space becomes holes.
  static constexpr CallKind kSettleCalls[] = {CallKind::kShrinkLog, CallKind::kCheckpoint,
                                              CallKind::kCheckpoint, CallKind::kTrim};

  void finishSettle(Done done, uint32_t step = 0) {
    const CallKind kind = kSettleCalls[step];
    const Status submitted = committer_->submit(makeCall(kind, [this, done, step](Status status) {
      if (!status.ok() || step + 1 == std::size(kSettleCalls)) {
        done(status);
      } else {
        finishSettle(done, step + 1);
      }
    }));
    if (!submitted.ok()) done(submitted);
  }

  Status settleManually() {
    for (bool any = true; any;) {
      any = false;
      while (committer_->step()) {
      }
      for (const Job job : {Job::kFreeze, Job::kLink, Job::kCompact}) {
        bool did = false;
        const bool small = job == Job::kFreeze &&
                           committer_->stats().tail_rows < options_.tuning.freeze_rows;
        if (!small) RVE_TRY(maintenance_->run(job, &did));
        any = any || did;
      }
      if (!any) RVE_TRY(maintenance_->settleDown(&any));
    }
    Status status;
    for (const CallKind kind : kSettleCalls) {
      RVE_TRY(committer_->submit(makeCall(kind, [&](Status s) { status = s; })));
      while (committer_->step()) {
      }
      RVE_TRY(status);
    }
    return {};
  }

  OpenOptions options_;
  std::unique_ptr<Disk> own_disk_;
  std::unique_ptr<Clock> own_clock_;
  std::unique_ptr<Rng> own_rng_;
  std::unique_ptr<Rotation> rotation_;
  CodebookShelf shelf_;
  SegmentContext context_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<LiveState> state_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Searcher> searcher_;
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<SearchHelper> helper_;
  std::unique_ptr<QueryPool> pool_;
  std::unique_ptr<WarmUp> warm_up_;
  std::atomic<bool> closed_{false}, abort_queries_{false};
  std::atomic<uint64_t> queries_{0};
  std::mutex close_mutex_;
  Status close_status_;
};

Status EngineImpl::close() {
  std::lock_guard lock(close_mutex_);
  if (closed_.exchange(true, std::memory_order_acq_rel)) return close_status_;
  if (!options_.tuning.all_manual) {
    // Queries in flight get a second; what is left is told to stop at its next look.
    std::mutex mutex;
    std::condition_variable ended;
    bool drained = false;
    std::thread drain([&] {
      pool_->stop();
      std::lock_guard inner(mutex);
      drained = true;
      ended.notify_all();
    });
    {
      std::unique_lock inner(mutex);
      if (!ended.wait_for(inner, kQueryDrainMax, [&] { return drained; })) abort_queries_ = true;
    }
    drain.join();
    maintenance_->stopThread();
  }
  committer_->refuseNew();
  if (!store_->readOnly() && !store_->latched()) {
    auto call = makeCall(CallKind::kCheckpoint, [this](Status s) { close_status_ = s; });
    call->clean = true;
    const Status submitted = committer_->submit(std::move(call));
    if (!submitted.ok()) close_status_ = submitted;
  }
  if (options_.tuning.all_manual) {
    while (committer_->step()) {
    }
  }
  committer_->stopThread();
  // A checkpoint that found no room is no loss: the log holds everything.
  if (close_status_.code() == Code::kNoSpace) close_status_ = Status();
  store_->releaseLock();
  return close_status_;
}

void EngineImpl::addTiers(const Version& version, Stats* s) const {
  const auto count = [&](Tier tier, float heat, size_t bytes) {
    TierStats& t = s->tiers[static_cast<uint32_t>(tier)];
    t.rows++;
    t.bytes += bytes;
    const auto bin = static_cast<uint32_t>(heat * static_cast<float>(kStatsHeatBins));
    t.heat[std::min(bin, kStatsHeatBins - 1)]++;
  };
  const uint64_t now_ms = state_->heatNowMs();
  const HeatScale& scale = maintenance_->tiers().heatScale();
  for (uint64_t i = 0; i < version.tail_live; i++) count(Tier::kHot, 1, size_t{context_.dims} * 4);
  for (const auto& segment : *version.segments) {
    if (segment->unusable()) continue;
    const HeatTable* heat = segment->heatIfLoaded();
    for (uint32_t row = 0; row < segment->rows(); row++) {
      if (segment->marks().isDead(row)) continue;
      const float h = heat == nullptr ? 1.0f : scale.at(heat->moment(row), now_ms);
      count(segment->tierOf(row), h, segment->recordBytesOf(row));
    }
  }
}

Stats EngineImpl::stats() {
  Stats s;
  const CommitterStats& c = committer_->stats();
  const MaintenanceStats& m = maintenance_->stats();
  s.dimensions = context_.dims;
  s.metric = metric();
  s.live = state_->liveCount();
  s.tail_rows = c.tail_rows;
  s.tail_dead = c.tail_dead;
  std::unordered_set<uint32_t> runs;
  {
    const VersionHold version = state_->hold();
    for (const auto& segment : *version->segments) {
      const SegmentStats one = statsOf(*segment);
      (one.linked ? s.linked_rows : s.frozen_rows) += one.rows;
      s.dead_rows += one.dead;
      s.segments.push_back(one);
    }
    s.degraded = state_->degraded(*version);
    addTiers(*version, &s);
  }
  const TierFigures tiers = maintenance_->tiers().figures();
  s.tier_share = tiers.share;
  s.cool_bits = tiers.cool_bits;
  s.cold_bits = tiers.cold_bits;
  s.codebook_id = tiers.codebook_id;
  s.codebook_rows = tiers.codebook_rows;
  s.codebook_distortion = tiers.codebook_distortion;
  s.codebooks_trained = tiers.codebooks_trained;
  s.durable_lsn = c.durable_lsn;
  s.written_lsn = c.written_lsn;
  s.next_id = c.next_id;
  s.epoch = store_->log().epoch();
  s.sources = store_->symbols().count(SymbolKind::kSource);
  s.labels = store_->symbols().count(SymbolKind::kLabel);
  const SpaceUse use = store_->space().use();
  const uint64_t chunk = context_.layout.chunk_bytes;
  s.file_bytes = store_->file().allocatedBytes();
  s.reclaimable_bytes = use.free_allocated * chunk;
  const uint64_t fixed = 6ull * context_.layout.page_bytes + c.fixed_chunks * chunk;
  s.fixed_bytes = std::min(s.file_bytes - std::min(s.file_bytes, s.reclaimable_bytes), fixed);
  s.live_bytes = s.file_bytes - std::min(s.file_bytes, s.reclaimable_bytes + s.fixed_bytes);
  const double raw = static_cast<double>(s.live) * context_.dims * 4;
  s.byte_ratio = raw > 0 ? static_cast<double>(s.file_bytes) / raw : 0;
  s.vector_bytes_inserted = c.vector_bytes;
  s.bytes_written_ingest = c.log_bytes + c.checkpoint_bytes + m.freeze_bytes;
  s.bytes_written = s.bytes_written_ingest + m.link_bytes + m.compact_bytes;
  s.syncs = store_->syncs();
  s.groups = c.groups;
  s.checkpoints = c.checkpoints;
  s.freezes = m.freezes;
  s.links = m.links;
  s.compactions = m.compactions;
  s.recompressions = m.recompressions;
  s.recompressed_rows = m.recompressed_rows;
  s.recompressed_bytes = m.recompressed_bytes;
  s.inserts = c.inserts;
  s.duplicates = c.duplicates;
  s.deletes = c.deletes;
  s.queries = queries_;
  s.helped = helper_ == nullptr ? 0 : helper_->ran();
  s.warmed_bytes = warm_up_ == nullptr ? 0 : warm_up_->bytes();
  s.queue_bytes = committer_->queueBytes();
  s.latched = store_->latched();
  s.read_only = store_->readOnly();
  s.no_space = c.no_space;
  s.holes = store_->holes().size();
  s.lost_records = state_->lostRecords() + m.lost;
  s.view_faults = store_->file().viewFaults();
  s.kernels = kernels().name;
  s.path = options_.path;
  std::copy(store_->identity().uuid.begin(), store_->identity().uuid.end(), s.uuid);
  return s;
}

}  // namespace

Status Engine::open(const OpenOptions& options, std::unique_ptr<Engine>* out) {
  auto engine = std::make_unique<EngineImpl>();
  RVE_TRY(engine->init(options));
  *out = std::move(engine);
  return {};
}

}  // namespace rve
