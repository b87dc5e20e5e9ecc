#include "engine/segment.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/prefetch.hpp"

namespace rve {
namespace {

bool verifyPages(void* context, uint64_t page, uint64_t count) {
  return static_cast<const PartView*>(context)->verifyPages(page, count);
}

void fetchPages(void* context, uint64_t page, uint64_t count) {
  static_cast<const PartView*>(context)->fetchPages(page, count);
}

Status bad(const SegmentEntry& entry, const char* what) {
  return Status(Code::kCorrupt, "segment " + std::to_string(entry.id) + ": " + what);
}

template <typename T>
std::span<const T> spanOf(Bytes bytes) {
  return {viewAs<T>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace

Status Segment::open(const SegmentContext& context, const SegmentEntry& entry,
                     std::vector<RunPin> pins, std::shared_ptr<RowMarks> marks, bool trusted,
                     std::shared_ptr<const Segment>* out) {
  auto segment = std::make_shared<Segment>();
  segment->entry_ = entry;
  segment->pins_ = std::move(pins);
  segment->marks_ = marks != nullptr ? std::move(marks) : std::make_shared<RowMarks>(entry.rows);
  segment->file_ = context.file;
  segment->view_ = context.view;
  segment->dims_ = context.dims;
  segment->layout_ = context.layout;
  // The guards of the graph count 4 KiB pages; a tiny layout (tests) is verified whole instead.
  const bool lazy = context.layout.page_bytes == (1u << PageGuard::kPageShift);
  RVE_TRY(segment->openPart(context, PartKind::kBase, trusted, &segment->base_));
  RVE_TRY(segment->openPart(context, PartKind::kVectors, trusted, &segment->vectors_));
  RVE_TRY(segment->openPart(context, PartKind::kPayloads, trusted, &segment->payloads_));
  RVE_TRY(segment->openPart(context, PartKind::kGraph, trusted, &segment->graph_part_));
  if (!trusted && !lazy) {
    for (const PartView* part : {segment->base_.get(), segment->vectors_.get(),
                                 segment->payloads_.get(), segment->graph_part_.get()}) {
      if (part != nullptr && !part->verifyPages(0, part->pages())) {
        return bad(entry, "a page fails its checksum");
      }
    }
  }
  RVE_TRY(segment->openBase(context));
  RVE_TRY(segment->openVectors(context));
  RVE_TRY(segment->openPayloads(context));
  RVE_TRY(segment->openGraph(context));
  *out = std::move(segment);
  return {};
}

std::shared_ptr<const Segment> Segment::makeDamaged(const SegmentEntry& entry,
                                                    std::vector<RunPin> pins) {
  auto segment = std::make_shared<Segment>();
  segment->entry_ = entry;
  segment->pins_ = std::move(pins);
  segment->marks_ = std::make_shared<RowMarks>(entry.rows);
  segment->unusable_ = true;
  segment->noteDamage();
  return segment;
}

Status Segment::openPart(const SegmentContext& context, PartKind kind, bool trusted,
                         std::unique_ptr<PartView>* out) {
  const PartEntry* part = entry_.part(kind);
  if (part == nullptr) return {};
  RVE_TRY(PartView::open(context.view, context.layout, context.uuid, entry_.id, *part, trusted,
                         out));
  if ((*out)->rows() != entry_.rows || (*out)->dims() != dims_) {
    return bad(entry_, "a part has another number of rows or dimensions");
  }
  (*out)->fetchThrough(context.file);
  return {};
}

Status Segment::openBase(const SegmentContext& context) {
  const uint32_t rows = entry_.rows;
  const PartView* base = base_.get();
  for (const SectionKind kind : {SectionKind::kSourceCounts, SectionKind::kLabelCounts,
                                 SectionKind::kTimeBlocks, SectionKind::kCentre}) {
    if (!base->ensureSection(kind)) return bad(entry_, "a page fails its checksum");
  }
  RVE_TRY(ColumnView::open(base, SectionKind::kIds, rows, 0, &ids_));
  RVE_TRY(ColumnView::open(base, SectionKind::kTimes, rows, 0, &times_));
  RVE_TRY(ColumnView::open(base, SectionKind::kSources, rows, 0, &sources_));
  RVE_TRY(ColumnView::open(base, SectionKind::kLabels, rows, 0, &labels_));
  RVE_TRY(ColumnView::open(base, SectionKind::kRowsById, rows, 0, &rows_by_id_));
  source_counts_ = spanOf<CountEntry>(base->section(SectionKind::kSourceCounts));
  label_counts_ = spanOf<CountEntry>(base->section(SectionKind::kLabelCounts));
  time_blocks_ = spanOf<TimeBlock>(base->section(SectionKind::kTimeBlocks));
  norms_ = base->section(SectionKind::kNorms);
  short_norms_ = base->section(SectionKind::kShortNorms);
  const Bytes centre = base->section(SectionKind::kCentre);
  const bool sized = base->has(SectionKind::kIds) && base->has(SectionKind::kTimes) &&
                     time_blocks_.size() == divideUp(rows, kTimeBlockRows) &&
                     (norms_.empty() || norms_.size() == 4ull * rows) &&
                     (short_norms_.empty() || short_norms_.size() == 3ull * rows) &&
                     (centre.empty() || centre.size() == 4ull * context.dims);
  if (!sized) return bad(entry_, "a section has an impossible size");
  // A segment in tiers is scanned by their records.
  if (vectors_->has(SectionKind::kTierRanges)) return {};
  const uint64_t code_bytes = base->section(SectionKind::kCodes).size();
  binary_ = std::make_unique<BinaryCodec>(
      context.kind, *context.rotation,
      std::span<const float>(viewAs<float>(centre.data()), centre.size() / 4));
  uint32_t codes = rows;
  if (base->has(SectionKind::kCodeLists)) {
    // Nobody scans the codes of what has a graph.
    if (entry_.part(PartKind::kGraph) != nullptr) return {};
    if (!base->ensureSection(SectionKind::kCodeLists)) {
      return bad(entry_, "a page fails its checksum");
    }
    const Status opened =
        CodeLists::open(context, base->section(SectionKind::kCodeLists), rows, &code_lists_);
    if (!opened.ok()) return bad(entry_, opened.message().c_str());
    codes = code_lists_->codes();
  }
  if (code_bytes != binary_->bytesFor(codes)) {
    return bad(entry_, "its codes have an impossible size");
  }
  return {};
}

bool Segment::pieceIsInside(const SegmentContext& context, const Piece& piece) const {
  if ((piece.dtype != 1 && piece.dtype != 2) || piece.reserved != 0) return false;
  const uint64_t bytes =
      uint64_t{piece.rows} * context.dims * dtypeBytes(static_cast<Dtype>(piece.dtype));
  const auto within = [&](uint64_t from, uint64_t size) {
    return piece.at % 4 == 0 && piece.at >= from && bytes <= size &&
           piece.at - from <= size - bytes;
  };
  if (piece.record_at == 0) {
    const Bytes matrix = vectors_->section(SectionKind::kMatrix);
    if (matrix.empty()) return false;
    return within(static_cast<uint64_t>(matrix.data() - context.view), matrix.size());
  }
  for (const Run& run : entry_.adopted) {
    const uint64_t from = runOffset(context.layout, run), size = runBytes(context.layout, run);
    if (within(from, size) && piece.record_at >= from && piece.record_at < piece.at) return true;
  }
  return false;
}

Status Segment::openVectors(const SegmentContext& context) {
  if (!vectors_->has(SectionKind::kTierRanges)) return openPieces(context);
  const Status status = TierBlocks::open(context, *vectors_, entry_.rows, &tiers_);
  if (status.code() == Code::kCorrupt) return bad(entry_, status.message().c_str());
  return status;
}

Status Segment::openPieces(const SegmentContext& context) {
  const Bytes bytes = vectors_->section(SectionKind::kPieces);
  if (bytes.empty() || bytes.size() % sizeof(Piece) != 0 ||
      !vectors_->ensureSection(SectionKind::kPieces)) {
    return bad(entry_, "its piece table is damaged");
  }
  pieces_ = spanOf<Piece>(bytes);
  uint64_t next_row = 0;
  for (const Piece& piece : pieces_) {
    if (piece.first_row != next_row || piece.rows == 0 || !pieceIsInside(context, piece)) {
      return bad(entry_, "its piece table has impossible values");
    }
    next_row += piece.rows;
  }
  if (next_row != entry_.rows) return bad(entry_, "its piece table does not cover its rows");
  piece_ok_ = std::make_unique<std::atomic<uint8_t>[]>(pieces_.size());
  for (size_t i = 0; i < pieces_.size(); i++) piece_ok_[i] = 0;
  return {};
}

Status Segment::openGraph(const SegmentContext& context) {
  if (graph_part_ == nullptr) return {};
  const Bytes records = graph_part_->section(SectionKind::kNavRecords);
  const Bytes graph = graph_part_->section(SectionKind::kGraph);
  const Bytes centre = graph_part_->section(SectionKind::kNavCentre);
  // A graph is derived: a damaged one is left out, and the segment is scanned flat and linked
  // again.
  const bool centre_fine = graph_part_->ensureSection(SectionKind::kNavCentre) &&
                           (centre.empty() || centre.size() == 4ull * context.dims);
  if (!centre_fine || graph.size() < kGraphHeaderBytes) return {};
  if (records.empty() && tiers_ == nullptr) return {};
  std::unique_ptr<NavCodec> nav;
  if (!records.empty()) {
    nav = std::make_unique<NavCodec>(
        context.kind, *context.rotation,
        std::span<const float>(viewAs<float>(centre.data()), centre.size() / 4));
    if (records.size() != uint64_t{entry_.rows} * nav->recordBytes()) return {};
  }
  const uint64_t head = std::min<uint64_t>(graph.size(), 4096);
  if (!graph_part_->ensure(graph_part_->offsetOf(SectionKind::kGraph), head)) return {};
  if (!GraphView::open(graph, &graph_).ok() || graph_.rows() != entry_.rows) return {};
  if (nav != nullptr) nav_space_ = nav->space(records.data(), entry_.rows);
  nav_ = std::move(nav);
  linked_ = true;
  return {};
}

Status Segment::openPayloads(const SegmentContext&) {
  if (payloads_ == nullptr) return {};
  const uint32_t rows = entry_.rows;
  RVE_TRY(ColumnView::open(payloads_.get(), SectionKind::kPayloadOffsets, rows, 0, &payload_at_));
  return ColumnView::open(payloads_.get(), SectionKind::kPayloadLengths, rows, 0, &payload_bytes_);
}

bool Segment::idOf(uint32_t row, uint64_t* out) const { return noted(ids_.get(row, out)); }

bool Segment::timeOf(uint32_t row, int64_t* out) const {
  uint64_t value = 0;
  if (!noted(times_.get(row, &value))) return false;
  // Stored with the sign bit flipped, so that order survives the unsigned packing.
  *out = static_cast<int64_t>(value ^ (uint64_t{1} << 63));
  return true;
}

bool Segment::sourceOf(uint32_t row, uint32_t* out) const {
  uint64_t value = 0;
  if (!noted(sources_.get(row, &value))) return false;
  *out = static_cast<uint32_t>(value);
  return true;
}

bool Segment::labelOf(uint32_t row, uint32_t* out) const {
  uint64_t value = 0;
  if (!noted(labels_.get(row, &value))) return false;
  *out = static_cast<uint32_t>(value);
  return true;
}

bool Segment::normOf(uint32_t row, float* out) const {
  *out = 1.0f;
  if (!short_norms_.empty()) {
    const uint64_t at = 3ull * row;
    if (!noted(base_->ensure(base_->offsetOf(SectionKind::kShortNorms) + at, 3))) return false;
    uint32_t bits = 0;
    std::memcpy(&bits, short_norms_.data() + at, 3);
    *out = std::bit_cast<float>(bits << 8);
    return true;
  }
  if (norms_.empty()) return true;
  if (!noted(base_->ensure(base_->offsetOf(SectionKind::kNorms) + 4ull * row, 4))) return false;
  *out = load<float>(norms_, 4ull * row);
  return true;
}

bool Segment::payloadOf(uint32_t row, Bytes* out) const {
  *out = {};
  if (payloads_ == nullptr) return true;
  uint64_t at = 0, bytes = 0;
  if (!noted(payload_at_.get(row, &at) && payload_bytes_.get(row, &bytes))) return false;
  if (bytes == 0) return true;
  const Bytes all = payloads_->section(SectionKind::kPayloadBytes);
  const bool inside = bytes <= kPayloadBytesMax && at <= all.size() && bytes <= all.size() - at;
  if (!noted(inside)) return false;
  if (!noted(payloads_->ensure(payloads_->offsetOf(SectionKind::kPayloadBytes) + at, bytes))) {
    return false;
  }
  *out = all.subspan(static_cast<size_t>(at), static_cast<size_t>(bytes));
  return true;
}

// Halves without branches: which way to go is anybody's guess, and so would be the branch
// predictor's.
const Piece* Segment::pieceOf(uint32_t row) const {
  const Piece* base = pieces_.data();
  for (size_t count = pieces_.size(); count > 1;) {
    const size_t half = count / 2;
    base += half & (size_t{0} - static_cast<size_t>(base[half].first_row <= row));
    count -= half;
  }
  return base;
}

// An adopted piece is verified through its record's own checksum, once.
bool Segment::pieceVerified(const Piece& piece) const {
  const size_t index = static_cast<size_t>(&piece - pieces_.data());
  const uint8_t state = piece_ok_[index].load(std::memory_order_acquire);
  if (state != 0) return state == 1;
  bool fine = false;
  for (const Run& run : entry_.adopted) {
    const uint64_t from = runOffset(layout_, run), end = from + runBytes(layout_, run);
    if (piece.record_at < from || piece.record_at >= end) continue;
    const Bytes rest(view_ + piece.record_at, static_cast<size_t>(end - piece.record_at));
    RecordHeader header;
    if (!decodeRecordHeader(rest, &header).ok()) continue;
    const uint64_t record_end = piece.record_at + header.length;
    const uint64_t piece_end =
        piece.at + uint64_t{piece.rows} * dims_ * dtypeBytes(static_cast<Dtype>(piece.dtype));
    fine = header.type == RecordType::kPutBatch && piece_end <= record_end &&
           recordIsIntact(rest.first(header.length));
    break;
  }
  piece_ok_[index].store(fine ? 1 : 2, std::memory_order_release);
  return fine;
}

// Where the best that is left of a row stands. Requires tiers.
const TierBlocks::Range& Segment::storedAt(uint32_t row) const {
  const TierBlocks::Range* originals = tiers_->originals();
  return originals != nullptr && row >= originals->first_row ? *originals : tiers_->rangeOf(row);
}

Tier Segment::tierOf(uint32_t row) const {
  if (tiers_ != nullptr) return tiers_->rangeOf(row).tier;
  return static_cast<Dtype>(pieceOf(row)->dtype) == Dtype::kF32 ? Tier::kHot : Tier::kWarm;
}

size_t Segment::recordBytesOf(uint32_t row) const {
  if (tiers_ != nullptr) return tiers_->rangeOf(row).stride;
  return size_t{dims_} * dtypeBytes(static_cast<Dtype>(pieceOf(row)->dtype));
}

VectorRef Segment::vectorOf(uint32_t row) const {
  if (tiers_ != nullptr) {
    const TierBlocks::Range& range = storedAt(row);
    return recordIsWhole(range, row) ? range.ref(row) : VectorRef();
  }
  const Piece& piece = *pieceOf(row);
  const Dtype dtype = static_cast<Dtype>(piece.dtype);
  const uint64_t stride = uint64_t{dims_} * dtypeBytes(dtype);
  const uint64_t at = piece.at + stride * (row - piece.first_row);
  bool fine = false;
  if (piece.record_at != 0) {
    fine = pieceVerified(piece);
  } else {
    const Bytes matrix = vectors_->section(SectionKind::kMatrix);
    const uint64_t in_section = at - static_cast<uint64_t>(matrix.data() - view_);
    fine = vectors_->ensure(vectors_->offsetOf(SectionKind::kMatrix) + in_section, stride);
  }
  if (!noted(fine)) return {};
  return {view_ + at, dtype};
}

void Segment::fetchRecords(const TierBlocks::Range& range, const uint32_t* rows,
                           size_t count) const {
  const uint32_t shift = vectors_->pageShift();
  for (size_t i = 0; i < count; i++) {
    const uint64_t at = range.offsetOf(rows[i]);
    const uint64_t first = at >> shift, last = (at + range.stride - 1) >> shift;
    vectors_->fetchPages(first, last - first + 1);
  }
}

VectorRef Segment::prefetchVector(uint32_t row) const {
  if (tiers_ != nullptr) {
    const TierBlocks::Range& range = storedAt(row);
    const VectorRef vector = range.ref(row);
    if (recordIsVerified(range, row)) return vector;
    file_->prefetch(static_cast<uint64_t>(vector.at - view_), range.stride);
    return {};
  }
  const Piece& piece = *pieceOf(row);
  const Dtype dtype = static_cast<Dtype>(piece.dtype);
  const uint64_t stride = uint64_t{dims_} * dtypeBytes(dtype);
  const uint64_t at = piece.at + stride * (row - piece.first_row);
  if (piece.record_at != 0) {
    const size_t index = static_cast<size_t>(&piece - pieces_.data());
    const uint8_t state = piece_ok_[index].load(std::memory_order_acquire);
    if (state == 1) return {view_ + at, dtype};
    if (state == 0)
      file_->prefetch(piece.record_at, piece.at - piece.record_at + stride * piece.rows);
    return {};
  }
  const Bytes matrix = vectors_->section(SectionKind::kMatrix);
  const uint64_t in_section = at - static_cast<uint64_t>(matrix.data() - view_);
  if (vectors_->isVerified(vectors_->offsetOf(SectionKind::kMatrix) + in_section, stride)) {
    return {view_ + at, dtype};
  }
  file_->prefetch(at, stride);
  return {};
}

void Segment::addCodeRanges(std::vector<FileRange>* out) const {
  if (unusable_) return;
  const auto add = [&](Bytes section) {
    if (section.empty()) return;
    out->push_back({static_cast<uint64_t>(section.data() - view_), section.size()});
  };
  if (linked_) add(graph_.packedLinks(0).directory(entry_.rows));
  if (tiers_ != nullptr && nav_ == nullptr) {
    add(vectors_->section(SectionKind::kTierRecords));
  } else if (linked_) {
    add(graph_part_->section(SectionKind::kNavRecords));
  } else {
    const PartEntry& base = *entry_.part(PartKind::kBase);
    out->push_back({runOffset(layout_, base.run) + uint64_t{base.page} * layout_.page_bytes,
                    uint64_t{base.pages} * layout_.page_bytes});
  }
}

const Piece* Segment::adoptedPieceOf(uint32_t row) const {
  if (tiers_ != nullptr) return nullptr;
  const Piece* piece = pieceOf(row);
  return piece->record_at != 0 ? piece : nullptr;
}

bool Segment::findRow(uint64_t id, uint32_t* row) const {
  if (unusable_ || id < entry_.id_min || id > entry_.id_max) return false;
  // Ids ascend within a tier, or there is a column that puts all of them in order.
  if (tiers_ == nullptr || base_->has(SectionKind::kRowsById)) {
    return findRowIn(0, entry_.rows, id, row);
  }
  for (const TierBlocks::Range& range : tiers_->ranges()) {
    if (findRowIn(range.first_row, range.end_row, id, row)) return true;
  }
  return false;
}

bool Segment::findRowIn(uint32_t low, uint32_t high, uint64_t id, uint32_t* row) const {
  const bool sorted = !base_->has(SectionKind::kRowsById);
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    uint64_t at = middle, value = 0;
    if (!sorted && !noted(rows_by_id_.get(middle, &at))) return false;
    if (!noted(at < entry_.rows) || !idOf(static_cast<uint32_t>(at), &value)) return false;
    if (value == id) {
      *row = static_cast<uint32_t>(at);
      return true;
    }
    if (value < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return false;
}

Status Segment::loadHeat() const {
  if (heat_ready_.load(std::memory_order_relaxed) != nullptr || unusable_) return {};
  auto heat = std::make_shared<HeatTable>();
  if (!heat->reset(entry_.rows, 0)) return Status(Code::kNoMemory, "the heat of a segment");
  ColumnView column;
  RVE_TRY(ColumnView::open(base_.get(), SectionKind::kHeat, entry_.rows, 0, &column));
  if (base_->has(SectionKind::kHeat)) {
    for (uint32_t row = 0; row < entry_.rows; row++) {
      uint64_t stored = 0;
      if (noted(column.get(row, &stored))) heat->set(row, HeatTable::momentOfStored(stored));
    }
  }
  heat_ = std::move(heat);
  heat_ready_.store(heat_.get(), std::memory_order_release);
  return {};
}

void Segment::shareHeat(const Segment& earlier) {
  if (earlier.heatIfLoaded() == nullptr || earlier.rows() != rows()) return;
  heat_ = earlier.heat_;
  heat_ready_.store(heat_.get(), std::memory_order_release);
}

uint32_t Segment::rowsOfSource(uint32_t source) const {
  for (const CountEntry& e : source_counts_) {
    if (e.number == source) return e.rows;
  }
  return 0;
}

uint32_t Segment::rowsOfLabel(uint32_t label) const {
  for (const CountEntry& e : label_counts_) {
    if (e.number == label) return e.rows;
  }
  return 0;
}

const std::byte* Segment::codes() const {
  if (!noted(base_->ensureSection(SectionKind::kCodes))) return nullptr;
  return base_->section(SectionKind::kCodes).data();
}

void Segment::prefetchList(uint32_t list) const {
  constexpr size_t kBytes = 1024;
  const Bytes codes = base_->section(SectionKind::kCodes);
  const size_t at = code_lists_->list(list).first_code / kBinaryBlockRows * binary_->blockBytes();
  for (size_t line = at; line < std::min(codes.size(), at + kBytes); line += 64) {
    prefetchLine(codes.data() + line);
  }
}

bool Segment::graphIsWhole() const {
  return noted(graph_part_ != nullptr && graph_part_->ensureSection(SectionKind::kGraph));
}

PageGuard Segment::graphGuard() const {
  if (graph_part_->pageShift() != PageGuard::kPageShift) return {};
  return {graph_part_->verifiedBits(), verifyPages, fetchPages,
          const_cast<PartView*>(graph_part_.get()), graph_part_->offsetOf(SectionKind::kGraph)};
}

PageGuard Segment::recordsGuard() const {
  if (graph_part_->pageShift() != PageGuard::kPageShift) return {};
  return {graph_part_->verifiedBits(), verifyPages, fetchPages,
          const_cast<PartView*>(graph_part_.get()),
          graph_part_->offsetOf(SectionKind::kNavRecords)};
}

uint64_t Segment::verifyAll(std::vector<std::string>* damaged) const {
  const std::string name = "segment " + std::to_string(entry_.id);
  if (unusable_) {
    damaged->push_back(name + ": does not open; its " + std::to_string(entry_.rows) +
                       " rows cannot be read");
    return entry_.rows - marks_->deadCount();
  }
  uint64_t lost = 0;
  const auto whole = [&](const PartView* part, const char* what, const char* loss) {
    if (part == nullptr || part->verifyPages(0, part->pages())) return true;
    damaged->push_back(name + ": its " + what + " part has pages that fail their checksum; " +
                       loss);
    noteDamage();
    return false;
  };
  const bool base_whole = whole(base_.get(), "base", "rows on them cannot be found");
  whole(graph_part_.get(), "graph", "it is derived and can be built again");
  whole(payloads_.get(), "payloads", "payloads on them are lost");
  whole(vectors_.get(), "vectors", "vectors on them are lost");
  for (uint32_t row = 0; row < entry_.rows; row++) {
    if (marks_->isDead(row)) continue;
    uint64_t id = 0;
    if (vectorOf(row).at == nullptr || (!base_whole && !idOf(row, &id))) lost++;
  }
  if (lost > 0) damaged->push_back(name + ": " + std::to_string(lost) + " vectors cannot be read");
  return lost;
}

uint64_t Segment::budgetBytes() const {
  uint64_t bytes = 0;
  for (const PartEntry& part : entry_.parts) {
    if (part.kind != PartKind::kPayloads) bytes += uint64_t{part.pages} * layout_.page_bytes;
  }
  for (const Run& run : entry_.adopted) bytes += runBytes(layout_, run);
  if (vectors_ != nullptr) bytes -= vectors_->section(SectionKind::kOriginals).size();
  return bytes;
}

uint64_t Segment::bytes() const {
  uint64_t bytes = 0;
  for (const Run& run : entry_.runs()) bytes += runBytes(layout_, run);
  return bytes;
}

}  // namespace rve
