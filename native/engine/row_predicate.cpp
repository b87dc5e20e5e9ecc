#include <algorithm>

#include "engine/search.hpp"

namespace rve {

RowPredicate RowPredicate::of(const Filter& filter, const Symbols& symbols) {
  RowPredicate p;
  if (filter.has_source) {
    p.any = true;
    p.source = symbols.find(SymbolKind::kSource, filter.source);
    if (p.source == 0) p.nothing = true;
  }
  if (!filter.labels.empty()) {
    p.any = true;
    for (const std::string& label : filter.labels) {
      const uint32_t number = symbols.find(SymbolKind::kLabel, label);
      if (number != 0) p.labels.push_back(number);
    }
    std::sort(p.labels.begin(), p.labels.end());
    if (p.labels.empty()) p.nothing = true;
  }
  if (filter.has_from) p.from_ms = filter.from_ms;
  if (filter.has_to) p.to_ms = filter.to_ms;
  p.any = p.any || filter.has_from || filter.has_to;
  if (filter.has_to && p.from_ms >= p.to_ms) p.nothing = true;
  return p;
}

bool RowPredicate::matches(int64_t time_ms, uint32_t row_source, uint32_t row_label) const {
  if (source != 0 && row_source != source) return false;
  if (!labels.empty() && !std::binary_search(labels.begin(), labels.end(), row_label)) return false;
  // INT64_MAX as `to` stands for "no end".
  return time_ms >= from_ms && (time_ms < to_ms || to_ms == INT64_MAX);
}

bool RowPredicate::matches(const TailBlock& block, uint32_t at) const {
  return !any || matches(block.times[at], block.sources[at], block.labels[at]);
}

bool RowPredicate::matches(const Segment& segment, uint32_t row) const {
  if (!any) return true;
  uint32_t of_row = 0;
  if (source != 0 && (!segment.sourceOf(row, &of_row) || of_row != source)) return false;
  if (!labels.empty()) {
    if (!segment.labelOf(row, &of_row)) return false;
    if (!std::binary_search(labels.begin(), labels.end(), of_row)) return false;
  }
  if (from_ms == INT64_MIN && to_ms == INT64_MAX) return true;
  int64_t time_ms = 0;
  if (!segment.timeOf(row, &time_ms)) return false;
  return time_ms >= from_ms && (time_ms < to_ms || to_ms == INT64_MAX);
}

uint32_t RowPredicate::rowsAtMost(const Segment& segment) const {
  uint32_t most = segment.rows();
  if (!any) return most;
  if (nothing) return 0;
  if (source != 0) most = std::min(most, segment.rowsOfSource(source));
  if (!labels.empty()) {
    uint64_t sum = 0;
    for (const uint32_t label : labels) sum += segment.rowsOfLabel(label);
    most = static_cast<uint32_t>(std::min<uint64_t>(most, sum));
  }
  if (from_ms != INT64_MIN || to_ms != INT64_MAX) {
    uint64_t sum = 0;
    for (const TimeBlock& block : segment.timeBlocks()) {
      if (mayMatch(block)) sum += kTimeBlockRows;
    }
    most = static_cast<uint32_t>(std::min<uint64_t>(most, sum));
  }
  return most;
}

}  // namespace rve
