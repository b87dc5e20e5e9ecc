#include "engine/reader.hpp"

#include <algorithm>

#include "codecs/half.hpp"
#include "engine/graph_check.hpp"
#include "storage/recovery.hpp"

namespace rve {

void Reader::setVector(const VectorRef& vector, float norm, Record* out) const {
  out->vector.resize(context_.dims);
  decodeVector(vector, context_.dims, out->vector.data());
  if (context_.kind == DistanceKind::kCosine) {
    for (float& value : out->vector) value *= norm;
  }
}

void Reader::fill(const TailBlock& block, uint32_t at, Record* out) const {
  out->found = true;
  out->id = block.ids[at];
  out->time_ms = block.times[at];
  out->source = store_->symbols().name(SymbolKind::kSource, block.sources[at]);
  out->label = store_->symbols().name(SymbolKind::kLabel, block.labels[at]);
  out->has_payload = block.payload_bytes[at] > 0;
  const std::byte* payload = context_.view + block.payload_at[at];
  out->payload.resize(block.payload_bytes[at]);
  if (out->has_payload) std::memcpy(out->payload.data(), payload, out->payload.size());
  setVector({context_.view + block.vector_at[at], block.dtypes[at]}, block.norms[at], out);
  out->tier = nameOf(block.dtypes[at] == Dtype::kF32 ? Tier::kHot : Tier::kWarm);
}

bool Reader::fill(const Segment& segment, uint32_t row, Record* out) const {
  const VectorRef vector = segment.vectorOf(row);
  float norm = 1.0f;
  uint32_t source = 0, label = 0;
  Bytes payload;
  const bool fine = vector.at != nullptr && segment.idOf(row, &out->id) &&
                    segment.timeOf(row, &out->time_ms) && segment.sourceOf(row, &source) &&
                    segment.labelOf(row, &label) && segment.normOf(row, &norm) &&
                    segment.payloadOf(row, &payload);
  if (!fine) return false;
  out->found = true;
  out->source = store_->symbols().name(SymbolKind::kSource, source);
  out->label = store_->symbols().name(SymbolKind::kLabel, label);
  out->has_payload = !payload.empty();
  out->payload.resize(payload.size());
  if (out->has_payload) std::memcpy(out->payload.data(), payload.data(), payload.size());
  setVector(vector, norm, out);
  out->tier = nameOf(segment.tierOf(row));
  return true;
}

// True: the answer is final for this Version. False: the index knows a newer row than the Version;
// look again.
bool Reader::readOne(const Version& version, uint64_t id, bool warms, Record* out) {
  const uint64_t ordinal = state_->tail().find(id);
  if (ordinal != kAlive && ordinal >= version.tail_end) return false;
  if (ordinal != kAlive && ordinal >= version.tail_first) {
    const TailRow r = tailRow(*version.blocks, ordinal);
    if (LiveState::visible(*r.block, r.at, version.lsn)) {
      fill(*r.block, r.at, out);
      return true;
    }
  }
  for (const auto& segment : *version.segments) {
    uint32_t row = 0;
    if (!segment->findRow(id, &row) || !state_->visible(*segment, row, version.lsn)) continue;
    if (!fill(*segment, row, out)) out->found = false;
    if (warms && out->found) segment->touch(row, *heat_scale_, state_->heatNowMs());
    return true;
  }
  // Not in the index, but perhaps superseded or deleted after this Version: then an older tail row
  // is the one.
  if (ordinal == kAlive && id < state_->seenIds()) readOlder(version, id, out);
  return true;
}

// Looks through all rows of the Version, newest first. Only for ids that changed under it.
void Reader::readOlder(const Version& version, uint64_t id, Record* out) {
  for (uint64_t at = version.tail_end; at > version.tail_first; at--) {
    const TailRow r = tailRow(*version.blocks, at - 1);
    if (r.block->ids[r.at] != id || !LiveState::visible(*r.block, r.at, version.lsn)) continue;
    fill(*r.block, r.at, out);
    return;
  }
  for (const auto& segment : *version.segments) {
    uint32_t row = 0;
    if (!segment->findRow(id, &row) || !state_->visible(*segment, row, version.lsn)) continue;
    if (!fill(*segment, row, out)) out->found = false;
    return;
  }
}

void Reader::getVersion(const Version& version, const std::vector<uint64_t>& ids,
                        std::vector<Record>* out) {
  out->assign(ids.size(), {});
  for (size_t i = 0; i < ids.size(); i++) {
    // What the index knows beyond the Version does not count: the rows are looked through.
    if (!readOne(version, ids[i], false, &(*out)[i])) readOlder(version, ids[i], &(*out)[i]);
  }
}

Status Reader::get(const std::vector<uint64_t>& ids, std::vector<Record>* out) {
  out->assign(ids.size(), {});
  const bool warms = !store_->readOnly();
  VersionHold version = state_->hold();
  for (size_t i = 0; i < ids.size(); i++) {
    // The committer indexes a row just before it publishes it: the next Version has it.
    while (!readOne(*version, ids[i], warms, &(*out)[i])) {
      version.reset();
      version = state_->hold();
    }
  }
  return {};
}

// Ascending ids: the next `records_max` above the cursor, found by a bounded selection over all
// places.
Status Reader::scan(const Filter& filter, uint32_t records_max, ScanCursor* cursor,
                    std::vector<Record>* out) {
  struct Place {
    uint64_t id;
    const Segment* segment;
    uint64_t row;
    bool operator<(const Place& other) const { return id < other.id; }
  };
  out->clear();
  if (records_max == 0) return Status(Code::kArgument, "a scan step takes at least one record");
  const RowPredicate predicate = RowPredicate::of(filter, store_->symbols());
  const VersionHold version = state_->hold();
  std::vector<Place> nearest;  // max-heap of the smallest ids
  const auto offer = [&](const Place& place) {
    if (place.id < cursor->next_id) return;
    if (nearest.size() == records_max) {
      if (!(place < nearest.front())) return;
      std::pop_heap(nearest.begin(), nearest.end());
      nearest.pop_back();
    }
    nearest.push_back(place);
    std::push_heap(nearest.begin(), nearest.end());
  };
  for (uint64_t at = version->tail_first; at < version->tail_end && !predicate.nothing; at++) {
    const TailRow r = tailRow(*version->blocks, at);
    if (!LiveState::visible(*r.block, r.at, version->lsn)) continue;
    if (predicate.matches(*r.block, r.at)) offer({r.block->ids[r.at], nullptr, at});
  }
  for (const auto& segment : *version->segments) {
    if (segment->unusable() || predicate.rowsAtMost(*segment) == 0) continue;
    if (segment->entry().id_max < cursor->next_id) continue;
    for (uint32_t row = 0; row < segment->rows(); row++) {
      uint64_t id = 0;
      if (!segment->idOf(row, &id) || id < cursor->next_id) continue;
      if (nearest.size() == records_max && id >= nearest.front().id) continue;
      if (!state_->visible(*segment, row, version->lsn)) continue;
      if (predicate.matches(*segment, row)) offer({id, segment.get(), row});
    }
  }
  std::sort(nearest.begin(), nearest.end());
  cursor->end = nearest.size() < records_max;
  for (const Place& place : nearest) {
    Record record;
    cursor->next_id = place.id + 1;
    if (place.segment == nullptr) {
      const TailRow r = tailRow(*version->blocks, place.row);
      fill(*r.block, r.at, &record);
    } else if (!fill(*place.segment, static_cast<uint32_t>(place.row), &record)) {
      continue;  // damaged: check() tells
    }
    out->push_back(std::move(record));
  }
  return {};
}

Status Reader::check(bool deep, CheckReport* out) {
  const VersionHold version = state_->hold();
  const Layout& layout = store_->layout();
  std::vector<std::byte> page(layout.page_bytes);
  for (uint32_t copy = 0; copy < 2; copy++) {
    Identity identity;
    const Status read = store_->file().read(identityOffset(layout, copy), page);
    if (!read.ok() || !decodeIdentity(page, &identity).ok()) {
      out->damaged.push_back(copy == 0 ? "the identity block fails its checksum"
                                       : "the copy of the identity block fails its checksum");
    }
  }
  for (uint32_t which = 0; which < 2; which++) {
    for (uint32_t copy = 0; copy < 2; copy++) {
      Slot slot;
      const Status read = store_->file().read(slotOffset(layout, which, copy), page);
      if (read.ok() && decodeSlot(page, store_->identity().uuid, &slot).ok()) continue;
      // A power cut inside a checkpoint does this too, and the next one but one writes it again: no
      // damage.
      out->notes.push_back(std::string("slot ") + (which == 0 ? "A" : "B") +
                           (copy == 0 ? "" : "'s copy") +
                           " fails its checksum; the other root is used");
    }
  }
  for (const auto& segment : *version->segments) {
    for (const Run& run : segment->entry().runs()) {
      store_->file().prefetch(runOffset(layout, run), runBytes(layout, run));
    }
    out->lost += segment->verifyAll(&out->damaged);
    if (!deep || !segment->linked() || !segment->graphIsWhole()) continue;
    RVE_TRY(checkGraph(*segment, context_, out));
  }
  for (const Hole& hole : store_->holes()) {
    out->damaged.push_back("acknowledged log bytes " + std::to_string(hole.lsn_from) + " to " +
                           std::to_string(hole.lsn_to) + " are damaged");
  }
  out->holes = store_->holes().size();
  out->lost += state_->lostRecords();
  if (store_->walk().torn) {
    out->notes.push_back("an unfinished group at the log's end was cut at open");
  }
  out->ok = out->damaged.empty();
  return {};
}

}  // namespace rve
