#include "engine/live_state.hpp"

#include <algorithm>
#include <utility>

#include "base/crc32c.hpp"
#include "base/mutation.hpp"

namespace rve {
namespace {

// A board has little memory, and most queries touch little of a large store.
constexpr uint64_t kCodeBytesMax = 48 << 20;

}  // namespace

LiveState::LiveState(Store* store, const SegmentContext& context)
    : store_(store), context_(context) {
  plain_codec_ = std::make_shared<BinaryCodec>(context.kind, *context.rotation,
                                               std::span<const float>());
  rotated_.resize(context.rotation->paddedDims());
  floats_.resize(context.dims);
}

// A cold start reads what the first answer needs in few large pieces instead of a page a fault.
// First the tail's groups, which restore() is about to read; hints only.
void LiveState::prefetchTail() {
  File& file = store_->file();
  for (const TailGroup& group : store_->manifest().tail) file.prefetch(group.offset, group.length);
  for (const WalkedGroup& group : store_->walk().groups) {
    file.prefetch(group.offset, group.header.length);
  }
}

// Then what opening a segment reads of each part: the front, and the page table at the end. Asked
// for by the segments one by one, a store of five waited for some hundred pages, each alone.
void LiveState::prefetchParts() {
  constexpr uint64_t kFrontBytes = 64 << 10;
  const uint64_t page_bytes = context_.layout.page_bytes;
  for (const ManifestSegment& segment : store_->manifest().segments) {
    for (const PartEntry& part : segment.entry.parts) {
      const uint64_t at = runOffset(context_.layout, part.run) + part.page * page_bytes;
      const uint64_t bytes = part.pages * page_bytes;
      store_->file().prefetch(at, std::min(bytes, kFrontBytes));
      // 4 bytes a page, and the last page before them: a section may end there.
      const uint64_t table_pages = divideUp(part.pages * uint64_t{4}, page_bytes + 4) + 1;
      const uint64_t back_bytes = std::min(bytes, table_pages * page_bytes);
      store_->file().prefetch(at + bytes - back_bytes, back_bytes);
    }
  }
}

std::vector<FileRange> LiveState::codeRanges(bool linked) const {
  std::vector<FileRange> out;
  for (const auto& segment : *segments_) {
    if (segment->linked() == linked) segment->addCodeRanges(&out);
  }
  uint64_t left = kCodeBytesMax;
  for (FileRange& range : out) {
    range.bytes = std::min(range.bytes, left);
    left -= range.bytes;
  }
  return out;
}

void LiveState::prefetchScanned() const {
  for (const FileRange& range : codeRanges(false)) {
    store_->file().prefetch(range.offset, range.bytes);
  }
}

Status LiveState::restore() {
  prefetchTail();
  next_id_ = store_->nextIdAtOpen();
  seen_ids_ = next_id_;
  next_segment_id_ = store_->manifest().next_segment_id;
  lost_records_ = store_->manifest().lost_records;
  prefetchParts();
  RVE_TRY(restoreSegments());
  RVE_TRY(restoreTail());
  RVE_TRY(replayLog());
  codeTail();
  publish(store_->log().lsn());
  return {};
}

#ifdef RVE_MUTATIONS
namespace {

// Whether a mutation makes replay leave this group's PUTs out: those below the last SEAL of the
// log.
bool skippedByMutation(const Store& store, const SegmentContext& context, uint64_t lsn) {
  if (!RVE_MUTATED(kPutBelowSealedIgnored)) return false;
  uint64_t sealed_upto = 0;
  for (const WalkedGroup& walked : store.walk().groups) {
    RecordIterator records(Bytes(context.view + walked.offset, walked.header.length));
    RecordHeader header;
    Bytes record;
    uint32_t record_at = 0;
    Status status;
    while (records.next(&header, &record, &record_at, &status)) {
      if (header.type != RecordType::kSeal) continue;
      sealed_upto = load<uint64_t>(record, kRecordHeaderBytes);
    }
  }
  return lsn < sealed_upto;
}

}  // namespace

uint64_t LiveState::largestLiveId() const {
  uint64_t largest = 0, id = 0;
  for (uint64_t ordinal = tail_.first(); ordinal < tail_.end(); ordinal++) {
    const TailRow r = tailRow(*tail_.blocks(), ordinal);
    if (r.block->dead_lsn[r.at].load() == kAlive) largest = std::max(largest, r.block->ids[r.at]);
  }
  for (const auto& segment : *segments_) {
    for (uint32_t row = 0; row < segment->rows(); row++) {
      if (segment->marks().isDead(row) || !segment->idOf(row, &id)) continue;
      largest = std::max(largest, id);
    }
  }
  return largest;
}

uint64_t LiveState::killSourceWithoutRecord(uint32_t source, uint64_t lsn) {
  return killSource(source, lsn, false);
}

void LiveState::killLater(uint64_t id) {
  const uint64_t ordinal = tail_.find(id);
  if (ordinal != kAlive) {
    late_deaths_.push_back([this, ordinal](uint64_t lsn) {
      if (ordinal >= tail_.first()) killTailRow(ordinal, lsn);
    });
    return;
  }
  for (const auto& segment : *segments_) {
    uint32_t row = 0;
    if (!segment->findRow(id, &row) || segment->marks().isDead(row)) continue;
    late_deaths_.push_back(
        [this, segment, row](uint64_t lsn) { killSegmentRow(*segment, row, lsn, false); });
  }
}
#endif

// Strictly in log order (R11): an edit meets only what was put or published before it.
Status LiveState::replayLog() {
  ApplyOptions options;
  options.replay = true;
  for (const WalkedGroup& walked : store_->walk().groups) {
    if (!walked.intact) continue;
    const GroupPlace place{walked.header.lsn, walked.offset, walked.header.length,
                           walked.header.header_crc};
    const Bytes group(context_.view + walked.offset, walked.header.length);
#ifdef RVE_MUTATIONS
    if (skippedByMutation(*store_, context_, place.lsn)) {
      RecordIterator records(group);
      RecordHeader header;
      Bytes record;
      uint32_t record_at = 0;
      Status status;
      const bool only_puts = records.next(&header, &record, &record_at, &status) &&
                             header.type == RecordType::kPutBatch;
      if (only_puts) continue;
    }
#endif
    Applied applied;
    RVE_TRY(apply(place, group, options, &applied));
  }
#ifdef RVE_MUTATIONS
  for (const WalkedGroup& walked : store_->walk().groups) {
    if (!RVE_MUTATED(kEditHitsLaterRows) || !walked.intact) continue;
    RecordIterator records(Bytes(context_.view + walked.offset, walked.header.length));
    RecordHeader header;
    Bytes record;
    uint32_t record_at = 0;
    Status status;
    while (records.next(&header, &record, &record_at, &status)) {
      uint64_t killed = 0;
      if (header.type != RecordType::kDelete) continue;
      RVE_TRY(applyDelete({walked.header.lsn, walked.offset, walked.header.length, 0},
                          record.subspan(kRecordHeaderBytes), true, &killed));
    }
  }
#endif
  return {};
}

Status LiveState::openSegment(const ManifestSegment& from, std::shared_ptr<RowMarks> marks,
                              std::shared_ptr<const Segment>* out) {
  std::vector<RunPin> pins;
  RVE_TRY(store_->pinRuns(from.entry.runs(), &pins));
  Status status = Segment::open(context_, from.entry, pins, std::move(marks), false, out);
  if (status.code() == Code::kCorrupt) {
    *out = Segment::makeDamaged(from.entry, std::move(pins));
    status = {};
  }
  RVE_TRY(status);
  for (const uint32_t row : from.dead) (*out)->marks().kill(row);
  return {};
}

Status LiveState::restoreSegments() {
  auto segments = std::make_shared<Segments>();
  for (const ManifestSegment& s : store_->manifest().segments) {
    std::shared_ptr<const Segment> segment;
    RVE_TRY(openSegment(s, nullptr, &segment));
    live_ += s.entry.rows - s.dead.size();
    segments->push_back(std::move(segment));
  }
  segments_ = std::move(segments);
  return {};
}

Status LiveState::restoreTail() {
  uint64_t ordinal = 0;
  for (const TailGroup& group : store_->manifest().tail) {
    RVE_TRY(restoreTailGroup(group, store_->manifest().tail_dead, &ordinal));
  }
  return {};
}

// The rows of one unsealed group that the manifest names; what later edits did to them is in
// `dead`.
Status LiveState::restoreTailGroup(const TailGroup& group, const std::vector<uint32_t>& dead,
                                   uint64_t* ordinal) {
  const Bytes bytes(context_.view + group.offset, group.length);
  GroupHeader header;
  const bool whole =
      decodeGroupHeader(bytes, context_.layout, group.length, &header).ok() &&
      header.header_crc == group.header_crc && header.lsn == group.lsn &&
      header.length == group.length &&
      crc32c(bytes.subspan(kGroupHeaderBytes)) == header.body_crc;
  const RunPin run = store_->log().pinAt(group.offset);
  if (!whole || !run) {
    tail_damaged_ = true;
    lost_records_ += group.rows;
    *ordinal += group.rows;
    return {};
  }
  TailGroup fresh = group;
  fresh.rows = 0;
  tail_.beginGroup(fresh);
  RecordIterator records(bytes);
  RecordHeader record;
  Bytes body;
  uint32_t record_at = 0;
  Status status;
  while (records.next(&record, &body, &record_at, &status)) {
    if (record.type != RecordType::kPutBatch) continue;
    PutView put;
    RVE_TRY(decodePut(body, record_at, context_.dims, &put));
    for (uint32_t row = 0; row < put.shape.count; row++, (*ordinal)++) {
      const uint64_t at = tail_.append(put, row, group.offset + record_at, run, plain_codec_);
      if (std::binary_search(dead.begin(), dead.end(), static_cast<uint32_t>(*ordinal))) {
        killTailRow(at, 0);
      }
      live_++;
    }
  }
  return status;
}

Status LiveState::apply(const GroupPlace& place, Bytes group, const ApplyOptions& options,
                        Applied* applied) {
#ifdef RVE_MUTATIONS
  for (const auto& death : std::exchange(late_deaths_, {})) death(place.lsn);
#endif
  RecordIterator records(group);
  RecordHeader header;
  Bytes record;
  uint32_t record_at = 0;
  Status status;
  bool put_seen = false;
  while (records.next(&header, &record, &record_at, &status)) {
    uint64_t killed = 0;
    const Bytes body = record.subspan(kRecordHeaderBytes);
    switch (header.type) {
      case RecordType::kPutBatch:
        if (!put_seen) {
          tail_.beginGroup({place.lsn, place.offset, place.length, 0, place.header_crc});
        }
        put_seen = true;
        RVE_TRY(applyPut(place, record, record_at, options, &killed));
        break;
      case RecordType::kDelete:
        RVE_TRY(applyDelete(place, body, options.replay, &killed));
        break;
      case RecordType::kSymbol: {
        SymbolEdit symbol;
        RVE_TRY(decodeSymbol(body, &symbol));
        // A hole in the log may have swallowed names: their numbers stay, so that later ones keep
        // theirs.
        while (options.replay && !store_->walk().holes.empty() &&
               store_->symbols().count(symbol.kind) + 1 < symbol.number &&
               !store_->symbols().full(symbol.kind)) {
          const uint32_t lost = store_->symbols().count(symbol.kind) + 1;
          store_->symbols().add(symbol.kind, "(lost name " + std::to_string(lost) + ")");
        }
        if (!store_->symbols().replay(symbol.kind, symbol.number, symbol.name)) {
          return Status(Code::kCorrupt, "a SYMBOL record has impossible values");
        }
        break;
      }
      case RecordType::kSeal:
      case RecordType::kReplace:
        RVE_TRY(applyEdit(place, header.type, body, options));
        break;
      case RecordType::kClockStep:
      case RecordType::kNoop:
        break;
      default:
        if ((static_cast<uint8_t>(header.type) & kRecordOptionalBit) == 0) {
          return Status(Code::kVersion, "the log has records unknown to this version");
        }
    }
    applied->killed.push_back(killed);
  }
  return status;
}

Status LiveState::applyPut(const GroupPlace& place, Bytes record, uint32_t record_at,
                           const ApplyOptions& options, uint64_t* killed) {
  PutView put;
  RVE_TRY(decodePut(record, record_at, context_.dims, &put));
  const RunPin run = store_->log().pinAt(place.offset);
  RVE_ASSERT(run);
  for (uint32_t row = 0; row < put.shape.count; row++) {
    const uint64_t id = put.idOf(row);
    // An id above every one ever seen supersedes nothing, the usual case.
#ifdef RVE_MUTATIONS
    if (RVE_MUTATED(kSupersedeShowsBoth) && !options.replay) {
      killLater(id);
    } else
#endif
    if (id < seen_ids_) {
      *killed += killId(id, place.lsn, options.replay) ? 1 : 0;
    }
    const uint64_t ordinal =
        tail_.append(put, row, place.offset + record_at, run, plain_codec_);
    live_.fetch_add(1, std::memory_order_relaxed);
    noteId(id);
    if (options.replay && (put.shape.flags & kPutSequence) != 0) {
      store_->marks().add(put.source, put.boot, put.sequence + row);
    }
    if (!options.replay) {
      const TailRow r = tailRow(*tail_.blocks(), ordinal);
      if (r.at == 0) centreNewBlock(r.block);
      codeRow(r.block, r.at);
    }
  }
  return {};
}

Status LiveState::applyDelete(const GroupPlace& place, Bytes body, bool replay,
                              uint64_t* killed) {
  DeleteEdit edit;
  RVE_TRY(decodeDelete(body, &edit));
  if (edit.kind == DeleteKind::kIds) {
    for (const uint64_t id : edit.ids) *killed += killId(id, place.lsn, replay) ? 1 : 0;
    return {};
  }
  *killed += killSource(edit.source, place.lsn, replay);
  return {};
}

uint64_t LiveState::killSource(uint32_t source, uint64_t lsn, bool replay) {
  uint64_t killed = 0;
  for (uint64_t ordinal = tail_.first(); ordinal < tail_.end(); ordinal++) {
    const TailRow r = tailRow(*tail_.blocks(), ordinal);
    if (r.block->sources[r.at] == source) killed += killTailRow(ordinal, lsn) ? 1 : 0;
  }
  for (const auto& segment : *segments_) {
    if (segment->unusable() || segment->rowsOfSource(source) == 0) continue;
    for (uint32_t row = 0; row < segment->rows(); row++) {
      uint32_t of_row = 0;
      if (!segment->sourceOf(row, &of_row) || of_row != source) continue;
      killed += killSegmentRow(*segment, row, lsn, replay) ? 1 : 0;
    }
  }
  return killed;
}

Status LiveState::applyEdit(const GroupPlace& place, RecordType type, Bytes body,
                            const ApplyOptions& options) {
  SegmentEdit edit;
  RVE_TRY(decodeEdit(body, type, context_.layout, store_->space().chunkCount(), &edit));
  auto segments = std::make_shared<Segments>(*segments_);
  std::vector<std::shared_ptr<const Segment>> dropped;
  for (const uint64_t id : edit.drops) {
    const auto found = std::find_if(segments->begin(), segments->end(),
                                    [&](const auto& s) { return s->id() == id; });
    if (found == segments->end()) {
      // Its SEAL may stand in a hole: what is added in its place is complete all the same.
      const bool lost = options.replay && !store_->walk().holes.empty();
      if (lost) continue;
      return Status(Code::kCorrupt, "a REPLACE record drops a segment that is not there");
    }
    live_ -= (*found)->rows() - (*found)->marks().deadCount();
    dropped.push_back(*found);
    if (RVE_MUTATED(kFreeUnderVersion)) (*found)->dropPinsForMutation();
    segments->erase(found);
  }
  std::vector<RunPin> named;
  for (const ManifestSegment& add : edit.adds) {
    std::shared_ptr<const Segment> segment;
    std::shared_ptr<RowMarks> marks;
    for (const auto& old : dropped) {
      // A graph was added: the rows are the same, and so are their marks.
      if (old->id() == add.entry.id && old->rows() == add.entry.rows) marks = old->sharedMarks();
    }
    if (options.prepared != nullptr && options.prepared->contains(add.entry.id)) {
      segment = options.prepared->at(add.entry.id);
      for (const uint32_t row : add.dead) segment->marks().kill(row);
    } else {
      RVE_TRY(openSegment(add, marks, &segment));
    }
    named.insert(named.end(), segment->pins().begin(), segment->pins().end());
    live_ += segment->rows() - segment->marks().deadCount();
    if (add.entry.id >= next_segment_id_) next_segment_id_ = add.entry.id + 1;
    segments->push_back(std::move(segment));
  }
  segments_ = std::move(segments);
  const bool stays = options.replay && RVE_MUTATED(kPutBelowSealedEntersTail);
  if ((type == RecordType::kSeal || edit.sealed_upto > 0) && !stays) {
    const uint64_t rows = tail_.rows(), dead = tail_.deadCount();
    tail_.sealUpTo(edit.sealed_upto);
    live_ -= (rows - dead) - (tail_.rows() - tail_.deadCount());
  }
  store_->keepEditRuns(place.lsn, std::move(named));
  return {};
}

void LiveState::publish(uint64_t lsn) {
  auto version = std::make_unique<Version>();
  version->lsn = lsn;
  version->segments = segments_;
  version->blocks = tail_.blocks();
  version->tail_first = tail_.first();
  version->tail_end = tail_.end();
  version->tail_live = tail_.rows() - tail_.deadCount();
  version->tail_lsn = tail_.groups().empty() ? lsn : tail_.groups().front().group.lsn;
  versions_.publish(std::move(version));
  if (!recent_.empty() && versions_.collect() > recent_.youngestLsn()) recent_.clear();
}

bool LiveState::killId(uint64_t id, uint64_t lsn, bool replay) {
  const uint64_t ordinal = tail_.find(id);
  if (ordinal != kAlive) return killTailRow(ordinal, lsn);
  for (const auto& segment : *segments_) {
    uint32_t row = 0;
    if (!segment->findRow(id, &row) || segment->marks().isDead(row)) continue;
    return killSegmentRow(*segment, row, lsn, replay);
  }
  return false;
}

bool LiveState::killTailRow(uint64_t ordinal, uint64_t lsn) {
  const TailRow r = tailRow(*tail_.blocks(), ordinal);
  std::atomic<uint64_t>& dead = r.block->dead_lsn[r.at];
  if (dead.load(std::memory_order_relaxed) != kAlive) return false;
  if (tail_.find(r.block->ids[r.at]) == ordinal) tail_.erase(r.block->ids[r.at]);
  dead.store(RVE_MUTATED(kTailDeadVisibleEarly) ? 0 : lsn, std::memory_order_release);
  tail_.countDead();
  live_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

bool LiveState::killSegmentRow(const Segment& segment, uint32_t row, uint64_t lsn, bool replay) {
  if (segment.marks().isDead(row)) return false;
  if (!replay && !RVE_MUTATED(kDeadVisibleEarly)) {
    // Never waits: deaths of this very group stay recent until it is published.
    if (recent_.full() && versions_.collect() > recent_.youngestLsn()) recent_.clear();
    recent_.add(&segment.marks(), row, lsn);
  }
  segment.marks().kill(row);
  live_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

const float* LiveState::floatsOf(const TailBlock& block, uint32_t at) {
  const std::byte* vector = context_.view + block.vector_at[at];
  if (block.dtypes[at] != Dtype::kF16) return viewAs<float>(vector);
  kernels().floatFromHalf(viewAs<uint16_t>(vector), floats_.data(), context_.dims);
  return floats_.data();
}

void LiveState::codeRow(TailBlock* block, uint32_t at) {
  context_.rotation->apply(floatsOf(*block, at), rotated_.data());
  block->codec->put(block->codes, at, rotated_.data());
}

// About the mean of rows [from, to): sensors say nearly the same all day, and about zero the error
// of a code is larger than what tells two such rows apart.
std::shared_ptr<const BinaryCodec> LiveState::codecAbout(const TailBlock& block, uint32_t from,
                                                         uint32_t to) {
  std::vector<double> sum(context_.dims);
  for (uint32_t at = from; at < to; at++) {
    const float* floats = floatsOf(block, at);
    for (uint32_t d = 0; d < context_.dims; d++) sum[d] += double{floats[d]};
  }
  std::vector<float> mean(context_.dims);
  for (uint32_t d = 0; d < context_.dims; d++) {
    mean[d] = static_cast<float>(sum[d] / std::max(1u, to - from));
  }
  return std::make_shared<BinaryCodec>(context_.kind, *context_.rotation, mean);
}

// A block's codes are about the mean of the block before. The first one had none before: it is coded
// again. Nobody reads its codes yet, since so few rows are compared exactly.
void LiveState::centreNewBlock(TailBlock* block) {
  static_assert(TailBlock::kRows <= kExactRows);
  const TailBlocks& blocks = *tail_.blocks();
  if (blocks.size() < 2) return;
  TailBlock* before = blocks[blocks.size() - 2].get();
  block->codec = codecAbout(*before, 0, TailBlock::kRows);
  if (before->codec != plain_codec_) return;
  before->codec = block->codec;
  for (uint32_t at = 0; at < TailBlock::kRows; at++) codeRow(before, at);
}

// After recovery, before there are readers.
void LiveState::codeTail() {
  for (const auto& block : *tail_.blocks()) {
    const uint64_t first = block->first_ordinal;
    const auto from = static_cast<uint32_t>(std::max(tail_.first(), first) - first);
    const auto to = static_cast<uint32_t>(std::min<uint64_t>(tail_.end() - first, TailBlock::kRows));
    block->codec = codecAbout(*block, from, to);
    for (uint32_t at = from; at < to; at++) codeRow(block.get(), at);
  }
}

std::vector<RunPin> LiveState::segmentPins() const {
  std::vector<RunPin> pins;
  for (const auto& segment : *segments_) {
    pins.insert(pins.end(), segment->pins().begin(), segment->pins().end());
  }
  return pins;
}

Manifest LiveState::manifest() const {
  Manifest m;
  m.replay_lsn = tail_.groups().empty() ? store_->log().lsn() : tail_.groups().front().group.lsn;
  m.next_segment_id = next_segment_id_;
  m.next_id = next_id_;
  m.lost_records = lost_records_;
  for (const auto& segment : *segments_) {
    m.segments.push_back({segment->entry(), segment->marks().deadRows()});
  }
  for (const UnsealedGroup& g : tail_.groups()) m.tail.push_back(g.group);
  for (uint64_t ordinal = tail_.first(); ordinal < tail_.end(); ordinal++) {
    const TailRow r = tailRow(*tail_.blocks(), ordinal);
    if (r.block->dead_lsn[r.at].load(std::memory_order_relaxed) != kAlive) {
      m.tail_dead.push_back(static_cast<uint32_t>(ordinal - tail_.first()));
    }
  }
  return m;
}

uint64_t LiveState::takeIds(uint64_t count) {
  const uint64_t first = next_id_;
  next_id_ += count;
  return first;
}

void LiveState::noteId(uint64_t id) {
  if (id >= seen_ids_) seen_ids_ = id + 1;
  next_id_ = std::max(next_id_, id + 1);
}

bool LiveState::degraded(const Version& version) const {
  if (tail_damaged_ || !store_->holes().empty()) return true;
  return std::any_of(version.segments->begin(), version.segments->end(),
                     [](const auto& s) { return s->damaged(); });
}

}  // namespace rve
