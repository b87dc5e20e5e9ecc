#include "engine/row_source.hpp"

namespace rve {

bool RowSource::read(const RowRef& ref, RowData* out) const {
  if (ref.input == 0) {
    const TailRow r = tailRow(*blocks_, ordinalOf(ref));
    const TailBlock& b = *r.block;
    out->id = b.ids[r.at];
    out->time_ms = b.times[r.at];
    out->source = b.sources[r.at];
    out->label = b.labels[r.at];
    out->norm = b.norms[r.at];
    out->heat_moment = HeatScale::arrived(now_ms_);
    out->vector = {view_ + b.vector_at[r.at], b.dtypes[r.at]};
    out->vector_at = b.vector_at[r.at];
    out->record_at = b.record_at[r.at];
    out->payload = {view_ + b.payload_at[r.at], b.payload_bytes[r.at]};
    return true;
  }
  const Segment& s = *segments_[ref.input - 1];
  if (s.unusable()) return false;
  out->vector = s.vectorOf(ref.row);
  if (out->vector.at == nullptr) return false;
  out->vector_at = static_cast<uint64_t>(out->vector.at - view_);
  const HeatTable* heat = s.heatIfLoaded();
  out->heat_moment = heat != nullptr ? heat->moment(ref.row) : HeatScale::arrived(now_ms_);
  const Piece* adopted = s.adoptedPieceOf(ref.row);
  out->record_at = adopted != nullptr ? adopted->record_at : 0;
  return s.idOf(ref.row, &out->id) && s.timeOf(ref.row, &out->time_ms) &&
         s.sourceOf(ref.row, &out->source) && s.labelOf(ref.row, &out->label) &&
         s.normOf(ref.row, &out->norm) && s.payloadOf(ref.row, &out->payload);
}

bool RowSource::isDead(const RowRef& ref) const {
  if (ref.input != 0) return segments_[ref.input - 1]->marks().isDead(ref.row);
  const TailRow r = tailRow(*blocks_, ordinalOf(ref));
  return r.block->dead_lsn[r.at].load(std::memory_order_acquire) != kAlive;
}

RunPin RowSource::pinOf(uint64_t offset, const Layout& layout) const {
  const auto holds = [&](const RunPin& pin) {
    const uint64_t from = runOffset(layout, pin.run());
    return offset >= from && offset < from + runBytes(layout, pin.run());
  };
  for (const auto& segment : segments_) {
    for (const RunPin& pin : segment->pins()) {
      if (holds(pin)) return pin;
    }
  }
  for (const auto& block : *blocks_) {
    for (const RunPin& pin : block->pinnedRuns()) {
      if (holds(pin)) return pin;
    }
  }
  return {};
}

}  // namespace rve
