#include "engine/salvage_rows.hpp"

#include <algorithm>

#include "kernels/kernels.hpp"
#include "storage/edit.hpp"

namespace rve {

Salvage::Salvage(const SalvageScan& scan, CheckReport* report)
    : scan_(scan), report_(report),
      rotation_(scan.identity().dimensions,
                load<uint64_t>(bytesOf(scan.identity().uuid.data(), 16), 0)) {
  context_.view = scan.file().view();
  context_.layout = scan.layout();
  context_.uuid = scan.identity().uuid;
  context_.dims = scan.identity().dimensions;
  context_.kind = static_cast<DistanceKind>(scan.identity().metric);
  context_.rotation = &rotation_;
  context_.shelf = &shelf_;
  const uint64_t bytes = scan.file().size();
  for (const RunHeader& run : scan.logRuns()) {
    Run whole = run.own;
    const uint64_t from = runOffset(context_.layout, whole);
    const uint64_t fits = (bytes - from) / context_.layout.chunk_bytes;
    whole.chunks = static_cast<uint32_t>(std::min<uint64_t>(whole.chunks, fits));
    if (whole.chunks > 0) log_runs_.push_back(whole);
  }
}

const SalvagedState& Salvage::prepare() {
  Symbols symbols;
  has_manifest_ = scan_.findManifest(&root_, &symbols, &state_.marks, &verified_);
  for (const Root& slot : scan_.slots()) {
    state_.next_id = std::max(state_.next_id, slot.slot.next_id);
    durable_lsn_ = std::max(durable_lsn_, slot.slot.durable_lsn);
  }
  if (has_manifest_) {
    state_.next_id = std::max(state_.next_id, root_.manifest.next_id);
    for (uint32_t i = 1; i <= symbols.count(SymbolKind::kSource); i++) {
      state_.sources[i] = symbols.name(SymbolKind::kSource, i);
    }
    for (uint32_t i = 1; i <= symbols.count(SymbolKind::kLabel); i++) {
      state_.labels[i] = symbols.name(SymbolKind::kLabel, i);
    }
    chain_ = scan_.chainFrom(root_.manifest.lsn, root_.slot.epoch,
                             verified_ ? &root_.slot.last_group_crc : nullptr);
  } else {
    // A failed attempt may have left half a table.
    state_.marks = SourceMarks();
    chain_ = scan_.chainFrom(scan_.newestChainStart(), 0, nullptr);
    // A number means one name for good, so old groups tell as well; the chain, learnt last, has the
    // last word.
    for (const auto& [lsn, group] : scan_.groups()) {
      if (group.placed && scan_.bodyIsIntact(group)) learnNames(group);
    }
  }
  dropTornEnd();
  for (const FoundGroup& group : chain_.groups) {
    learnNames(group);
    learnPuts(group);
  }
  listSegments();
  return state_;
}

// The first damaged body beyond what was proven durable is an unfinished window: nothing behind it
// was promised.
void Salvage::dropTornEnd() {
  for (const FoundGroup& group : chain_.groups) {
    durable_lsn_ = std::max(durable_lsn_, group.header.durable_lsn);
  }
  for (size_t i = 0; i < chain_.groups.size(); i++) {
    const GroupHeader& header = chain_.groups[i].header;
    if (scan_.bodyIsIntact(chain_.groups[i])) continue;
    if (!isProven(header)) {
      chain_.groups.resize(i);
      break;
    }
    chain_.holes.push_back({header.lsn, header.lsn + header.length});
  }
}

// Records of a whole group, or of a damaged one those whose own checksum holds: acknowledged, so
// worth keeping.
template <typename Visit>
Status Salvage::eachRecord(const FoundGroup& group, Visit visit) {
  if (!scan_.isInside(group.offset, group.header.length)) return {};
  const Bytes bytes = scan_.bytesAt(group.offset, group.header.length);
  const bool whole = scan_.bodyIsIntact(group);
  RecordIterator records(bytes);
  RecordHeader header;
  Bytes record;
  uint32_t record_at = 0;
  Status ended;
  while (records.next(&header, &record, &record_at, &ended)) {
    if (whole || recordIsIntact(record)) RVE_TRY(visit(header, record, record_at));
  }
  return {};
}

void Salvage::learnNames(const FoundGroup& group) {
  const auto learn = [&](const RecordHeader& header, Bytes record, uint32_t) {
    SymbolEdit symbol;
    if (header.type != RecordType::kSymbol) return Status();
    if (!decodeSymbol(record.subspan(kRecordHeaderBytes), &symbol).ok()) return Status();
    auto& names = symbol.kind == SymbolKind::kSource ? state_.sources : state_.labels;
    if (symbol.number >= 1 && nameIsValid(symbol.name)) names[symbol.number] = symbol.name;
    return Status();
  };
  static_cast<void>(eachRecord(group, learn));
}

void Salvage::learnPuts(const FoundGroup& group) {
  const auto learn = [&](const RecordHeader& header, Bytes record, uint32_t record_at) {
    PutView put;
    if (header.type != RecordType::kPutBatch) return Status();
    if (!decodePut(record, record_at, context_.dims, &put).ok()) return Status();
    for (uint32_t row = 0; row < put.shape.count; row++) {
      state_.next_id = std::max(state_.next_id, put.idOf(row) + 1);
      if ((put.shape.flags & kPutSequence) != 0) {
        state_.marks.add(put.source, put.boot, put.sequence + row);
      }
    }
    return Status();
  };
  static_cast<void>(eachRecord(group, learn));
}

// Without a manifest: what part headers show, less what the log says was dropped, each with the
// dead rows that its SEAL or REPLACE names. A segment's id grows with the age of its rows, so
// ascending ids are the order of the log.
void Salvage::listSegments() {
  if (has_manifest_) {
    segments_ = root_.manifest.segments;
    return;
  }
  std::map<uint64_t, ManifestSegment> segments;
  for (const auto& [id, entry] : scan_.segmentsByParts()) segments[id].entry = entry;
  for (const FoundGroup& group : chain_.groups) {
    static_cast<void>(eachRecord(group, [&](const RecordHeader& header, Bytes record, uint32_t) {
      SegmentEdit edit;
      const bool is_edit =
          header.type == RecordType::kSeal || header.type == RecordType::kReplace;
      if (!is_edit || !decodeEdit(record.subspan(kRecordHeaderBytes), header.type, context_.layout,
                                  scan_.chunkCount(), &edit).ok()) {
        return Status();
      }
      for (const uint64_t id : edit.drops) segments.erase(id);
      for (const ManifestSegment& add : edit.adds) segments[add.entry.id] = add;
      return Status();
    }));
  }
  for (auto& [id, segment] : segments) segments_.push_back(std::move(segment));
}

Status Salvage::stream(Rebuild* rebuild) {
  rebuild_ = rebuild;
  for (const ManifestSegment& segment : segments_) RVE_TRY(putSegment(segment, false));
  if (has_manifest_) RVE_TRY(putTail());
  for (const FoundGroup& group : chain_.groups) {
    RVE_TRY(eachRecord(group, [&](const RecordHeader& header, Bytes record, uint32_t record_at) {
      return applyRecord(header, record, record_at);
    }));
  }
  RVE_TRY(rebuild_->finish());
  lost_ += rebuild_->rowsRefused();
  report();
  return {};
}

Status Salvage::applyRecord(const RecordHeader& header, Bytes record, uint32_t record_at) {
  const Bytes body = record.subspan(kRecordHeaderBytes);
  if (header.type == RecordType::kPutBatch) return putRecord(record, record_at, nullptr, nullptr);
  if (header.type == RecordType::kDelete) {
    DeleteEdit edit;
    if (!decodeDelete(body, &edit).ok()) return {};
    if (edit.kind == DeleteKind::kIds) return rebuild_->forget(edit.ids);
    const auto name = state_.sources.find(edit.source);
    return name == state_.sources.end() ? Status() : rebuild_->forgetSource(name->second);
  }
  const bool is_edit = header.type == RecordType::kSeal || header.type == RecordType::kReplace;
  // The rows of a new segment stood in what was read already, unless that was damaged.
  if (!is_edit || !has_manifest_ || (lost_ == 0 && chain_.holes.empty())) return {};
  SegmentEdit edit;
  if (!decodeEdit(body, header.type, context_.layout, scan_.chunkCount(), &edit).ok()) return {};
  for (const ManifestSegment& add : edit.adds) RVE_TRY(putSegment(add, true));
  return {};
}

// The graph is derived and left out. Payloads that do not open are lost, their rows are not.
std::shared_ptr<const Segment> Salvage::openSegment(const SegmentEntry& entry) {
  SegmentEntry wanted = entry;
  wanted.adopted = log_runs_;
  std::erase_if(wanted.parts, [&](const PartEntry& part) {
    const uint64_t at = runOffset(context_.layout, part.run) +
                        uint64_t{part.page} * context_.layout.page_bytes;
    return part.kind == PartKind::kGraph ||
           !scan_.isInside(at, uint64_t{part.pages} * context_.layout.page_bytes);
  });
  const bool had_payloads = entry.part(PartKind::kPayloads) != nullptr;
  for (uint32_t attempt = 0; attempt < 2; attempt++) {
    if (wanted.part(PartKind::kBase) == nullptr || wanted.part(PartKind::kVectors) == nullptr) {
      break;
    }
    std::shared_ptr<const Segment> segment;
    const bool with_payloads = wanted.part(PartKind::kPayloads) != nullptr;
    if (Segment::open(context_, wanted, {}, nullptr, false, &segment).ok()) {
      if (had_payloads && !with_payloads) {
        report_->notes.push_back("segment " + std::to_string(entry.id) + ": its payloads are lost");
      }
      return segment;
    }
    if (!with_payloads) break;
    std::erase_if(wanted.parts, [](const PartEntry& p) { return p.kind == PartKind::kPayloads; });
  }
  return nullptr;
}

Status Salvage::putSegment(const ManifestSegment& from, bool only_missing) {
  const std::shared_ptr<const Segment> segment = openSegment(from.entry);
  const uint64_t live = from.entry.rows - from.dead.size();
  if (segment == nullptr) {
    if (!only_missing) lost_ += live;
    return {};
  }
  for (uint32_t row = 0; row < segment->rows(); row++) {
    if (std::binary_search(from.dead.begin(), from.dead.end(), row)) continue;
    SalvagedRow salvaged;
    const bool fine = readRow(*segment, row, &salvaged);
    if (!only_missing) {
      if (!fine) lost_++;
      if (fine) RVE_TRY(rebuild_->put(salvaged));
      continue;
    }
    bool known = true;
    if (fine) RVE_TRY(rebuild_->holds(salvaged.id, &known));
    if (known) continue;
    RVE_TRY(rebuild_->put(salvaged));
    if (lost_ > 0) lost_--;
  }
  return rebuild_->endBatch();
}

bool Salvage::readRow(const Segment& segment, uint32_t row, SalvagedRow* out) {
  const VectorRef vector = segment.vectorOf(row);
  float norm = 1.0f;
  uint32_t source = 0, label = 0;
  const bool fine = vector.at != nullptr && segment.idOf(row, &out->id) && out->id <= kIdMax &&
                    segment.timeOf(row, &out->time_ms) && segment.sourceOf(row, &source) &&
                    segment.labelOf(row, &label) && segment.normOf(row, &norm) &&
                    adoptedRowIsIts(segment, row, out->id);
  if (!fine) return false;
  out->source = nameOf(state_.sources, source);
  out->label = nameOf(state_.labels, label);
  if (!segment.payloadOf(row, &out->payload)) {
    out->payload = {};
    payloads_lost_++;
  }
  setVector(vector, norm, out);
  return true;
}

// A log run may have been recycled under a segment that no root protects: its record must hold this
// very row.
bool Salvage::adoptedRowIsIts(const Segment& segment, uint32_t row, uint64_t id) {
  const Piece* piece = segment.adoptedPieceOf(row);
  if (piece == nullptr) return true;
  if (piece->record_at != adopted_at_) {
    adopted_at_ = piece->record_at;
    adopted_fine_ = false;
    RecordHeader header;
    if (!scan_.isInside(adopted_at_, kRecordHeaderBytes)) return false;
    const uint64_t rest = std::min<uint64_t>(context_.layout.group_bytes_max,
                                             scan_.file().size() - adopted_at_);
    if (!decodeRecordHeader(scan_.bytesAt(adopted_at_, rest), &header).ok()) return false;
    // Groups start on a page, so the offset in the file and the one in the group align alike.
    adopted_fine_ = decodePut(scan_.bytesAt(adopted_at_, header.length),
                              static_cast<uint32_t>(adopted_at_ % 64), context_.dims,
                              &adopted_).ok();
  }
  if (!adopted_fine_) return false;
  const uint64_t stride = uint64_t{context_.dims} * dtypeBytes(adopted_.shape.dtype);
  const uint64_t at = piece->at + stride * (row - piece->first_row);
  const uint64_t matrix_at = adopted_at_ + adopted_.at.matrix_at;
  if (static_cast<uint32_t>(adopted_.shape.dtype) != piece->dtype || at < matrix_at) return false;
  const uint64_t index = (at - matrix_at) / stride;
  return index < adopted_.shape.count && (at - matrix_at) % stride == 0 &&
         adopted_.idOf(static_cast<uint32_t>(index)) == id;
}

void Salvage::setVector(const VectorRef& vector, float norm, SalvagedRow* out) const {
  out->vector.resize(context_.dims);
  decodeVector(vector, context_.dims, out->vector.data());
  if (context_.kind != DistanceKind::kCosine) return;
  for (float& value : out->vector) value *= norm;
}

std::string Salvage::nameOf(const std::map<uint32_t, std::string>& names, uint32_t number) {
  if (number == 0) return {};
  const auto found = names.find(number);
  if (found != names.end()) return found->second;
  names_lost_++;
  return {};
}

// The tail directory holds each group's header checksum, so no chain is needed.
Status Salvage::putTail() {
  uint64_t ordinal = 0;
  for (const TailGroup& tail : root_.manifest.tail) {
    FoundGroup group;
    group.offset = tail.offset;
    const bool named = scan_.isInside(tail.offset, tail.length) &&
                       decodeGroupHeader(scan_.bytesAt(tail.offset, context_.layout.page_bytes),
                                         context_.layout, tail.length, &group.header).ok() &&
                       group.header.header_crc == tail.header_crc;
    const uint64_t end = ordinal + tail.rows;
    if (named && scan_.bodyIsIntact(group)) {
      RVE_TRY(eachRecord(group, [&](const RecordHeader& header, Bytes record, uint32_t record_at) {
        if (header.type != RecordType::kPutBatch) return Status();
        return putRecord(record, record_at, &root_.manifest.tail_dead, &ordinal);
      }));
    } else {
      const auto& dead = root_.manifest.tail_dead;
      const auto from = std::lower_bound(dead.begin(), dead.end(), ordinal);
      const auto to = std::lower_bound(dead.begin(), dead.end(), end);
      lost_ += tail.rows - static_cast<uint64_t>(to - from);
      log_damaged_ = true;
    }
    ordinal = end;
  }
  return {};
}

Status Salvage::putRecord(Bytes record, uint32_t record_at, const std::vector<uint32_t>* dead,
                          uint64_t* ordinal) {
  PutView put;
  if (!decodePut(record, record_at, context_.dims, &put).ok()) return {};
  const uint64_t stride = uint64_t{context_.dims} * dtypeBytes(put.shape.dtype);
  for (uint32_t row = 0; row < put.shape.count; row++) {
    if (dead != nullptr) {
      const uint64_t at = (*ordinal)++;
      if (std::binary_search(dead->begin(), dead->end(), static_cast<uint32_t>(at))) continue;
    }
    SalvagedRow salvaged;
    salvaged.id = put.idOf(row);
    salvaged.time_ms = put.timeOf(row);
    salvaged.source = nameOf(state_.sources, put.source);
    salvaged.label = nameOf(state_.labels, put.labelOf(row));
    uint32_t begin = 0, end = 0;
    put.payloadOf(row, &begin, &end);
    salvaged.payload = record.subspan(begin, end - begin);
    setVector({record.data() + put.at.matrix_at + stride * row, put.shape.dtype}, put.normOf(row),
              &salvaged);
    RVE_TRY(rebuild_->put(salvaged));
  }
  return rebuild_->endBatch();
}

void Salvage::report() {
  const auto note = [&](uint64_t count, const char* what) {
    if (count > 0) report_->notes.push_back(std::to_string(count) + what);
  };
  if (!has_manifest_) {
    report_->notes.push_back("no manifest could be read: segments were found by their headers, and "
                             "records deleted or replaced long ago may be back");
  } else if (!verified_) {
    report_->notes.push_back("no slot could be used: the newest manifest in the file was taken, "
                             "whose own checksum is lost with the slots");
  }
  for (const Hole& hole : chain_.holes) {
    report_->notes.push_back("log bytes " + std::to_string(hole.lsn_from) + " to " +
                             std::to_string(hole.lsn_to) +
                             " are damaged: what they stored or deleted is lost");
  }
  note(payloads_lost_, " payloads are lost; their records were kept without");
  note(names_lost_, " records name a source or label whose name is lost; it is empty now");
  note(lost_, " records could not be read and were left out");
  note(rebuild_->rowsLive(), " records were recovered");
  report_->holes += chain_.holes.size();
  report_->lost += lost_;
}

}  // namespace rve
