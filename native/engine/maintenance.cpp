#include "engine/maintenance.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

namespace rve {
namespace {

// Segments of one size class are merged when there are this many: each row is then rewritten about
// log4(rows / freeze_rows) times.
constexpr size_t kMergeFanIn = 4;
// Rows are left in the log only if they fill it this well; else they are copied and the log is
// freed.
constexpr double kAdoptFillMin = 0.8;
constexpr double kAdoptFillKeep = 0.5;
// A settled memory keeps fewer rows than these in its tail: they are scanned exactly in
// microseconds.
constexpr uint64_t kSettleRows = 256;
constexpr auto kRetryAfter = std::chrono::seconds(1);

void lowerPriority() {
  // Ingest and queries come first: a build of seconds must not be felt.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 10);
}

}  // namespace

Maintenance::Maintenance(Store* store, LiveState* state, Committer* committer,
                         const SegmentContext& context, const OpenOptions& options)
    : store_(store), state_(state), committer_(committer), context_(context), options_(options),
      writer_(store, context) {}

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

void Maintenance::threadMain() {
  lowerPriority();
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
      status = store_->latched() ? store_->latchStatus() : runOne(&did);
      if (status.ok() && !did && !waiters.empty()) status = settleDown(&did);
    } while (status.ok() && did && !stopping_.load(std::memory_order_acquire));
    committer_->setSealStuck(status.code() == Code::kNoSpace);
    const bool stopped = stopping_.load(std::memory_order_acquire);
    for (const Done& done : waiters) done(stopped ? Status(Code::kClosed) : status);
    std::unique_lock lock(mutex_);
    if (!status.ok()) {
      // Full or failing: more commits do not help, time or freed space may.
      wakeup_.wait_for(lock, kRetryAfter, [this] { return stopping_ || !settle_waiters_.empty(); });
    } else {
      wakeup_.wait(lock, [this] { return woken_ || stopping_; });
    }
  }
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
  RVE_TRY(link(did));
  if (*did) return {};
  return compact(false, did);
}

