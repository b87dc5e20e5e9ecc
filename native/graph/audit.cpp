#include "graph/audit.hpp"

#include <algorithm>
#include <memory>
#include <new>

namespace rve {
namespace {

// Counts what is wrong with one list, and its good links.
uint32_t auditList(const GraphView& view, uint32_t level, uint32_t node, GraphAudit* out) {
  uint32_t links[kGraphLinks0Max];
  const uint32_t count = view.readLinks(level, node, links);
  if (count == GraphView::kUnreadable) {
    ++out->lists_unreadable;
    return 0;
  }
  uint32_t good = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (links[i] >= view.level(level).count) {
      ++out->links_out_of_range;
    } else if (links[i] == node) {
      ++out->links_to_self;
    } else if (std::find(links, links + i, links[i]) != links + i) {
      ++out->links_twice;
    } else {
      ++good;
    }
  }
  for (uint32_t slot = count; !view.packed() && slot < view.linksMax(level); ++slot) {
    out->slots_after_end += view.flatLinks(level, node)[slot] != kNoRow;
  }
  return good;
}

uint32_t auditUpper(const GraphView& view, uint32_t l) {
  const uint32_t count = view.level(l).count;
  const uint32_t* nodes = view.nodes(l);
  uint32_t bad = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (nodes[i] >= view.rows() || (i > 0 && nodes[i] <= nodes[i - 1])) ++bad;
    const uint32_t down = view.down(l)[i];
    if (l == 1) {
      bad += down != nodes[i];
    } else {
      bad += down >= view.level(l - 1).count || view.nodes(l - 1)[down] != nodes[i];
    }
    GraphAudit list;
    auditList(view, l, i, &list);
    bad += !list.sound();
  }
  return bad;
}

// Depth first along the good links of level 0.
uint32_t flood(const GraphView& view, uint32_t row, uint8_t* seen, uint32_t* stack) {
  if (row >= view.rows() || seen[row] != 0) return 0;
  uint32_t reached = 1;
  uint32_t height = 0;
  seen[row] = 1;
  stack[height++] = row;
  while (height > 0) {
    uint32_t links[kGraphLinks0Max];
    const uint32_t count = view.readLinks(0, stack[--height], links);
    for (uint32_t i = 0; count != GraphView::kUnreadable && i < count; ++i) {
      if (links[i] >= view.rows() || seen[links[i]] != 0) continue;
      seen[links[i]] = 1;
      stack[height++] = links[i];
      ++reached;
    }
  }
  return reached;
}

}  // namespace

uint32_t GraphAudit::degreeMin() const {
  uint32_t degree = 0;
  while (degree < kGraphLinks0Max && degrees[degree] == 0) ++degree;
  return degree;
}

uint32_t GraphAudit::degreeMax() const {
  uint32_t degree = kGraphLinks0Max;
  while (degree > 0 && degrees[degree] == 0) --degree;
  return degree;
}

Status auditGraph(const GraphView& view, GraphAudit* out) {
  *out = {};
  std::unique_ptr<uint8_t[]> seen(new (std::nothrow) uint8_t[view.rows()]());
  std::unique_ptr<uint32_t[]> stack(new (std::nothrow) uint32_t[view.rows()]);
  if (seen == nullptr || stack == nullptr) return Status(Code::kNoMemory, "graph audit");
  out->rows = view.rows();
  for (uint32_t row = 0; row < view.rows(); ++row) {
    const uint32_t good = auditList(view, 0, row, out);
    ++out->degrees[good];
    out->links += good;
  }
  for (uint32_t l = 1; l < view.levels(); ++l) out->upper_bad += auditUpper(view, l);
  const uint32_t entry_level = view.entryLevel();
  for (uint32_t i = 0; i < view.entryCount(); ++i) {
    const uint32_t row = entry_level == 0 ? i : view.nodes(entry_level)[i];
    out->reachable += flood(view, row, seen.get(), stack.get());
  }
  return {};
}

}  // namespace rve
