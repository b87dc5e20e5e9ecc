#include "engine/maintenance.hpp"

#include <algorithm>

#include "base/large_bytes.hpp"
#include "base/low_priority.hpp"
#include "engine/compaction_pick.hpp"
#include "engine/row_order.hpp"

namespace rve {
namespace {

// A segment of this many freezes is worth coding: a smaller one will be merged soon, and other bits
// or another codebook would then make codes of codes, which lose twice.
constexpr uint32_t kRecodeFreezes = 8;
// Share of a segment's records that must belong elsewhere before all are written again; a memory
// that settles is tidier.
constexpr double kChangingMin = 0.1;
constexpr double kChangingSettled = 0.02;
constexpr uint32_t kBuildThreadsMax = 4;
// A settled memory keeps fewer rows than these in its tail: they are scanned exactly in
// microseconds.
constexpr uint64_t kSettleRows = 256;
constexpr auto kRetryAfter = std::chrono::seconds(1);

}  // namespace

Maintenance::Maintenance(Store* store, LiveState* state, Committer* committer,
                         const SegmentContext& context, const OpenOptions& options)
    : store_(store), state_(state), committer_(committer), context_(context), options_(options),
      writer_(store, context), quantizers_(context, options.tuning.code_list_rows),
      tiers_(state, context, options),
      searcher_(state, store, context, options.clock, options.tuning.ef_search, nullptr) {}

Maintenance::~Maintenance() { stopThread(); }

void Maintenance::startThread() { thread_ = std::thread([this] { threadMain(); }); }

void Maintenance::stopThread() {
  stopping_.store(true, std::memory_order_release);
  wake();
  if (thread_.joinable()) thread_.join();
  std::vector<Done> waiters;
  {
    std::lock_guard lock(mutex_);
    waiters.swap(settle_waiters_);
  }
  for (const Done& done : waiters) done(Status(Code::kClosed));
}

void Maintenance::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wakeup_.notify_all();
}

void Maintenance::whenSettled(Done done) {
  {
    std::lock_guard lock(mutex_);
    settle_waiters_.push_back(std::move(done));
    woken_ = true;
  }
  wakeup_.notify_all();
}

void Maintenance::expectRecall() {
  if (recall_expected_.load(std::memory_order_relaxed)) return;
  recall_expected_.store(true, std::memory_order_relaxed);
  wake();
}

void Maintenance::threadMain() {
  lowerPriority();  // a build of seconds must not be felt
  while (!stopping_.load(std::memory_order_acquire)) {
    std::vector<Done> waiters;
    {
      std::lock_guard lock(mutex_);
      woken_ = false;
      waiters.swap(settle_waiters_);
    }
    bool did = false;
    Status status;
    do {
      did = false;
      const uint64_t built_before = built();
      // Somebody waits for the end of it all: merging first saves every row the links in between.
      status = store_->latched()   ? store_->latchStatus()
               : !waiters.empty() ? settleDown(&did)
                                  : runOne(&did);
      if (built() != built_before) returnFreedMemory();
      if (status.ok() && !did && waiters.empty()) calibrateIfExpected(&did);
    } while (status.ok() && did && !stopping_.load(std::memory_order_acquire));
    committer_->setSealStuck(status.code() == Code::kNoSpace);
    const bool stopped = stopping_.load(std::memory_order_acquire);
    for (const Done& done : waiters) done(stopped ? Status(Code::kClosed) : status);
    std::unique_lock lock(mutex_);
    if (!status.ok()) {
      // Full or failing: more commits do not help, time or freed space may.
      wakeup_.wait_for(lock, kRetryAfter, [this] { return stopping_ || !settle_waiters_.empty(); });
    } else {
      // Heat falls by itself: what it means for the tiers is looked at now and then.
      wakeup_.wait_for(lock, std::chrono::seconds(options_.tiers.recompress_interval_s),
                       [this] { return woken_ || stopping_; });
    }
  }
}

uint64_t Maintenance::built() const {
  return stats_.links.load(std::memory_order_relaxed) +
         stats_.compactions.load(std::memory_order_relaxed) +
         stats_.recompressions.load(std::memory_order_relaxed);
}

bool Maintenance::tailIsDue(uint32_t rows) const {
  const CommitterStats& s = committer_->stats();
  return s.tail_rows.load(std::memory_order_relaxed) >= rows ||
         s.tail_groups.load(std::memory_order_relaxed) >= kTailGroupsMax * 3 / 4;
}

