// Which segments are worth rewriting.
#pragma once
#include "engine/segment.hpp"
#include "engine/version.hpp"
#include "rve/engine.hpp"

namespace rve {

// Rows are left in the log only if they fill it this well when they are sealed; else they are
// copied and the log is freed.
inline constexpr double kAdoptFillMin = 0.8;

// Whether the log runs that these segments read in place hold too little of what is alive. A run
// that several segments share counts in parts.
bool adoptedIsSparse(const Segments& inputs, const Segments& all, const SegmentContext& context);

// Segments without a graph, oldest first, that are worth one build together; empty if a single link
// will do. A row that is merged before it is linked is linked once less.
Segments pickUnlinked(const Segments& segments, const Tuning& tuning);

// A segment with too many dead rows, one that keeps a sparse log alive, else the smallest size class
// that has enough members to merge. `settling`: as many as one segment may hold. Empty: nothing.
Segments pickToCompact(const Segments& segments, const SegmentContext& context,
                       const Tuning& tuning, bool settling);

}  // namespace rve
