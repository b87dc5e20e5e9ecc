// One insert (Malkov & Yashunin 2018, algorithm 1) and the choice of neighbours (algorithm 4).
#include "graph/build_state.hpp"

namespace rve {

// A level under construction, as GraphWalk reads it.
class BuildState::Source {
 public:
  Source(const BuildState& state, const Level& level, const NavQueryView& query)
      : state_(state), level_(level), query_(query) {}

  LinkList links(uint32_t node) const { return {level_.linksOf(node), level_.slots}; }

  void distances(const uint32_t* nodes, size_t count, float* out) const {
    const NavSpace& space = state_.space_;
    uint32_t rows[kGraphLinks0Max];
    if (level_.nodes != nullptr) {
      for (size_t i = 0; i < count; ++i) rows[i] = level_.nodes[nodes[i]];
      nodes = rows;
    }
    state_.k_->navDistances(query_, space.records, space.recordBytes(), nodes, count, out);
  }

  static bool accept(uint32_t) { return true; }
  void prefetchLinks(uint32_t node) const { __builtin_prefetch(level_.linksOf(node)); }
  void prefetchRecords(const uint32_t* nodes, size_t count) const {
    const NavSpace& space = state_.space_;
    for (size_t i = 0; i < count; ++i) {
      prefetchRecord(space.record(level_.rowOf(nodes[i])), space.recordBytes());
    }
  }