Status Maintenance::runOne(bool* did) {
  *did = false;
  if (tailIsDue(options_.tuning.freeze_rows)) RVE_TRY(freeze(did));
  if (*did) return {};
  RVE_TRY(mergeUnlinked(did));
  if (*did) return {};
  RVE_TRY(link(did));
  if (*did) return {};
  RVE_TRY(compact(false, did));
  if (*did) return {};
  return recompress(false, did);
}

Status Maintenance::settleDown(bool* did) {
  *did = false;
  const CommitterStats& s = committer_->stats();
  const uint64_t rows = s.tail_rows.load(std::memory_order_relaxed);
  // A few rows would keep a log run of up to 4 MiB.
  const bool large_log =
      s.fixed_chunks.load(std::memory_order_relaxed) > 3 * context_.layout.log_run_chunks_min;
  if (rows >= kSettleRows || (rows > 0 && large_log)) return freeze(did);
  RVE_TRY(compact(true, did));
  if (*did) return {};
  RVE_TRY(link(did));
  if (*did) return {};
  RVE_TRY(recompress(true, did));
  if (!*did) calibrateIfExpected(did);
  return {};
}

// Reads ahead what a job is about to read in order (the view is advised for random access).
void Maintenance::prefetch(const Segment& segment) {
  for (const Run& run : segment.entry().runs()) {
    store_->file().prefetch(runOffset(context_.layout, run), runBytes(context_.layout, run));
  }
}

// Polled inside long jobs. A tail that fills up while a graph is built is sealed in between.
bool Maintenance::keepGoing() {
  if (stopping_.load(std::memory_order_acquire)) return false;
  if (options_.tuning.all_manual || in_job_ || !tailIsDue(options_.tuning.freeze_rows * 2)) {
    return true;
  }
  in_job_ = true;
  bool did = false;
  const Status status = freeze(&did);
  in_job_ = false;
  committer_->setSealStuck(status.code() == Code::kNoSpace);
  return true;
}

Status Maintenance::run(Job job, bool* did) {
  *did = false;
  if (store_->readOnly()) return Status(Code::kReadOnly);
  if (store_->latched()) return store_->latchStatus();
  switch (job) {
    case Job::kFreeze:
      return freeze(did);
    case Job::kLink:
      return link(did);
    case Job::kCompact:
      return compact(false, did);
    case Job::kRecompress:
      return recompress(false, did);
    case Job::kCheckpoint:
    case Job::kShrinkLog:
      break;
  }
  return Status(Code::kArgument, "a job of the committer");
}

Status Maintenance::publish(std::unique_ptr<EditCall> edit) {
  struct Wait {
    std::mutex mutex;
    std::condition_variable wakeup;
    bool done = false;
    Status status;
  };
  auto wait = std::make_shared<Wait>();
  edit->done = [wait](Status status) {
    {
      std::lock_guard lock(wait->mutex);
      wait->done = true;
      wait->status = std::move(status);
    }
    wait->wakeup.notify_all();
  };
  committer_->submitEdit(std::move(edit));
  std::unique_lock lock(wait->mutex);
  wait->wakeup.wait(lock, [&] { return wait->done; });
  return wait->status;
}

// Step one of the seal: the tail as a segment without a graph. Cheap, and it frees log and tail.
Status Maintenance::freeze(bool* did) {
  std::shared_ptr<const TailBlocks> blocks;
  uint64_t first = 0, end = 0, lsn = 0, tail_lsn = 0;
  {
    const VersionHold version = state_->hold();
    blocks = version->blocks;
    first = version->tail_first;
    end = version->tail_end;
    lsn = version->lsn;
    tail_lsn = version->tail_lsn;
  }
  if (first == end) return {};
  *did = true;
  auto source = std::make_shared<RowSource>(context_.view, blocks, first, Segments(),
                                            state_->heatNowMs());
  std::vector<RowRef> rows;
  for (uint64_t ordinal = first; ordinal < end; ordinal++) {
    const RowRef ref{0, static_cast<uint32_t>(ordinal - first)};
    if (!source->isDead(ref)) rows.push_back(ref);
  }
  auto edit = std::make_unique<EditCall>();
  edit->type = RecordType::kSeal;
  edit->edit.sealed_upto = lsn;
  auto written = std::make_shared<WrittenSegment>();
  if (!rows.empty()) {
    SegmentJob job;
    job.segment_id = state_->takeSegmentId();
    job.epoch = store_->log().epoch();
    const double vector_bytes = static_cast<double>(rows.size()) * context_.dims * 4;
    job.keep_adopted = vector_bytes >= kAdoptFillMin * static_cast<double>(lsn - tail_lsn);
    job.keep_going = [this] { return !stopping_.load(std::memory_order_acquire); };
    job.on_step = options_.tuning.on_step;
    job.quantizer = quantizers_.forRows(*source, rows);
    RVE_TRY(writer_.write(*source, std::move(rows), job, written.get()));
    stats_.lost.fetch_add(written->lost, std::memory_order_relaxed);
  }
  if (!written->rows.empty()) {
    written->entry.lsn_from = tail_lsn;
    written->entry.lsn_to = lsn;
    std::shared_ptr<const Segment> segment;
    RVE_TRY(Segment::open(context_, written->entry, written->pins, nullptr, true, &segment));
    RVE_TRY(segment->loadHeat());
    edit->prepared.emplace(segment->id(), segment);
    edit->edit.adds.push_back({written->entry, {}});
    edit->fill_dead = [source, written](SegmentEdit* e) {
      for (uint32_t row = 0; row < written->rows.size(); row++) {
        if (source->isDead(written->rows[row])) e->adds[0].dead.push_back(row);
      }
    };
  }
  RVE_TRY(publish(std::move(edit)));
  stats_.freezes.fetch_add(1, std::memory_order_relaxed);
  stats_.freeze_bytes.fetch_add(written->bytes_written, std::memory_order_relaxed);
  return {};
}

