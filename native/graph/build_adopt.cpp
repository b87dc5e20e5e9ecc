// Taking over the link lists of an earlier graph, so that a merge inserts only the smaller side.
#include <new>

#include "graph/build_state.hpp"

namespace rve {

Status BuildState::adopt(const GraphView& old, std::span<const uint32_t> old_to_new) {
  std::unique_ptr<uint32_t[]> map(new (std::nothrow) uint32_t[old.rows()]);
  if (map == nullptr) return Status(Code::kNoMemory, "graph: map of old nodes");
  for (const uint32_t row : old_to_new) {
    if (row == kNoRow) continue;
    state_[row] |= kInserted;
    --waiting_;
  }
  for (uint32_t l = 0; l < old.levels(); ++l) {
    const OldLevel level{.view = old, .level = l, .count = old.level(l).count};
    for (uint32_t index = 0; index < level.count; ++index) {
      const uint32_t row = old_to_new[l == 0 ? index : old.nodes(l)[index]];
      map[index] = row == kNoRow ? kNoRow : levels_[l].indexOf(row);
    }
    RVE_TRY(adoptLevel(l, level, map.get()));
  }
  // Any node of the highest level that has an inserted one will do as the top.
  for (uint32_t l = level_count_; l-- > 0;) {
    for (uint32_t node = 0; node < levels_[l].count; ++node) {
      if ((state_[levels_[l].rowOf(node)] & kInserted) == 0) continue;
      top_.store({l, node}, std::memory_order_relaxed);
      return {};
    }
  }
  return {};
}

// First every surviving list is copied without its dead links; then every list that lost some is
// chosen anew from what is left and from the lists of the dead.
Status BuildState::adoptLevel(uint32_t level_index, const OldLevel& old, const uint32_t* map) {
  const Level& level = levels_[level_index];
  for (uint32_t index = 0; index < old.count; ++index) {
    uint32_t from[kGraphLinks0Max];
    const uint32_t from_count = old.read(index, from);
    if (from_count == GraphView::kUnreadable) {
      return Status(Code::kCorrupt, "graph: a list is unreadable");
    }
    uint32_t* to = map[index] == kNoRow ? nullptr : level.linksOf(map[index]);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < from_count; ++i) {
      if (from[i] >= old.count || from[i] == index) {
        return Status(Code::kCorrupt, "graph: a link out of range or to itself");
      }
      if (to != nullptr && map[from[i]] != kNoRow) to[kept++] = map[from[i]];
    }
  }
  std::vector<uint32_t> pool;
  for (uint32_t index = 0; index < old.count; ++index) {
    if (map[index] == kNoRow || !bridge(level, old, map, index, &pool)) continue;
    const uint32_t node = map[index];
    choose(&worker_, level_index, node, pool.data(), static_cast<uint32_t>(pool.size()));
    uint32_t links[kGraphLinks0Max];
    const uint32_t count = degree(level, node);
    std::memcpy(links, level.linksOf(node), count * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; ++i) addLink(&worker_, level_index, links[i], node);
    if (count > 0 || level_index > 0) continue;
    // Cut off from all it knew: it waits for a proper insert.
    const uint32_t row = level.rowOf(node);
    if ((state_[row] & kInserted) != 0) ++waiting_;
    state_[row] &= static_cast<uint8_t>(~kInserted);
  }
  return {};
}

// Collects the present links of a node and the living links of its dead neighbours. False if it
// has none.
bool BuildState::bridge(const Level& level, const OldLevel& old, const uint32_t* map,
                        uint32_t index, std::vector<uint32_t>* pool) const {
  uint32_t from[kGraphLinks0Max];
  uint32_t beyond[kGraphLinks0Max];
  const uint32_t from_count = old.read(index, from);
  bool lost = false;
  pool->clear();
  for (uint32_t slot = 0; slot < from_count; ++slot) {
    if (map[from[slot]] != kNoRow) continue;
    lost = true;
    const uint32_t beyond_count = old.read(from[slot], beyond);
    for (uint32_t i = 0; i < beyond_count; ++i) {
      const uint32_t node = map[beyond[i]];
      if (node != kNoRow && node != map[index]) pool->push_back(node);
    }
  }
  if (!lost) return false;
  const uint32_t* links = level.linksOf(map[index]);
  pool->insert(pool->end(), links, links + degree(level, map[index]));
  std::sort(pool->begin(), pool->end());
  pool->erase(std::unique(pool->begin(), pool->end()), pool->end());
  return true;
}

}  // namespace rve
