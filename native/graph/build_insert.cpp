// One insert (Malkov & Yashunin 2018, algorithm 1) and the choice of neighbours (algorithm 4).
#include "graph/build_state.hpp"

namespace rve {

// A level under construction, as GraphWalk reads it.
class BuildState::Source {
 public:
  Source(const BuildState& state, const Level& level, const NavQueryView& query)
      : state_(state), level_(level), query_(query) {}

  // While other threads write, a copy: torn at worst, but each slot a link or the end.
  LinkList links(uint32_t node) {
    if (state_.locks_ == nullptr) return {level_.linksOf(node), level_.slots};
    return {copy_, level_.read(node, copy_)};
  }

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
  void prefetchLinks(uint32_t node) const { prefetchLine(level_.linksOf(node)); }
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
  uint32_t copy_[kGraphLinks0Max];
};

// First all neighbours are chosen, from the top down; then the row is linked from the bottom up, so
// that whoever meets it on a level finds its lists on those below.
void BuildState::insertRow(Worker* worker, uint32_t row) {
  const uint32_t row_level = state_[row];
  state_[row] |= kInserted;
  std::unique_lock<std::mutex> growing;
  Top top = top_.load(std::memory_order_acquire);
  if (top.node == kNoRow || row_level > top.level) {
    growing = std::unique_lock<std::mutex>(grow_);
    top = top_.load(std::memory_order_acquire);
    if (top.node != kNoRow && row_level <= top.level) growing.unlock();
  }
  if (top.node != kNoRow) {
    const NavQueryView query = navQueryFromRow(space_, row, worker->query_values.data());
    const uint32_t highest = std::min(row_level, top.level);
    uint32_t kept[kGraphLevelsMax][kGraphLinks0Max / 2];
    uint32_t kept_count[kGraphLevelsMax];
    uint32_t entry = findEntry(query, highest, row);
    for (uint32_t level = highest;; --level) {
      const uint32_t self = levels_[level].indexOf(row);
      Scored* found = worker->found.data();
      const uint32_t count =
          candidates(worker, level, self, query, entry, params_.ef_construction, found);
      kept_count[level] = select(levels_[level], found, count, params_.links, kept[level]);
      if (count > 0) entry = found[0].row;
      for (uint32_t i = 0; i < kept_count[level]; ++i) kept[level][i] = found[kept[level][i]].row;
      if (level == 0) break;
      entry = levels_[level].down[entry];
    }
    for (uint32_t level = 0; level <= highest; ++level) {
      connect(worker, level, levels_[level].indexOf(row), kept[level], kept_count[level]);
    }
  }
  if (growing.owns_lock()) {
    top_.store({row_level, levels_[row_level].indexOf(row)}, std::memory_order_release);
  }
}

// Downhill from the top to level `target`; never ends on `self`, which may have links to it
// already.
uint32_t BuildState::findEntry(const NavQueryView& query, uint32_t target, uint32_t self) {
  const Top top = top_.load(std::memory_order_acquire);
  uint32_t node = top.node;
  float node_distance = navDistance(*k_, query, space_.record(levels_[top.level].rowOf(node)));
  for (uint32_t l = top.level; l > target; --l) {
    const Level& level = levels_[l];
    const Source source(*this, level, query);
    bool nearer = true;
    while (nearer) {
      nearer = false;
      float distances[kGraphLinks0Max];
      uint32_t links[kGraphLinks0Max];
      const uint32_t count = level.read(node, links);
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
uint32_t BuildState::candidates(Worker* worker, uint32_t level, uint32_t self,
                                const NavQueryView& query, uint32_t entry, uint32_t ef,
                                Scored* out) {
  Source source(*this, levels_[level], query);
  GraphWalk walk(&worker->scratch, levels_[level].count, ef, ef);
  walk.visit(self);
  if (walk.visit(entry)) {
    float distance;
    source.distances(&entry, 1, &distance);
    walk.offer(source, &entry, &distance, 1);
  }
  walk.run(source);
  return walk.take(out);
}

void BuildState::connect(Worker* worker, uint32_t level, uint32_t self, const uint32_t* kept,
                         uint32_t count) {
  {
    // A row of an adopted graph that was cut off on level 0 comes again, and may have a list here.
    const auto lock = lockOf(level, self);
    levels_[level].write(self, kept, count);
  }
  for (uint32_t i = 0; i < count; ++i) addLink(worker, level, kept[i], self);
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
void BuildState::addLink(Worker* worker, uint32_t level_index, uint32_t from, uint32_t to) {
  const Level& level = levels_[level_index];
  const auto lock = lockOf(level_index, from);
  const uint32_t* links = level.linksOf(from);
  const uint32_t count = degree(level, from);
  for (uint32_t i = 0; i < count; ++i) {
    if (links[i] == to) return;
  }
  if (count < level.slots) {
    level.set(from, count, to);
    return;
  }
  uint32_t pool[kGraphLinks0Max + 1];
  std::memcpy(pool, links, count * sizeof(uint32_t));
  pool[count] = to;
  choose(worker, level_index, from, pool, count + 1);
}

// Replaces the list of `node` by the heuristic's choice from `pool` (no duplicates, not `node`).
void BuildState::choose(Worker* worker, uint32_t level_index, uint32_t node, const uint32_t* pool,
                        uint32_t count) {
  const Level& level = levels_[level_index];
  const NavQueryView query =
      navQueryFromRow(space_, level.rowOf(node), worker->other_values.data());
  const Source source(*this, level, query);
  std::vector<Scored>& choice = worker->choice;
  choice.resize(count);
  for (uint32_t i = 0; i < count; i += kGraphLinks0Max) {
    float distances[kGraphLinks0Max];
    const uint32_t batch = std::min(count - i, kGraphLinks0Max);
    source.distances(pool + i, batch, distances);
    for (uint32_t j = 0; j < batch; ++j) choice[i + j] = {distances[j], pool[i + j]};
  }
  std::sort(choice.begin(), choice.end());
  uint32_t kept[kGraphLinks0Max];
  const uint32_t kept_count = select(level, choice.data(), count, level.slots, kept);
  for (uint32_t i = 0; i < kept_count; ++i) kept[i] = choice[kept[i]].row;
  level.write(node, kept, kept_count);
}

bool BuildState::equalRows(uint32_t a, uint32_t b) const {
  return std::memcmp(space_.record(a), space_.record(b), space_.recordBytes()) == 0;
}

// Requires: nobody else writes this list.
uint32_t BuildState::degree(const Level& level, uint32_t node) const {
  const uint32_t* links = level.linksOf(node);
  uint32_t count = 0;
  while (count < level.slots && links[count] != kNoRow) ++count;
  return count;
}

}  // namespace rve