// Step two of the seal: the graph. Derived, so it may come any time later, and again.
Status Maintenance::link(bool* did) {
  std::shared_ptr<const Segment> target;
  {
    const VersionHold version = state_->hold();
    for (const auto& segment : *version->segments) {
      if (!segment->linked() && !segment->unusable() && target == nullptr) target = segment;
    }
  }
  if (target == nullptr) return {};
  *did = true;
  prefetch(*target);
  SegmentJob job;
  job.segment_id = target->id();
  job.epoch = store_->log().epoch();
  job.graph.links = options_.tuning.hnsw_m;
  job.graph.ef_construction = options_.tuning.hnsw_ef_construction;
  job.graph.seed = target->id();
  job.threads = buildThreads();
  job.keep_going = [this] { return keepGoing(); };
  job.on_step = options_.tuning.on_step;
  WrittenSegment written;
  RVE_TRY(writer_.link(*target, job, &written));
  std::shared_ptr<const Segment> linked;
  RVE_TRY(Segment::open(context_, written.entry, written.pins, target->sharedMarks(), true,
                        &linked));
  const_cast<Segment&>(*linked).shareHeat(*target);
  auto edit = std::make_unique<EditCall>();
  edit->type = RecordType::kReplace;
  edit->edit.drops.push_back(target->id());
  edit->edit.adds.push_back({written.entry, {}});
  edit->prepared.emplace(linked->id(), linked);
  edit->fill_dead = [target](SegmentEdit* e) { e->adds[0].dead = target->marks().deadRows(); };
  RVE_TRY(publish(std::move(edit)));
  stats_.links.fetch_add(1, std::memory_order_relaxed);
  stats_.link_bytes.fetch_add(written.bytes_written, std::memory_order_relaxed);
  return {};
}

Status Maintenance::compact(bool settling, bool* did) {
  Segments all;
  {
    const VersionHold version = state_->hold();
    all = *version->segments;
  }
  return merge(pickToCompact(all, context_, options_.tuning, settling), all, settling, did);
}

Status Maintenance::mergeUnlinked(bool* did) {
  Segments all;
  {
    const VersionHold version = state_->hold();
    all = *version->segments;
  }
  return merge(pickUnlinked(all, options_.tuning), all, false, did);
}

Status Maintenance::merge(const Segments& inputs, const Segments& all, bool settling, bool* did) {
  if (inputs.empty()) return {};
  *did = true;
  uint64_t rows = 0;
  bool in_tiers = false;
  for (const auto& segment : inputs) {
    rows += segment->rows();
    in_tiers = in_tiers || segment->tiers() != nullptr;
  }
  // Codes can wait; rows that wait for links are scanned by every query.
  const bool in_hurry = std::any_of(all.begin(), all.end(), [&](const auto& segment) {
    return !segment->linked() && std::find(inputs.begin(), inputs.end(), segment) == inputs.end();
  });
  if (tiers_.recodesAlways() && (settling || (rows >= recodeRowsMin() && !in_hurry))) {
    in_tiers = true;
  }
  RVE_TRY(rewrite(inputs, all, in_tiers));
  stats_.compactions.fetch_add(1, std::memory_order_relaxed);
  return {};
}

