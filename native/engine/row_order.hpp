// The order of rows inside a tier: near ones near each other in the file, so that a walk that is
// not in memory reads fewer pages.
#pragma once
#include <functional>

#include "engine/row_source.hpp"

namespace rve {

// A range of fewer windows stays as it is: it is in memory after a few queries.
inline constexpr uint32_t kRowWindowsMin = 2;

// Reorders `rows`, which stand by tier, within windows of each tier: by the nearest centroid, then
// by the one that is second. Costs a decoded vector and a look at the centroids a row, by
// `threads` threads. keep_going is polled: kAborted. A damaged row stands with those of centroid 0.
//
// vector_of: the `dims` numbers of a row, false where they are damaged; called by several threads.
// window: Tuning::row_window. *Why* not all rows of a range at once: within a window ids, times and
// rows by id need 14 bits each, and the blocks of times still rule windows out.
using VectorOf = std::function<bool(const RowRef& row, float* out)>;
Status orderByNearness(const TierCodebook& codebook, const VectorOf& vector_of, uint32_t window,
                       uint32_t threads, const std::function<bool()>& keep_going,
                       std::vector<RowRef>* rows);

}  // namespace rve
