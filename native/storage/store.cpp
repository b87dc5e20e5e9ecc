#include "storage/store.hpp"

#include <algorithm>

#include "base/crc32c.hpp"
#include "base/mutation.hpp"

namespace rve {
namespace {

// Room for some dozens of delete groups of one page each.
constexpr uint64_t kReservePages = 32;

}  // namespace

Status Store::open(const StoreOptions& options, std::unique_ptr<Store>* out) {
  auto store = std::unique_ptr<Store>(new Store());
  store->path_ = options.path;
  store->clock_ = options.clock;
  store->disk_ = options.disk;
  store->read_only_ = options.read_only;
  DiskStat stat;
  RVE_TRY(options.disk->stat(options.path, &stat));
  if (!stat.exists) {
    if (options.read_only || !options.create_if_missing) {
      return Status(Code::kNotFound, "cannot open " + options.path);
    }
    const Status status = create(options);
    // Somebody else may have created it since: then it is opened as theirs.
    if (!status.ok() && status.code() != Code::kBusy) return status;
    store->created_ = status.ok();
  } else if (!stat.regular) {
    return Status(Code::kNotRegular, "cannot open " + options.path);
  }
  const OpenMode mode = options.read_only ? OpenMode::kReadOnly : OpenMode::kReadWrite;
  RVE_TRY(options.disk->open(options.path, mode, &store->file_));
  RVE_TRY(store->readIdentity(options));
  const uint64_t bytes_max =
      options.bytes_max == 0 ? store->layout_.file_bytes_max : options.bytes_max;
  store->space_ = std::make_unique<SpaceMap>(store->file_.get(), store->layout_, bytes_max);
  store->log_ = std::make_unique<LogWriter>(store->file_.get(), store->layout_,
                                            store->identity_.uuid, store->space_.get());
  RVE_TRY(store->chooseRoot());
  store->opened_ns_ = options.clock->monotonicNs();
  *out = std::move(store);
  return {};
}

// Steps 1 and 2: sane bounds, known format, no contradiction.
Status Store::readIdentity(const StoreOptions& options) {
  layout_ = options.layout;
  std::vector<std::byte> page(layout_.page_bytes);
  Status first = file_->size() < page.size() ? Status(Code::kNotAStore, "the file is too short")
                                             : file_->read(0, page);
  if (first.ok()) first = decodeIdentity(page, &identity_);
  if (!first.ok()) {  // a flipped bit in the version number too must not outweigh an intact copy
    const uint64_t at = identityOffset(layout_, 1);
    const bool copy_read = file_->size() >= at + page.size() && file_->read(at, page).ok();
    if (!copy_read || !decodeIdentity(page, &identity_).ok()) {
      return Status(first.code(), path_ + ": " + first.message());
    }
  }
  if (identity_.page_bytes != layout_.page_bytes || identity_.chunk_bytes != layout_.chunk_bytes ||
      identity_.record_bytes_max != layout_.group_bytes_max) {
    return Status(Code::kVersion, path_ + ": its layout is not one that this version opens");
  }
  if (options.dimensions != 0 && options.dimensions != identity_.dimensions) {
    return Status(Code::kContradiction,
                  path_ + ": has " + std::to_string(identity_.dimensions) +
                      " dimensions, not " + std::to_string(options.dimensions));
  }
  if (options.has_metric && options.metric != identity_.metric) {
    return Status(Code::kContradiction, path_ + ": was created with another metric");
  }
  if (chunkCountOf(layout_, file_->size()) == 0) {
    return Status(Code::kTruncated, path_ + ": ends before its first chunk");
  }
  return {};
}

// Steps 3 to 5: the newest root whose manifest is whole, then the log behind it.
Status Store::chooseRoot() {
  const uint32_t chunk_count = space_->chunkCount();
  std::vector<Root> roots = readSlots(*file_, layout_, identity_.uuid, chunk_count);
  Status why(Code::kCorrupt, path_ + ": neither superblock slot is whole");
  for (size_t i = 0; i < roots.size(); i++) {
    Symbols symbols;
    SourceMarks marks;
    if ((roots[i].slot.feature_incompat & ~kFeaturesIncompat) != 0) {
      return Status(Code::kVersion, path_ + ": uses features unknown to this version");
    }
    Status status = readManifest(*file_, layout_, identity_.uuid, chunk_count, &roots[i],
                                 &symbols_, &marks_);
    LogWalk walk;
    if (status.ok() && roots[i].slot.chunk_count > chunk_count) {
      status = Status(Code::kTruncated, "the file ends before its last chunk");
    }
    if (status.ok()) {
      status = walkLog(*file_, layout_, identity_.uuid, chunk_count, roots[i].slot, &walk);
    }
    if (!status.ok()) {
      why = Status(status.code(), path_ + ": " + status.message());
      continue;
    }
    if ((roots[i].slot.feature_ro_compat & ~kFeaturesRoCompat) != 0) read_only_ = true;
    root_ = roots[i];
    walk_ = std::move(walk);
    newest_ = root_.which;
    newest_copies_ = root_.copies;
    manifest_bytes_ = root_.slot.manifest_bytes;
    logical_base_ms_ = walk_.position.logical_ms;
    holes_ = root_.manifest.holes;
    holes_.insert(holes_.end(), walk_.holes.begin(), walk_.holes.end());
    return protectRoots(roots);
  }
  if (roots.empty() && chunk_count > 0) {
    return Status(Code::kCorrupt, why.message() + ". Run rve check --repair");
  }
  return why;
}

// Step 8, first half: pins for both roots and for the log from the smaller replay_lsn. The segments
// of the live state are pinned by whoever opens them.
Status Store::protectRoots(const std::vector<Root>& roots) {
  const uint32_t chunk_count = space_->chunkCount();
  const auto inside = [&](const Run& run) { return runIsInside(run, chunk_count); };
  uint64_t replay_lsn = root_.manifest.replay_lsn;
  for (const Root& candidate : roots) {
    Root root = candidate;
    // Slots alternate: the other one is the generation before. One older than that is what a cut
    // checkpoint left in a copy; what it names was given to others long ago.
    if (root.which != root_.which && root.slot.generation + 1 != root_.slot.generation) continue;
    Symbols symbols;
    SourceMarks marks;
    const Status status =
        readManifest(*file_, layout_, identity_.uuid, chunk_count, &root, &symbols, &marks);
    if (!status.ok()) continue;  // a root that cannot be used protects nothing
    replay_lsn = std::min(replay_lsn, root.manifest.replay_lsn);
    RootState& state = roots_[root.which];
    state.valid = true;
    state.slot = root.slot;
    state.pins.push_back(RunPin(space_.get(), root.slot.manifest));
    for (const ManifestSegment& s : root.manifest.segments) {
      for (const Run& run : s.entry.runs()) state.pins.push_back(RunPin(space_.get(), run));
    }
    EditRuns edits;
    edits.lsn = root.manifest.lsn;
    for (const Run& run : root.manifest.edit_runs) edits.pins.push_back(RunPin(space_.get(), run));
    if (root.which == root_.which) edit_runs_.push_back(std::move(edits));
  }
  // The chosen manifest lists the runs that replay from it walks through, and from the root before
  // it if that still counts; else those are free.
  const std::vector<LogRunEntry>& log_runs = root_.manifest.log_runs;
  for (size_t i = 0; i < log_runs.size(); i++) {
    const LogRunEntry& entry = log_runs[i];
    // One that ends just there stays, as in LogWriter::runsFrom: the older slot names it as its
    // open run.
    const auto endsBefore = [&](uint64_t lsn) {
      return i + 1 < log_runs.size() && log_runs[i + 1].first_lsn < lsn;
    };
    if (endsBefore(replay_lsn)) continue;
    if (endsBefore(root_.manifest.replay_lsn) && overlapsOwn(entry.run)) continue;
    if (entry.first_lsn < walk_.runs.front().first_lsn && inside(entry.run)) {
      log_->adoptRun(entry.run, entry.first_lsn, 0);
    }
  }
  for (const WalkedRun& run : walk_.runs) log_->adoptRun(run.run, run.first_lsn, run.sequence);
  if (!inside(walk_.next)) {
    return Status(Code::kCorrupt, path_ + ": the log's successor lies outside the file");
  }
  LogPosition position = walk_.position;
  position.epoch += 1;
  log_->resume(position, walk_.next);
  updateReserve();
  return checkOwners();
}

// What the chosen root names, and the log from it on.
std::vector<Run> Store::ownRuns() const {
  std::vector<Run> own{root_.slot.manifest, walk_.next};
  for (const ManifestSegment& s : root_.manifest.segments) {
    for (const Run& run : s.entry.runs()) own.push_back(run);
  }
  for (const WalkedRun& walked : walk_.runs) own.push_back(walked.run);
  return own;
}

// A log run that only the root before needs, and that others have by now: that root is a copy which
// a cut checkpoint left behind in the slot of a later one, since rotten. It protects nothing.
bool Store::overlapsOwn(const Run& run) const {
  for (const Run& own : ownRuns()) {
    const bool apart = own.first_chunk + own.chunks <= run.first_chunk ||
                       run.first_chunk + run.chunks <= own.first_chunk;
    const bool same = own.first_chunk == run.first_chunk && own.chunks == run.chunks;
    if (!apart && !same) return true;
  }
  return false;
}

// Step 8, second half: what the chosen root and its log own does not overlap. Runs that are shared
// whole (parts of one segment, adopted log runs) count once.
Status Store::checkOwners() const {
  std::vector<Run> owned = ownRuns();
  for (const LogRunEntry& entry : log_->runsFrom(0)) owned.push_back(entry.run);
  std::sort(owned.begin(), owned.end(), [](const Run& a, const Run& b) {
    return a.first_chunk != b.first_chunk ? a.first_chunk < b.first_chunk : a.chunks < b.chunks;
  });
  owned.erase(std::unique(owned.begin(), owned.end()), owned.end());
  for (size_t i = 1; i < owned.size(); i++) {
    if (owned[i].first_chunk - owned[i - 1].first_chunk < owned[i - 1].chunks) {
      return Status(Code::kCorrupt, path_ + ": a chunk has two owners");
    }
  }
  return {};
}

uint64_t Store::nextIdAtOpen() const {
  return std::max(root_.slot.next_id, root_.manifest.next_id);
}

Status Store::pinRuns(const std::vector<Run>& runs, std::vector<RunPin>* out) {
  for (const Run& run : runs) {
    if (!runIsInside(run, space_->chunkCount())) {
      return Status(Code::kCorrupt, path_ + ": a run lies outside the file");
    }
    out->push_back(RunPin(space_.get(), run));
  }
  return {};
}

void Store::keepEditRuns(uint64_t lsn, std::vector<RunPin> runs) {
  edit_runs_.push_back({lsn, std::move(runs)});
}

Status Store::finishOpen() {
  if (read_only_) return {};
  // A kill between the rename and the folder's sync of creation leaves a name that power loss may
  // take back.
  if (!RVE_MUTATED(kNoRecoveryFolderSync)) RVE_TRY(disk_->syncFolder(path_));
  // What recovery read may stand in the page cache only: groups beyond the proven part, but also a
  // slot whose write was cut short by a kill. Nothing may build on it before it is durable.
  if (!RVE_MUTATED(kNoRecoverySync)) {
    RVE_TRY(file_->sync());
    countSync();
  }
  log_->setAllDurable();
  return {};
}

uint64_t Store::logicalMs() const {
  return logical_base_ms_ + (clock_->monotonicNs() - opened_ns_) / 1'000'000;
}

// R7: what one checkpoint and one group of deletes may take on a full disk.
void Store::updateReserve() {
  const uint64_t bytes = uint64_t{manifest_bytes_} * 2 + kReservePages * layout_.page_bytes;
  space_->setReserve(std::max(4u, static_cast<uint32_t>(divideUp(bytes, layout_.chunk_bytes))));
}

Status Store::checkpoint(Manifest* manifest, std::vector<RunPin> segments, uint64_t next_id,
                         bool clean) {
  const uint32_t older = RVE_MUTATED(kSlotInPlace) ? newest_ : 1 - newest_;
  manifest->lsn = log_->durableLsn();
  manifest->next_id = next_id;
  // R6: also the runs that replay from the root that stays would walk through, so that the next
  // open keeps them.
  manifest->log_runs =
      log_->runsFrom(std::min(manifest->replay_lsn, roots_[newest_].slot.replay_lsn));
  manifest->holes = holes_;
  // Replay from the root that stays must find the segments that the log behind it names.
  manifest->edit_runs.clear();
  for (const EditRuns& edits : edit_runs_) {
    for (const RunPin& pin : edits.pins) manifest->edit_runs.push_back(pin.run());
  }
  WireWriter body;
  encodeManifest(*manifest, symbols_, marks_, &body);
  const uint64_t bytes = layout_.page_bytes + body.size();
  RunPin pin = std::move(checkpoint_run_);
  const uint32_t chunks = static_cast<uint32_t>(divideUp(bytes, layout_.chunk_bytes));
  if (!pin || pin.run().chunks < chunks) {
    pin = RunPin();
    RVE_TRY(space_->allocate(chunks, SpacePurpose::kSystem, &pin));
  }
  // Three runs take turns as manifests. A chunk to spare lets a longer one follow on a full disk.
  space_->shorten(&pin, chunks > 1 ? chunks + 1 : 1);
  const uint32_t chunk_count = space_->chunkCount();  // what the sync below makes durable
  Slot slot;
  slot.generation = roots_[newest_].slot.generation + 1;
  RunHeader header;
  header.kind = RunKind::kManifest;
  header.own = pin.run();
  header.sequence = slot.generation;
  header.epoch = log_->epoch();
  std::vector<std::byte> image(static_cast<size_t>(roundUp(bytes, layout_.page_bytes)));
  encodeRunHeader(header, identity_.uuid, MutableBytes(image).first(layout_.page_bytes));
  std::copy(body.bytes().begin(), body.bytes().end(), image.begin() + layout_.page_bytes);
  Status status = healNewestSlot();
  if (status.ok()) status = file_->write(runOffset(layout_, pin.run()), image);
  if (status.ok() && !RVE_MUTATED(kManifestNotSynced)) {
    status = file_->sync();
    countSync();
  }
  slot.manifest = pin.run();
  slot.manifest_bytes = static_cast<uint32_t>(body.size());
  slot.manifest_crc = crc32c(body.bytes());
  slot.next_id = next_id;
  slot.flags = clean ? kSlotClean : 0;
  slot.chunk_count = chunk_count;
  fillSlot(*manifest, &slot);
  std::vector<std::byte> page(layout_.page_bytes);
  encodeSlot(slot, identity_.uuid, page);
  for (uint32_t copy = 0; copy < 2 && status.ok(); copy++) {
    status = file_->write(slotOffset(layout_, older, copy), page);
  }
  if (status.ok()) {
    status = file_->sync();
    countSync();
  }
  if (!status.ok()) {
    latch(status);
    return status;
  }
  checkpoint_bytes_ += image.size() + 2 * page.size();
  manifest_bytes_ = slot.manifest_bytes;
  Slot decoded;
  RVE_TRY(decodeSlot(page, identity_.uuid, &decoded));
  roots_[older].valid = true;
  roots_[older].slot = decoded;
  segments.push_back(std::move(pin));
  roots_[older].pins = std::move(segments);
  newest_ = older;
  newest_copies_ = 3;
  if (RVE_MUTATED(kFreeAfterOneSlot)) {
    roots_[1 - newest_].pins.clear();
    roots_[1 - newest_].valid = false;
  }
  releaseLog();
  updateReserve();
  // On a full disk the old manifest's run, free only now, may be what the next one gets: with room
  // to grow if there is any, else as large as this one.
  for (const uint64_t growth : {manifest_bytes_ / 2, manifest_bytes_ / 8, 0u}) {
    if (holdCheckpointRun(growth).ok()) break;
  }
  return {};
}

// What a slot says of the log, the clock and the slot before it.
void Store::fillSlot(const Manifest& manifest, Slot* slot) const {
  slot->replay_lsn = RVE_MUTATED(kSingleCursor) ? manifest.lsn : manifest.replay_lsn;
  slot->manifest_lsn = manifest.lsn;
  slot->durable_lsn = log_->durableLsn();
  slot->scan = log_->openRun();
  slot->epoch = log_->epoch();
  slot->last_group_crc = log_->lastHeaderCrc();
  slot->logical_ms = logicalMs();
  slot->wall_ms = clock_->wallMs();
  slot->boot = clock_->bootId();
  slot->previous_slot_crc = roots_[newest_].slot.own_crc;
}

// A cut checkpoint may leave one copy of the slot behind the other. It is written again, and synced
// with the manifest, before the other slot is touched: else the next cut could leave only the copy
// of long ago.
Status Store::healNewestSlot() {
  if (newest_copies_ == 3) return {};
  std::vector<std::byte> page(layout_.page_bytes);
  encodeSlot(roots_[newest_].slot, identity_.uuid, page);
  for (uint32_t copy = 0; copy < 2; copy++) {
    if ((newest_copies_ >> copy & 1) != 0) continue;
    RVE_TRY(file_->write(slotOffset(layout_, newest_, copy), page));
  }
  checkpoint_bytes_ += page.size();
  return {};
}

Status Store::holdCheckpointRun(uint64_t growth) {
  const uint64_t bytes = manifest_bytes_ + growth + 2ull * layout_.page_bytes;
  const uint32_t chunks = static_cast<uint32_t>(divideUp(bytes, layout_.chunk_bytes));
  if (checkpoint_run_ && checkpoint_run_.run().chunks >= chunks) return {};
  if (RVE_MUTATED(kNoCheckpointRun)) return {};
  RunPin fresh;
  RVE_TRY(space_->allocate(chunks, SpacePurpose::kSystem, &fresh));
  checkpoint_run_ = std::move(fresh);
  return {};
}

// R6: the log from the smaller replay_lsn, and the runs named behind the smaller manifest_lsn,
// stay.
void Store::releaseLog() {
  const RootState& newest = roots_[newest_];
  const RootState& other = roots_[1 - newest_];
  uint64_t replay_lsn = newest.slot.replay_lsn, manifest_lsn = newest.slot.manifest_lsn;
  if (other.valid) {
    replay_lsn = std::min(replay_lsn, other.slot.replay_lsn);
    manifest_lsn = std::min(manifest_lsn, other.slot.manifest_lsn);
  }
  log_->release(replay_lsn);
  while (!edit_runs_.empty() && edit_runs_.front().lsn < manifest_lsn) edit_runs_.pop_front();
}

void Store::latch(const Status& why) {
  if (RVE_MUTATED(kNoLatch)) return;
  std::lock_guard lock(latch_mutex_);
  if (!latched_) latch_status_ = why;
  latched_.store(true, std::memory_order_release);
}

Status Store::latchStatus() const {
  if (!latched()) return {};
  std::lock_guard lock(latch_mutex_);
  return Status(Code::kLatched, path_ + ": " + latch_status_.message());
}

}  // namespace rve