uint32_t Maintenance::buildThreads() const {
  if (options_.tuning.all_manual) return 1;
  const uint32_t wanted = options_.tuning.build_threads;
  return wanted != 0 ? wanted : std::clamp(std::thread::hardware_concurrency(), 1u, kBuildThreadsMax);
}

// Merges segments of fewer rows first: most rows are then coded once on their way to their size.
uint64_t Maintenance::recodeRowsMin() const {
  return uint64_t{kRecodeFreezes} * options_.tuning.freeze_rows;
}

// A segment whose records belong in other tiers, or that is not in tiers yet and should be.
Status Maintenance::recompress(bool settling, bool* did) {
  Segments all;
  {
    const VersionHold version = state_->hold();
    all = *version->segments;
  }
  std::shared_ptr<const Segment> target;
  const auto usable = [](const Segment& segment) {
    return segment.linked() && !segment.unusable() && !segment.damaged();
  };
  for (const auto& segment : all) {
    const bool waits = tiers_.recodesAlways() && segment->tiers() == nullptr && usable(*segment) &&
                       (settling || options_.tuning.all_manual ||
                        segment->rows() >= recodeRowsMin());
    if (waits && target == nullptr) target = segment;
  }
  const uint64_t now_ms = state_->heatNowMs();
  const bool look = settling || options_.tuning.all_manual || now_ms >= next_look_ms_;
  if (target == nullptr && look) {
    TierPlan plan;
    RVE_TRY(tiers_.plan(all, &plan));
    const double least = settling ? kChangingSettled : kChangingMin;
    for (const auto& segment : all) {
      if (!usable(*segment) || tiers_.changing(plan, *segment) < least) continue;
      target = segment;
      break;
    }
    if (target == nullptr) {
      next_look_ms_ = now_ms + uint64_t{options_.tiers.recompress_interval_s} * 1000;
    }
  }
  if (target == nullptr) return {};
  *did = true;
  RVE_TRY(rewrite({target}, all, true));
  stats_.recompressions.fetch_add(1, std::memory_order_relaxed);
  return {};
}

// Half a second of work a segment is done where somebody has asked for a recall.
void Maintenance::calibrateIfExpected(bool* did) {
  const bool expected = recall_expected_.load(std::memory_order_relaxed);
  if (expected || options_.tuning.all_manual) calibrate(did);
}

void Maintenance::calibrate(bool* did) {
  std::shared_ptr<const Segment> target;
  {
    const VersionHold version = state_->hold();
    for (const auto& segment : *version->segments) {
      const bool due = segment->isWalked() && segment->recallCurve() == nullptr;
      if (due && target == nullptr) target = segment;
    }
  }
  if (target == nullptr) return;
  RecallCurve curve;
  *did = calibrateRecall(target, context_, &searcher_, [this] { return keepGoing(); }, &curve);
  if (*did) target->setRecallCurve(curve);
}

// The live rows of the inputs, in the order that they will stand in: as they are, or by tier and
// id.
Status Maintenance::orderRows(const Segments& inputs, const TierPlan* plan,
                              std::vector<RowRef>* rows) const {
  for (uint32_t i = 0; i < inputs.size(); i++) {
    const Segment& segment = *inputs[i];
    for (uint32_t row = 0; row < segment.rows(); row++) {
      if (segment.marks().isDead(row)) continue;
      RowRef ref{i + 1, row, Tier::kHot};
      if (plan != nullptr) ref.tier = tiers_.wanted(*plan, segment, row);
      rows->push_back(ref);
    }
  }
  if (plan == nullptr) return {};
  struct Keyed {
    uint64_t id;
    RowRef ref;
  };
  std::vector<Keyed> keyed;
  keyed.reserve(rows->size());
  for (const RowRef& ref : *rows) {
    uint64_t id = 0;
    // A damaged row has no place; it is left out later.
    if (!inputs[ref.input - 1]->idOf(ref.row, &id)) id = kIdMax;
    keyed.push_back({id, ref});
  }
  std::sort(keyed.begin(), keyed.end(), [](const Keyed& a, const Keyed& b) {
    return a.ref.tier != b.ref.tier ? a.ref.tier < b.ref.tier : a.id < b.id;
  });
  for (size_t i = 0; i < keyed.size(); i++) (*rows)[i] = keyed[i].ref;
  return {};
}