Status Maintenance::settleDown(bool* did) {
  *did = false;
  const CommitterStats& s = committer_->stats();
  const uint64_t rows = s.tail_rows.load(std::memory_order_relaxed);
  // A few rows would keep a log run of up to 4 MiB.
  const bool large_log =
      s.fixed_chunks.load(std::memory_order_relaxed) > 3 * context_.layout.log_run_chunks_min;
  if (rows >= kSettleRows || (rows > 0 && large_log)) return freeze(did);
  return compact(true, did);
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
      return {};
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
  auto source = std::make_shared<RowSource>(context_.view, blocks, first, Segments());
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
    RVE_TRY(writer_.write(*source, std::move(rows), job, written.get()));
    stats_.lost.fetch_add(written->lost, std::memory_order_relaxed);
  }
  if (!written->rows.empty()) {
    written->entry.lsn_from = tail_lsn;
    written->entry.lsn_to = lsn;
    std::shared_ptr<const Segment> segment;
    RVE_TRY(Segment::open(context_, written->entry, written->pins, nullptr, true, &segment));
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
  job.keep_going = [this] { return keepGoing(); };
  job.on_step = options_.tuning.on_step;
  WrittenSegment written;
  RVE_TRY(writer_.link(*target, job, &written));
  std::shared_ptr<const Segment> linked;
  RVE_TRY(Segment::open(context_, written.entry, written.pins, target->sharedMarks(), true,
                        &linked));
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

// Whether the log runs that these segments read in place hold too little of what is alive. A run
// that several segments share counts in parts.
bool Maintenance::adoptedIsSparse(const Segments& inputs, const Segments& all) const {
  std::map<uint32_t, uint32_t> sharers;
  for (const auto& segment : all) {
    for (const Run& run : segment->entry().adopted) sharers[run.first_chunk]++;
  }
  double run_bytes = 0, live_bytes = 0;
  for (const auto& segment : inputs) {
    if (segment->entry().adopted.empty()) continue;
    for (const Run& run : segment->entry().adopted) {
      run_bytes += static_cast<double>(runBytes(context_.layout, run)) / sharers[run.first_chunk];
    }
    live_bytes += static_cast<double>(segment->rows() - segment->marks().deadCount()) *
                  context_.dims * 4;
  }
  return run_bytes > 0 && live_bytes < kAdoptFillKeep * run_bytes;
}

// The smallest segments, as many as one segment may hold: the graph of the largest is taken over.
static Segments pickAllThatFit(const Segments& segments, uint32_t rows_max) {
  Segments usable;
  for (const auto& segment : segments) {
    if (!segment->unusable() && !segment->damaged()) usable.push_back(segment);
  }
  std::sort(usable.begin(), usable.end(),
            [](const auto& a, const auto& b) { return a->rows() < b->rows(); });
  uint64_t rows = 0;
  Segments picked;
  for (const auto& segment : usable) {
    rows += segment->rows();
    if (rows > rows_max) break;
    picked.push_back(segment);
  }
  return picked.size() >= 2 ? picked : Segments();
}

// What is worth rewriting: a segment with too many dead rows, one that keeps a sparse log alive,
// else the smallest class that has enough members to merge.
std::vector<std::shared_ptr<const Segment>> Maintenance::pickToCompact(
    const Segments& segments, bool settling) const {
  uint64_t newest = 0;
  for (const auto& segment : segments) newest = std::max(newest, segment->id());
  for (const auto& segment : segments) {
    if (segment->unusable()) continue;
    const double dead = segment->marks().deadCount();
    if (dead > 0 && dead >= options_.tuning.dead_ratio_compact * segment->rows()) return {segment};
    // The newest ones share a run with the tail, which will fill it.
    if (segment->id() + 2 < newest && adoptedIsSparse({segment}, segments)) return {segment};
  }
  if (settling) return pickAllThatFit(segments, options_.tuning.segment_rows_max);
  std::map<int, Segments> classes;
  for (const auto& segment : segments) {
    if (segment->unusable() || segment->damaged()) continue;
    const uint32_t unit = std::max(1u, options_.tuning.freeze_rows);
    const uint32_t multiple = std::max(1u, segment->rows() / unit);
    classes[static_cast<int>(std::bit_width(multiple) - 1) / 2].push_back(segment);
  }
  for (auto& [size_class, members] : classes) {
    if (members.size() < kMergeFanIn) continue;
    uint64_t rows = 0;
    std::vector<std::shared_ptr<const Segment>> picked;
    for (const auto& segment : members) {
      if (rows + segment->rows() > options_.tuning.segment_rows_max) break;
      rows += segment->rows();
      picked.push_back(segment);
    }
    if (picked.size() >= 2) return picked;
  }
  return {};
}

Status Maintenance::compact(bool settling, bool* did) {
  std::vector<std::shared_ptr<const Segment>> inputs;
  Segments all;
  {
    const VersionHold version = state_->hold();
    all = *version->segments;
    inputs = pickToCompact(all, settling);
  }
  if (inputs.empty()) return {};
  *did = true;
  for (const auto& segment : inputs) prefetch(*segment);
  auto source =
      std::make_shared<RowSource>(context_.view, std::make_shared<TailBlocks>(), 0, inputs);
  SegmentJob job;
  job.link = true;
  job.epoch = store_->log().epoch();
  job.graph.links = options_.tuning.hnsw_m;
  job.graph.ef_construction = options_.tuning.hnsw_ef_construction;
  job.keep_going = [this] { return keepGoing(); };
  job.on_step = options_.tuning.on_step;
  job.keep_adopted = inputs.size() > 1 && !adoptedIsSparse(inputs, all);
  // The graph of the largest input is taken over; the rows of the others are inserted.
  const Segment* largest = nullptr;
  uint32_t largest_input = 0;
  std::vector<RowRef> rows;
  for (uint32_t i = 0; i < inputs.size(); i++) {
    if (inputs[i]->linked() && !inputs[i]->damaged() && inputs[i]->graphIsWhole() &&
        (largest == nullptr || inputs[i]->rows() > largest->rows())) {
      largest = inputs[i].get();
      largest_input = i + 1;
    }
    for (uint32_t row = 0; row < inputs[i]->rows(); row++) {
      if (!inputs[i]->marks().isDead(row)) rows.push_back({i + 1, row});
    }
  }
  if (largest != nullptr) {
    job.old_graph = &largest->graph();
    job.old_to_new.assign(largest->rows(), kNoRow);
    for (uint32_t row = 0; row < rows.size(); row++) {
      if (rows[row].input == largest_input) job.old_to_new[rows[row].row] = row;
    }
  }
  auto written = std::make_shared<WrittenSegment>();
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
    edit->prepared.emplace(segment->id(), segment);
    edit->edit.adds.push_back({written->entry, {}});
    edit->fill_dead = [source, written](SegmentEdit* e) {
      for (uint32_t row = 0; row < written->rows.size(); row++) {
        if (source->isDead(written->rows[row])) e->adds[0].dead.push_back(row);
      }
    };
  }
  RVE_TRY(publish(std::move(edit)));
  stats_.compactions.fetch_add(1, std::memory_order_relaxed);
  stats_.compact_bytes.fetch_add(written->bytes_written, std::memory_order_relaxed);
  return {};
}

}  // namespace rve
