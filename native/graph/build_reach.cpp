// No row left behind: after the last insert every row must be reachable on level 0 from the nodes
// of the entry level. The heuristic alone does not promise it: a crowd of equal vectors fills each
// other's lists and cuts itself off.
//
// A depth-first forest from the entry nodes says which link first led to each row. A lost row gets
// a free slot, or that of a link which is not of the forest: nothing that was in reach leaves it,
// so one pass is enough. s seen rows have fewer than s links of the forest and at least 4 s slots:
// there is always one to give. What a seen row links to is seen; hence no lost row is linked to
// twice or to itself.
#include "graph/build_state.hpp"

namespace rve {
namespace {

// Lost rows remembered as a place for their equals (a machine at rest sends the same vector for
// hours).
constexpr size_t kRememberedMax = 32;

}  // namespace

void BuildState::reachAll() {
  if (entry_level_ == 0) return;  // A search scans every row.
  Reach reach{std::vector<uint32_t>(space_.rows, kNoRow), {}, {}};
  const Level& entries = levels_[entry_level_];
  for (uint32_t node = 0; node < entries.count; ++node) {
    flood(entries.nodes[node], entries.nodes[node], &reach);
  }
  for (uint32_t row = 0; row < space_.rows; ++row) {
    if (reach.seen(row)) continue;
    uint32_t from = linkFromEqual(row, reach);
    if (from == kNoRow) from = linkLost(row, reach);
    if (reach.lost.size() == kRememberedMax) reach.lost.erase(reach.lost.begin());
    reach.lost.push_back(row);
    flood(row, from, &reach);
  }
}

// Adds `row`, and all that can be reached from it, to the forest, below `from` (a root: itself).
void BuildState::flood(uint32_t row, uint32_t from, Reach* reach) {
  if (reach->seen(row)) return;
  reach->parent[row] = from;
  reach->work.push_back(row);
  while (!reach->work.empty()) {
    const uint32_t at = reach->work.back();
    const uint32_t* links = levels_[0].linksOf(at);
    reach->work.pop_back();
    for (uint32_t slot = 0; slot < levels_[0].slots && links[slot] != kNoRow; ++slot) {
      if (reach->seen(links[slot])) continue;
      reach->parent[links[slot]] = at;
      reach->work.push_back(links[slot]);
    }
  }
}

// Hangs a lost row on an equal one that was lost before it and still has a free slot: a crowd of
// equal rows becomes a tree, and does not take the slots of its neighbours one after the other.
uint32_t BuildState::linkFromEqual(uint32_t row, const Reach& reach) {
  for (const uint32_t from : reach.lost) {
    const uint32_t count = degree(levels_[0], from);
    if (count == levels_[0].slots || !equalRows(from, row)) continue;
    levels_[0].linksOf(from)[count] = row;
    return from;
  }
  return kNoRow;
}

// Gives a row a link from the nearest seen row that has a free slot; failing that, from the nearest
// that can spare a link; failing that, from any that can (a few vectors only, and M of 2 to 4).
uint32_t BuildState::linkLost(uint32_t row, const Reach& reach) {
  const NavQueryView query = navQueryFromRow(space_, row, worker_.query_values.data());
  const uint32_t entry = findEntry(query, 0, row);
  std::vector<Scored>& found = worker_.found;
  const auto ef = static_cast<uint32_t>(found.size());
  const uint32_t count = candidates(&worker_, 0, row, query, entry, ef, found.data());
  uint32_t from = kNoRow;
  uint32_t slot = kNoSlot;
  for (uint32_t i = 0; i < count; ++i) {
    if (!reach.seen(found[i].row)) continue;
    const uint32_t slot_here = slotToSpare(found[i].row, reach);
    if (slot_here == kNoSlot) continue;
    const bool free = levels_[0].linksOf(found[i].row)[slot_here] == kNoRow;
    if (!free && from != kNoRow) continue;
    from = found[i].row;
    slot = slot_here;
    if (free) break;
  }
  for (uint32_t other = 0; from == kNoRow; ++other) {
    RVE_ASSERT(other < space_.rows);
    if (!reach.seen(other)) continue;
    slot = slotToSpare(other, reach);
    if (slot != kNoSlot) from = other;
  }
  levels_[0].linksOf(from)[slot] = row;
  return from;
}

// The first free slot of a list; if it is full, the last one whose link is not of the forest: the
// farthest of a list that was ever chosen anew.
uint32_t BuildState::slotToSpare(uint32_t from, const Reach& reach) const {
  const uint32_t count = degree(levels_[0], from);
  if (count < levels_[0].slots) return count;
  const uint32_t* links = levels_[0].linksOf(from);
  for (uint32_t slot = count; slot-- > 0;) {
    if (reach.parent[links[slot]] != from) return slot;
  }
  return kNoSlot;
}

}  // namespace rve