// The graph of the largest input is taken over; the rows of the others are inserted.
void Maintenance::takeOverGraph(const Segments& inputs, const std::vector<RowRef>& rows,
                                SegmentJob* job) const {
  const Segment* largest = nullptr;
  uint32_t largest_input = 0;
  for (uint32_t i = 0; i < inputs.size(); i++) {
    const Segment& segment = *inputs[i];
    if (!segment.linked() || segment.damaged() || !segment.graphIsWhole()) continue;
    if (largest != nullptr && segment.rows() <= largest->rows()) continue;
    largest = &segment;
    largest_input = i + 1;
  }
  if (largest == nullptr) return;
  job->old_graph = &largest->graph();
  job->old_to_new.assign(largest->rows(), kNoRow);
  for (uint32_t row = 0; row < rows.size(); row++) {
    if (rows[row].input == largest_input) job->old_to_new[rows[row].row] = row;
  }
}

// Compaction and recompression are one: the live rows of some segments become a new one, which
// takes their place by one REPLACE (R12).
Status Maintenance::rewrite(const Segments& inputs, const Segments& all, bool in_tiers) {
  for (const auto& segment : inputs) prefetch(*segment);
  TierPlan plan;
  if (in_tiers) RVE_TRY(tiers_.plan(all, &plan));
  for (const auto& segment : inputs) RVE_TRY(segment->loadHeat());
  auto source = std::make_shared<RowSource>(context_.view, std::make_shared<TailBlocks>(), 0,
                                            inputs, state_->heatNowMs());
  SegmentJob job;
  job.link = true;
  job.epoch = store_->log().epoch();
  job.graph.links = options_.tuning.hnsw_m;
  job.graph.ef_construction = options_.tuning.hnsw_ef_construction;
  job.threads = buildThreads();
  job.keep_going = [this] { return keepGoing(); };
  job.on_step = options_.tuning.on_step;
  job.keep_adopted =
      !in_tiers && inputs.size() > 1 && !adoptedIsSparse(inputs, all, context_);
  auto written = std::make_shared<WrittenSegment>();
  std::vector<RowRef> rows;
  RVE_TRY(orderRows(inputs, in_tiers ? &plan : nullptr, &rows));
  TierJob tiers;
  if (in_tiers && !rows.empty()) {
    RVE_TRY(tiers_.jobFor(plan, *source, rows, job.keep_going, &tiers));
    const auto vector_of = [&](const RowRef& row, float* out) {
      RowData data;
      if (!source->read(row, &data)) return false;
      decodeVector(data.vector, context_.dims, out);
      return true;
    };
    RVE_TRY(orderByNearness(*tiers.codebook, vector_of, options_.tuning.row_window, job.threads,
                            job.keep_going, &rows));
    job.tiers = &tiers;
    job.on_overhead = [&](uint64_t bytes) { tiers_.refit(plan, written->rows, bytes, &tiers); };
    // Rows are ordered by tier: the last one is in the lowest.
    job.nav_records = rows.back().tier <= Tier::kWarm;
  }
  takeOverGraph(inputs, rows, &job);
  const size_t wanted = rows.size();
  if (!rows.empty()) {
    job.segment_id = state_->takeSegmentId();
    job.graph.seed = job.segment_id;
    RVE_TRY(writer_.write(*source, std::move(rows), job, written.get()));
    stats_.lost.fetch_add(written->lost, std::memory_order_relaxed);
  }
  RVE_ASSERT(written->rows.size() + written->lost == wanted);
  auto edit = std::make_unique<EditCall>();
  edit->type = RecordType::kReplace;
  for (const auto& segment : inputs) edit->edit.drops.push_back(segment->id());
  if (!written->rows.empty()) {
    written->entry.lsn_from = inputs.front()->entry().lsn_from;
    written->entry.lsn_to = inputs.back()->entry().lsn_to;
    std::shared_ptr<const Segment> segment;
    RVE_TRY(Segment::open(context_, written->entry, written->pins, nullptr, true, &segment));
    RVE_TRY(segment->loadHeat());
    edit->prepared.emplace(segment->id(), segment);
    edit->edit.adds.push_back({written->entry, {}});
    edit->fill_dead = [source, written](SegmentEdit* e) {
      for (uint32_t row = 0; row < written->rows.size(); row++) {
        if (source->isDead(written->rows[row])) e->adds[0].dead.push_back(row);
      }
    };
  }
  RVE_TRY(publish(std::move(edit)));
  stats_.compact_bytes.fetch_add(written->bytes_written, std::memory_order_relaxed);
  if (in_tiers) {
    stats_.recompressed_rows.fetch_add(written->rows.size(), std::memory_order_relaxed);
    stats_.recompressed_bytes.fetch_add(written->bytes_written, std::memory_order_relaxed);
  }
  return {};
}

}  // namespace rve
