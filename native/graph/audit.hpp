// What is wrong with a graph, by looking at all of it: for `rve check`, tests and the figures in
// README.md.
#pragma once
#include <array>

#include "graph/view.hpp"

namespace rve {

struct GraphAudit {
  uint32_t rows = 0;
  uint32_t reachable = 0;       // on level 0 from the entry level's nodes, along the links
  uint64_t links = 0;           // valid links of level 0
  uint32_t links_out_of_range = 0;
  uint32_t links_to_self = 0;
  uint32_t links_twice = 0;     // the same target again in one list
  uint32_t slots_after_end = 0; // a link behind the end mark of its list
  uint32_t upper_bad = 0;       // higher levels: nodes not ascending, bad down index, bad link
  std::array<uint32_t, kGraphLinks0Max + 1> degrees{};  // [g]: rows with g valid links on level 0

  bool sound() const {
    return links_out_of_range + links_to_self + links_twice + slots_after_end + upper_bad == 0;
  }
};

// kNoMemory (5 bytes a row). Never fails on content: it counts it.
Status auditGraph(const GraphView& view, GraphAudit* out);

}  // namespace rve