 private:
  const BuildState& state_;
  const Level& level_;
  const NavQueryView& query_;
};

void BuildState::insertRow(uint32_t row) {
  const uint32_t row_level = state_[row];
  state_[row] |= kInserted;
  if (top_node_ == kNoRow) {
    top_level_ = row_level;
    top_node_ = levels_[row_level].indexOf(row);
    return;
  }
  const NavQueryView query = navQueryFromRow(space_, row, query_values_.data());
  uint32_t level = std::min(row_level, top_level_);
  uint32_t entry = findEntry(query, level, row);
  for (;; --level) {
    const uint32_t self = levels_[level].indexOf(row);
    const uint32_t count =
        candidates(level, self, query, entry, params_.ef_construction, found_.data());
    if (count > 0) entry = found_[0].row;
    connect(level, self, found_.data(), count);
    if (level == 0) break;
    entry = levels_[level].down[entry];
  }
  if (row_level > top_level_) {
    top_level_ = row_level;
    top_node_ = levels_[row_level].indexOf(row);
  }
}

// Downhill from the top to level `target`; never ends on `self`, which may have links to it
// already.
uint32_t BuildState::findEntry(const NavQueryView& query, uint32_t target, uint32_t self) {
  uint32_t node = top_node_;
  float node_distance = navDistance(*k_, query, space_.record(levels_[top_level_].rowOf(node)));
  for (uint32_t l = top_level_; l > target; --l) {
    const Level& level = levels_[l];
    const Source source(*this, level, query);
    bool nearer = true;
    while (nearer) {
      nearer = false;
      float distances[kGraphLinks0Max];
      const uint32_t* links = level.linksOf(node);
      const uint32_t count = degree(level, node);
      source.distances(links, count, distances);
      for (uint32_t i = 0; i < count; ++i) {
        if (!(distances[i] < node_distance) || level.rowOf(links[i]) == self) continue;
        node_distance = distances[i];
        node = links[i];
        nearer = true;
      }
    }
    node = level.down[node];
  }
  return node;
}

// The nearest `ef` nodes of a level but `self`, nearest first.
uint32_t BuildState::candidates(uint32_t level, uint32_t self, const NavQueryView& query,
                                uint32_t entry, uint32_t ef, Scored* out) {
  Source source(*this, levels_[level], query);
  GraphWalk walk(&scratch_, levels_[level].count, ef, ef);
  walk.visit(self);
  if (walk.visit(entry)) {
    float distance;
    source.distances(&entry, 1, &distance);
    walk.offer(source, &entry, &distance, 1);
  }
  walk.run(source);
  return walk.take(out);
}

void BuildState::connect(uint32_t level, uint32_t self, const Scored* found, uint32_t count) {
  uint32_t kept[kGraphLinks0Max];
  const uint32_t kept_count = select(levels_[level], found, count, params_.links, kept);
  uint32_t* links = levels_[level].linksOf(self);
  // A row of an adopted graph that was cut off on level 0 comes again, and may have a list here.
  for (uint32_t i = 0; i < levels_[level].slots; ++i) {
    links[i] = i < kept_count ? found[kept[i]].row : kNoRow;
  }
  for (uint32_t i = 0; i < kept_count; ++i) addLink(level, found[kept[i]].row, self);
}

// Keeps a candidate if it is no nearer to any kept one than to the node itself: links then point
// in different directions. Of equal rows one is enough: a crowd of them would fill every list.
// `kept` gets positions in `sorted`.
uint32_t BuildState::select(const Level& level, const Scored* sorted, uint32_t count,
                            uint32_t keep_max, uint32_t* kept) {
  uint32_t kept_count = 0;
  for (uint32_t i = 0; i < count && kept_count < keep_max; ++i) {
    const uint32_t row = level.rowOf(sorted[i].row);
    bool keep = true;
    for (uint32_t j = 0; j < kept_count && keep; ++j) {
      const uint32_t other = level.rowOf(sorted[kept[j]].row);
      const float apart = navPairDistance(*k_, space_, row, other);
      keep = apart > sorted[i].distance || (apart == sorted[i].distance && !equalRows(row, other));
    }
    if (keep) kept[kept_count++] = i;
  }
  return kept_count;
}

// Appends a link; a full list is chosen anew from its links and the new one.
void BuildState::addLink(uint32_t level_index, uint32_t from, uint32_t to) {
  const Level& level = levels_[level_index];
  uint32_t* links = level.linksOf(from);
  const uint32_t count = degree(level, from);
  for (uint32_t i = 0; i < count; ++i) {
    if (links[i] == to) return;
  }
  if (count < level.slots) {
    links[count] = to;
    return;
  }
  uint32_t pool[kGraphLinks0Max + 1];
  std::memcpy(pool, links, count * sizeof(uint32_t));
  pool[count] = to;
  choose(level_index, from, pool, count + 1);
}

// Replaces the list of `node` by the heuristic's choice from `pool` (no duplicates, not `node`).
void BuildState::choose(uint32_t level_index, uint32_t node, const uint32_t* pool,
                        uint32_t count) {
  const Level& level = levels_[level_index];
  const NavQueryView query =
      navQueryFromRow(space_, level.rowOf(node), other_values_.data());
  const Source source(*this, level, query);
  choice_.resize(count);
  for (uint32_t i = 0; i < count; i += kGraphLinks0Max) {
    float distances[kGraphLinks0Max];
    const uint32_t batch = std::min(count - i, kGraphLinks0Max);
    source.distances(pool + i, batch, distances);
    for (uint32_t j = 0; j < batch; ++j) choice_[i + j] = {distances[j], pool[i + j]};
  }
  std::sort(choice_.begin(), choice_.end());
  uint32_t kept[kGraphLinks0Max];
  const uint32_t kept_count = select(level, choice_.data(), count, level.slots, kept);
  uint32_t* links = level.linksOf(node);
  for (uint32_t i = 0; i < level.slots; ++i) {
    links[i] = i < kept_count ? choice_[kept[i]].row : kNoRow;
  }
}

bool BuildState::equalRows(uint32_t a, uint32_t b) const {
  return std::memcmp(space_.record(a), space_.record(b), space_.recordBytes()) == 0;
}

uint32_t BuildState::degree(const Level& level, uint32_t node) const {
  const uint32_t* links = level.linksOf(node);
  uint32_t count = 0;
  while (count < level.slots && links[count] != kNoRow) ++count;
  return count;
}

}  // namespace rve
