// How a queued call becomes records of the group being made.
#include <algorithm>
#include <cmath>

#include "base/mutation.hpp"
#include "engine/committer.hpp"
#include "kernels/kernels.hpp"

namespace rve {

namespace {

constexpr size_t kForgetWhole = 256;  // ids

}  // namespace

Committer::Took Committer::take(Call* call) {
  call->records.clear();
  switch (call->kind) {
    case CallKind::kInsert:
      return takeInsert(call);
    case CallKind::kForgetIds:
    case CallKind::kForgetSource:
      return takeForget(call);
    case CallKind::kWaitDurable:
      if (call->lsn <= store_->log().durableLsn() && riding_.empty()) return Took::kDropped;
      force_sync_ = true;
      return Took::kRides;
    case CallKind::kCheckpoint:
    case CallKind::kShrinkLog:
    case CallKind::kTrim:
      // Behind what is in the group already, be it only a clock step.
      if (!riding_.empty() || !builder_.empty()) return Took::kGroupFull;
      if (call->kind == CallKind::kCheckpoint) {
        call->result.status = checkpoint(call->clean);
      } else if (call->kind == CallKind::kShrinkLog) {
        call->result.status = shrinkLog();
      } else {
        state_->collect();
        store_->log().trimAhead();
        call->result.status = store_->space().trim();
        refreshStats();
      }
      return Took::kDropped;
  }
  return Took::kDropped;
}

// Length of the run of rows from `first` that are all known already, or all not.
uint32_t Committer::knownRows(const Call& call, uint32_t first, bool* known) const {
  const InsertBatch& b = call.batch;
  *known = false;
  if (!b.has_sequence) return b.count - first;
  const uint32_t source = store_->symbols().find(SymbolKind::kSource, b.source);
  const auto isKnown = [&](uint32_t row) {
    return source != 0 && store_->marks().contains(source, b.boot, b.sequence + row);
  };
  *known = isKnown(first);
  uint32_t rows = 1;
  while (first + rows < b.count && isKnown(first + rows) == *known) rows++;
  return rows;
}

Status Committer::nameSymbols(const Call& call, uint32_t first, uint32_t rows,
                              std::vector<std::pair<SymbolKind, std::string>>* fresh) const {
  const InsertBatch& b = call.batch;
  const Symbols& symbols = store_->symbols();
  uint32_t fresh_labels = 0;
  if (!b.source.empty() && symbols.find(SymbolKind::kSource, b.source) == 0) {
    if (symbols.full(SymbolKind::kSource)) return Status(Code::kSymbols, "too many sources");
    fresh->push_back({SymbolKind::kSource, b.source});
  }
  const uint32_t label_count = b.labels.size() > 1 ? rows : static_cast<uint32_t>(b.labels.size());
  for (uint32_t i = 0; i < label_count; i++) {
    const std::string& label = b.labels.size() > 1 ? b.labels[first + i] : b.labels[0];
    if (label.empty() || symbols.find(SymbolKind::kLabel, label) != 0) continue;
    const std::pair<SymbolKind, std::string> entry{SymbolKind::kLabel, label};
    if (std::find(fresh->begin(), fresh->end(), entry) != fresh->end()) continue;
    if (symbols.count(SymbolKind::kLabel) + ++fresh_labels > kLabelsMax) {
      return Status(Code::kSymbols, "too many labels");
    }
    fresh->push_back(entry);
  }
  return {};
}

uint32_t Committer::rowsThatFit(const Call& call, uint32_t first, uint32_t rows_max,
                                uint64_t extra) const {
  const InsertBatch& b = call.batch;
  const auto payloadEnd = [&](uint32_t row) {
    return b.payload_ends.empty() ? 0 : b.payload_ends[row];
  };
  const uint32_t payload_start = first == 0 ? 0 : payloadEnd(first - 1);
  PutShape shape;
  shape.dims = store_->identity().dimensions;
  const auto fits = [&](uint32_t rows) {
    shape.count = rows;
    shape.payload_bytes = payloadEnd(first + rows - 1) - payload_start;
    const uint64_t bytes = putBytesMax(shape) + extra;
    return bytes <= store_->layout().group_bytes_max &&
           builder_.fits(static_cast<uint32_t>(bytes));
  };
  // The largest count that fits: the size grows with the rows.
  uint32_t low = 0, high = rows_max;
  while (low < high) {
    const uint32_t middle = low + (high - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

Committer::Took Committer::takeInsert(Call* call) {
  InsertBatch& b = call->batch;
  if (call->next_row == 0) {
    if (mustStall()) {
      if (!seal_stuck_.load(std::memory_order_relaxed)) return Took::kStalled;
      call->result.status = Status(Code::kNoSpace, "the tail cannot be sealed");
      return Took::kDropped;
    }
    call->result.ids.resize(b.count);
    if (b.times_ms.empty()) b.times_ms.assign(1, clock_->wallMs());
  }
  while (call->next_row < b.count) {
    const uint32_t first = call->next_row;
    bool known = false;
    uint32_t rows = knownRows(*call, first, &known);
    if (known) {
      for (uint32_t i = 0; i < rows; i++) call->result.ids[first + i] = -1;
      stats_.duplicates.fetch_add(rows, std::memory_order_relaxed);
      call->next_row += rows;
      continue;
    }
    std::vector<std::pair<SymbolKind, std::string>> fresh;
    uint32_t fit = 0;
    uint64_t extra = 0;
    for (;; rows = rows / 2) {
      fresh.clear();
      extra = 0;
      call->result.status = nameSymbols(*call, first, rows, &fresh);
      if (!call->result.status.ok()) return Took::kDropped;
      for (const auto& [kind, name] : fresh) {
        extra += GroupBuilder::recordBytes(symbolBodyBytes(name));
      }
      fit = rowsThatFit(*call, first, rows, extra);
      if (fit > 0 || rows == 1) break;
    }
    // A call that fits one group is not split over two: after a crash it is there whole or not at
    // all.
    if (!builder_.empty() && (fit == 0 || (first == 0 && fit < b.count))) return Took::kGroupFull;
    if (fit == 0) {
      call->result.status = Status(Code::kBatch, "one row with its payload is larger than a group");
      return Took::kDropped;
    }
    PutShape shape;
    shape.count = fit;
    shape.dims = store_->identity().dimensions;
    shape.payload_bytes =
        b.payload_ends.empty()
            ? 0
            : b.payload_ends[first + fit - 1] - (first == 0 ? 0 : b.payload_ends[first - 1]);
    const uint32_t bytes = builder_.paddedWith(static_cast<uint32_t>(putBytesMax(shape) + extra));
    call->result.status = store_->holdCheckpointRun(manifestGrowth());
    if (call->result.status.ok()) {
      call->result.status = store_->log().ensureRoom(bytes, SpacePurpose::kData);
    }
    if (!call->result.status.ok()) {
      stats_.no_space.store(true, std::memory_order_relaxed);
      return Took::kDropped;
    }
    stats_.no_space.store(false, std::memory_order_relaxed);
    for (const auto& [kind, name] : fresh) {
      SymbolEdit edit{kind, store_->symbols().add(kind, name), name};
      RecordHeader header;
      header.type = RecordType::kSymbol;
      uint32_t record_at = 0;
      encodeSymbol(edit, builder_.begin(header, symbolBodyBytes(name), &record_at));
      builder_.end();
    }
    encodeRows(call, first, fit);
    call->next_row += fit;
    if (call->next_row < b.count && fit < rows) return Took::kGroupFull;
  }
  if (options_.durability == Durability::kBuffered) {
    // Told now: it is in RAM, and at most a second from the log.
    call->result.lsn = store_->log().lsn() + builder_.paddedWith(0);
    const bool first_in_line = std::all_of(riding_.begin(), riding_.end(),
                                           [](const auto& c) { return c->completed; });
    if (first_in_line) complete(call, Status());
  }
  return Took::kRides;
}

// Writes rows [first, first + rows) of the call as one PUT_BATCH straight into the group.
void Committer::encodeRows(Call* call, uint32_t first, uint32_t rows) {
  const InsertBatch& b = call->batch;
  const uint32_t dims = store_->identity().dimensions;
  const bool cosine = store_->identity().metric == Metric::kCosine;
  PutShape shape;
  shape.count = rows;
  shape.dims = dims;
  bool consecutive = b.ids.empty();
  if (!consecutive) {
    consecutive = true;
    for (uint32_t i = 1; i < rows; i++) consecutive &= b.ids[first + i] == b.ids[first] + i;
  }
  const uint64_t first_id = b.ids.empty() ? state_->takeIds(rows) : b.ids[first];
  const auto timeOf = [&](uint32_t i) {
    return b.times_ms.size() == 1 ? b.times_ms[0] : b.times_ms[first + i];
  };
  bool one_time = true;
  for (uint32_t i = 1; i < rows; i++) one_time &= timeOf(i) == timeOf(0);
  const uint32_t payload_start =
      b.payload_ends.empty() || first == 0 ? 0 : b.payload_ends[first - 1];
  shape.payload_bytes =
      b.payload_ends.empty() ? 0 : b.payload_ends[first + rows - 1] - payload_start;
  if (consecutive) shape.flags |= kPutIdsConsecutive;
  if (b.has_sequence) shape.flags |= kPutSequence;
  if (b.labels.size() > 1) shape.flags |= kPutLabelPerRow;
  if (!one_time) shape.flags |= kPutTimePerRow;
  if (shape.payload_bytes > 0) shape.flags |= kPutPayloads;
  if (cosine) shape.flags |= kPutNorms;

  const Symbols& symbols = store_->symbols();
  const auto labelOf = [&](const std::string& label) {
    return label.empty() ? 0 : symbols.find(SymbolKind::kLabel, label);
  };
  const uint32_t source = b.source.empty() ? 0 : symbols.find(SymbolKind::kSource, b.source);
  const PutLayout at = layoutPut(shape, builder_.bytes());
  RecordHeader header;
  header.type = RecordType::kPutBatch;
  header.flags = shape.flags;
  header.id = first_id;
  header.time_ms = timeOf(0);
  uint32_t record_at = 0;
  const uint32_t skip = static_cast<uint32_t>(kRecordHeaderBytes);
  const MutableBytes body = builder_.begin(header, at.record_bytes - skip, &record_at);
  encodePutFixed(shape, at, source, b.boot, b.labels.size() == 1 ? labelOf(b.labels[0]) : 0,
                 b.has_sequence ? b.sequence + first : 0, body);
  if (consecutive) store(body, at.ids_at - skip, first_id);
  for (uint32_t i = 0; i < rows; i++) {
    if (!consecutive) store(body, at.ids_at - skip + 8ull * i, b.ids[first + i]);
    if (!one_time) store(body, at.times_at - skip + 8ull * i, timeOf(i));
    if (b.labels.size() > 1) {
      store(body, at.labels_at - skip + 4ull * i, labelOf(b.labels[first + i]));
    }
    if (shape.payload_bytes > 0) {
      store(body, at.payload_ends_at - skip + 4ull * i, b.payload_ends[first + i] - payload_start);
    }
    const float* from = b.matrix.data() + size_t{first + i} * dims;
    const MutableBytes to =
        body.subspan(at.matrix_at - skip + size_t{i} * dims * 4, size_t{dims} * 4);
    if (cosine) {
      const float norm = std::sqrt(kernels().dotF32(from, from, dims));
      const float scale = 1.0f / norm;
      float* unit = viewAsMutable<float>(to.data());
      for (uint32_t d = 0; d < dims; d++) unit[d] = from[d] * scale;
      store(body, at.norms_at - skip + 4ull * i, norm);
    } else {
      std::memcpy(to.data(), from, to.size());
    }
    call->result.ids[first + i] =
        static_cast<int64_t>(b.ids.empty() ? first_id + i : b.ids[first + i]);
    if (!b.ids.empty()) state_->noteGivenId(b.ids[first + i]);
    if (b.has_sequence) store_->marks().add(source, b.boot, b.sequence + first + i);
  }
  if (shape.payload_bytes > 0) {
    std::memcpy(body.data() + (at.payload_at - skip), b.payload_bytes.data() + payload_start,
                shape.payload_bytes);
  }
  builder_.end();
  stats_.inserts.fetch_add(rows, std::memory_order_relaxed);
  stats_.vector_bytes.fetch_add(uint64_t{rows} * dims * 4, std::memory_order_relaxed);
}

// R7. Room for a group with `bytes` more of a forget, on a full disk too. What deletes take for the
// log must leave a place for two checkpoints, the second of which frees it again; and since the
// marks of the dead make the next manifest longer, its run is held beforehand. Where that no longer
// goes, two checkpoints are made now; what then is left but for the record of one compaction may be
// taken, and beyond it a forget is refused until compaction has dropped what is dead. kGroupFull:
// the group under way must be written before.
Committer::Took Committer::roomToForget(Call* call, uint32_t bytes) {
  constexpr uint64_t kDeadBytesMax = 8;  // of one row in a manifest
  const bool by_id = call->kind == CallKind::kForgetIds;
  const uint64_t rows = by_id ? call->ids.size() : state_->liveCount();
  const uint64_t growth = std::min(rows * kDeadBytesMax, manifestGrowth());
  const uint32_t padded = builder_.paddedWith(bytes);
  const auto hold = [&] {
    const Status held = store_->holdCheckpointRun(growth);
    return held.ok() ? store_->log().ensureRoom(padded, SpacePurpose::kSeal) : held;
  };
  call->result.status = hold();
  if (call->result.status.code() != Code::kNoSpace) return Took::kRides;
  if (!riding_.empty() || !builder_.empty()) return Took::kGroupFull;
  for (int i = 0; i < 2 && !store_->latched(); i++) static_cast<void>(checkpoint(false));
  call->result.status = hold();
  if (call->result.status.code() == Code::kNoSpace) {
    call->result.status = store_->log().ensureRoom(padded, SpacePurpose::kForget);
  }
  return Took::kRides;
}

Committer::Took Committer::takeForget(Call* call) {
  DeleteEdit edit;
  const auto addRecord = [&](uint32_t body_bytes) {
    RecordHeader header;
    header.type = RecordType::kDelete;
    uint32_t record_at = 0;
    call->records.push_back(builder_.records());
    encodeDelete(edit, builder_.begin(header, body_bytes, &record_at));
    builder_.end();
  };
  if (call->kind == CallKind::kForgetSource) {
    edit.kind = DeleteKind::kSource;
    edit.source = store_->symbols().find(SymbolKind::kSource, call->source);
    if (edit.source == 0) return Took::kDropped;  // nobody of that name: nothing to forget
#ifdef RVE_MUTATIONS
    if (RVE_MUTATED(kForgetSourceWithoutRecord)) {
      call->forget_result.count =
          state_->killSourceWithoutRecord(edit.source, store_->log().lsn());
      state_->publish(store_->log().lsn() + 1);
      return Took::kDropped;
    }
#endif
    const uint32_t bytes = deleteBodyBytes(edit);
    if (!builder_.fits(GroupBuilder::recordBytes(bytes))) return Took::kGroupFull;
    const Took took = roomToForget(call, GroupBuilder::recordBytes(bytes));
    if (took != Took::kRides) return took;
    if (!call->result.status.ok()) return Took::kDropped;
    addRecord(bytes);
    return Took::kRides;
  }
#ifdef RVE_MUTATIONS
  if (RVE_MUTATED(kDeleteWithoutRecord)) {
    for (const uint64_t id : call->ids) {
      call->forget_result.count += state_->killWithoutRecord(id, store_->log().lsn()) ? 1 : 0;
    }
    state_->publish(store_->log().lsn() + 1);
    return Took::kDropped;
  }
#endif
  while (call->next_row < call->ids.size()) {
    const uint64_t room = store_->layout().group_bytes_max - builder_.bytes();
    const uint64_t overhead = kRecordHeaderBytes + 16;
    const uint64_t ids_max = room < overhead + 8 ? 0 : (room - overhead) / 8;
    const size_t rest = call->ids.size() - call->next_row;
    size_t count = static_cast<size_t>(std::min<uint64_t>(rest, ids_max));
    // As an insert: what fits one group is not split over two.
    if (count < rest && !builder_.empty()) return Took::kGroupFull;
    uint32_t bytes = 0;
    for (;; count /= 2) {
      const auto from = call->ids.begin() + call->next_row;
      edit.ids.assign(from, from + static_cast<std::ptrdiff_t>(count));
      bytes = deleteBodyBytes(edit);
      const Took took = roomToForget(call, GroupBuilder::recordBytes(bytes));
      if (took != Took::kRides) return took;
      // On a full disk a long list is deleted in as many groups as the reserve can hold; one that
      // fits a page, whole or not at all.
      if (call->result.status.code() != Code::kNoSpace || count <= kForgetWhole) break;
    }
    if (!call->result.status.ok()) return Took::kDropped;
    addRecord(bytes);
    call->next_row += static_cast<uint32_t>(count);
    if (call->next_row < call->ids.size()) return Took::kGroupFull;
  }
  return Took::kRides;
}

}  // namespace rve
