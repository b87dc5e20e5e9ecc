#include "engine/compaction_pick.hpp"

#include <algorithm>
#include <bit>
#include <map>

namespace rve {
namespace {

// Segments of one size class are merged when there are this many: each row is then rewritten about
// log4(rows / freeze_rows) times.
constexpr size_t kMergeFanIn = 4;
constexpr double kAdoptFillKeep = 0.5;
constexpr uint32_t kUnlinkedFreezes = 8;

// The smallest segments, as many as one segment may hold: the graph of the largest is taken over.
Segments pickAllThatFit(const Segments& segments, uint32_t rows_max) {
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

}  // namespace

// Whether the log runs that these segments read in place hold too little of what is alive. A run
// that several segments share counts in parts.
bool adoptedIsSparse(const Segments& inputs, const Segments& all, const SegmentContext& context) {
  std::map<uint32_t, uint32_t> sharers;
  for (const auto& segment : all) {
    for (const Run& run : segment->entry().adopted) sharers[run.first_chunk]++;
  }
  double run_bytes = 0, live_bytes = 0;
  for (const auto& segment : inputs) {
    if (segment->entry().adopted.empty()) continue;
    for (const Run& run : segment->entry().adopted) {
      run_bytes += static_cast<double>(runBytes(context.layout, run)) / sharers[run.first_chunk];
    }
    live_bytes += static_cast<double>(segment->rows() - segment->marks().deadCount()) *
                  context.dims * 4;
  }
  return run_bytes > 0 && live_bytes < kAdoptFillKeep * run_bytes;
}

Segments pickUnlinked(const Segments& segments, const Tuning& tuning) {
  // One build of a few seconds: until it is published its rows are scanned in their lists. Fewer
  // and larger segments are fewer walks.
  const uint64_t rows_max =
      std::min<uint64_t>(tuning.segment_rows_max, uint64_t{kUnlinkedFreezes} * tuning.freeze_rows);
  Segments picked;
  uint64_t rows = 0;
  for (const auto& segment : segments) {
    if (segment->linked() || segment->unusable() || segment->damaged()) continue;
    if (rows + segment->rows() > rows_max) break;
    rows += segment->rows();
    picked.push_back(segment);
  }
  return picked.size() >= 2 && rows >= rows_max / 2 ? picked : Segments();
}

// What is worth rewriting: a segment with too many dead rows, one that keeps a sparse log alive,
// else the smallest class that has enough members to merge.
Segments pickToCompact(const Segments& segments, const SegmentContext& context,
                       const Tuning& tuning, bool settling) {
  uint64_t newest = 0;
  for (const auto& segment : segments) newest = std::max(newest, segment->id());
  for (const auto& segment : segments) {
    if (segment->unusable()) continue;
    const double dead = segment->marks().deadCount();
    if (dead > 0 && dead >= tuning.dead_ratio_compact * segment->rows()) return {segment};
    // The newest ones share a run with the tail, which will fill it.
    if (segment->id() + 2 < newest && adoptedIsSparse({segment}, segments, context)) return {segment};
  }
  if (settling) return pickAllThatFit(segments, tuning.segment_rows_max);
  std::map<int, Segments> classes;
  for (const auto& segment : segments) {
    if (segment->unusable() || segment->damaged()) continue;
    const uint32_t unit = std::max(1u, tuning.freeze_rows);
    const uint32_t multiple = std::max(1u, segment->rows() / unit);
    classes[static_cast<int>(std::bit_width(multiple) - 1) / 2].push_back(segment);
  }
  for (auto& [size_class, members] : classes) {
    if (members.size() < kMergeFanIn) continue;
    uint64_t rows = 0;
    Segments picked;
    for (const auto& segment : members) {
      if (rows + segment->rows() > tuning.segment_rows_max) break;
      rows += segment->rows();
      picked.push_back(segment);
    }
    if (picked.size() >= 2) return picked;
  }
  return {};
}

}  // namespace rve
