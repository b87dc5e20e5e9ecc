// What a deep check says of a segment's graph.
#pragma once
#include "engine/segment.hpp"
#include "rve/engine.hpp"

namespace rve {

// Appends what is wrong with the links to out->damaged, and a sentence about the graph to
// out->notes; a second one where walks find too little. kNoMemory. Requires: linked, and the graph
// is whole. Cost: a look at every link, and 50 scans of the codes.
Status checkGraph(const Segment& segment, const SegmentContext& context, CheckReport* out);

}  // namespace rve
