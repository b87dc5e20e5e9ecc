// No row left behind: after the last insert every row must be reachable on level 0 from the nodes
// of the entry level. The heuristic alone does not promise it: a crowd of equal vectors fills each
// other's lists and cuts itself off.
#include "graph/build_state.hpp"

namespace rve {
namespace {

constexpr uint8_t kSeen = 0x40;

// A link given to a lost row may take the last link of another; a second round finds that one.
constexpr int kRoundsMax = 4;

// Lost rows remembered as a place for their equals (a machine at rest sends the same vector for
// hours).
constexpr size_t kRememberedMax = 32;

}  // namespace

// Marks what can be reached from `row`. work: the caller's, empty before and after.
void BuildState::flood(uint32_t row, std::vector<uint32_t>* work) {
  if ((state_[row] & kSeen) != 0) return;
  state_[row] |= kSeen;
  work->push_back(row);
  while (!work->empty()) {
    const uint32_t* links = levels_[0].linksOf(work->back());
    work->pop_back();
    for (uint32_t slot = 0; slot < levels_[0].slots && links[slot] != kNoRow; ++slot) {
      if ((state_[links[slot]] & kSeen) != 0) continue;
      state_[links[slot]] |= kSeen;
      work->push_back(links[slot]);
    }
  }
}

void BuildState::reachAll() {
  if (entry_level_ == 0) return;  // A search scans every row.
  std::vector<uint32_t> work;
  for (int round = 0; round < kRoundsMax; ++round) {
    for (uint32_t row = 0; row < space_.rows; ++row) state_[row] &= static_cast<uint8_t>(~kSeen);
    const Level& entries = levels_[entry_level_];
    for (uint32_t node = 0; node < entries.count; ++node) flood(entries.nodes[node], &work);
    uint32_t lost = 0;
    for (uint32_t row = 0; row < space_.rows; ++row) {
      if ((state_[row] & kSeen) != 0) continue;
      ++lost;
      if (!linkFromEqual(row)) linkLost(row);
      flood(row, &work);
    }
    if (lost == 0) return;
  }
}

// Hangs a lost row on an equal one that was lost before it and still has a free slot: a crowd of
// equal rows becomes a tree, and does not take the slots of its neighbours one after the other.
bool BuildState::linkFromEqual(uint32_t row) {
  bool linked = false;
  for (const uint32_t from : found_lost_) {
    const uint32_t count = degree(levels_[0], from);
    if (count == levels_[0].slots || !equalRows(from, row)) continue;
    levels_[0].linksOf(from)[count] = row;
    linked = true;
    break;
  }
  if (found_lost_.size() == kRememberedMax) found_lost_.erase(found_lost_.begin());
  found_lost_.push_back(row);
  return linked;
}

// Gives a row a link from the nearest seen row that has a free slot; failing that, the nearest
// gives up its last link, the farthest of a list that was ever chosen anew.
void BuildState::linkLost(uint32_t row) {
  const NavQueryView query = navQueryFromRow(space_, row, query_values_.data());
  const uint32_t entry = findEntry(query, 0, row);
  const auto ef = static_cast<uint32_t>(found_.size());
  const uint32_t count = candidates(0, row, query, entry, ef, found_.data());
  uint32_t* nearest = nullptr;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t from = found_[i].row;
    if ((state_[from] & kSeen) == 0) continue;
    uint32_t* links = levels_[0].linksOf(from);
    if (nearest == nullptr) nearest = links;
    const uint32_t degree_of = degree(levels_[0], from);
    if (degree_of == levels_[0].slots) continue;
    links[degree_of] = row;
    return;
  }
  if (nearest != nullptr) nearest[levels_[0].slots - 1] = row;
}

}  // namespace rve
