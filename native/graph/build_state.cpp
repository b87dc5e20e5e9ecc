#include "graph/build_state.hpp"

#include <new>

#include "kernels/split_mix.hpp"

namespace rve {
namespace {

// A search begins with a flat scan of the lowest level that has at most this many nodes.
// SEARCH.md: 256 to 512 are equal, 1,024 are slower.
constexpr uint32_t kEntryNodesMax = 512;

constexpr uint8_t kNotDrawn = 0xFF;

// A level with probability M^-level, by integers alone, so that every machine draws the same.
uint8_t drawLevel(uint64_t seed, uint32_t row, uint32_t links) {
  const uint64_t hash = splitMix(splitMix(seed) ^ row);
  uint64_t threshold = ~uint64_t{0} / links;
  uint8_t level = 0;
  while (hash < threshold && level + 1u < kGraphLevelsMax) {
    threshold /= links;
    ++level;
  }
  return level;
}

}  // namespace

uint64_t BuildState::scratchBytes(uint32_t rows, const GraphParams& params, uint32_t threads) {
  // A row: its state, 4 bytes while lists are adopted, 4 to 8 while reach is checked, and for each
  // thread its visited mark.
  return uint64_t{rows} * (9 + threads) + uint64_t{params.ef_construction} * 24 * threads +
         256 * 1024;
}

Status BuildState::begin(const NavSpace& space, const GraphParams& params, const GraphView* old,
                         std::span<const uint32_t> old_to_new) {
  space_ = space;
  params_ = params;
  k_ = &kernels();
  waiting_ = space.rows;
  RVE_TRY(prepare(&worker_));
  RVE_TRY(drawLevels(old, old_to_new));
  RVE_TRY(layOut());
  return old == nullptr ? Status() : adopt(*old, old_to_new);
}

// Every row keeps the level that it has in the old graph; the others draw one.
Status BuildState::drawLevels(const GraphView* old, std::span<const uint32_t> old_to_new) {
  state_.reset(new (std::nothrow) uint8_t[space_.rows]);
  if (state_ == nullptr) return Status(Code::kNoMemory, "graph builder: row states");
  std::memset(state_.get(), kNotDrawn, space_.rows);
  for (const uint32_t row : old_to_new) {
    if (row == kNoRow) continue;
    if (row >= space_.rows || state_[row] != kNotDrawn) {
      return Status(Code::kArgument, "graph: a new row is out of range or named twice");
    }
    state_[row] = 0;
  }
  for (uint32_t l = 1; old != nullptr && l < old->levels(); ++l) {
    const uint32_t* nodes = old->nodes(l);
    for (uint32_t index = 0; index < old->level(l).count; ++index) {
      if (nodes[index] >= old->rows() || (index > 0 && nodes[index] <= nodes[index - 1])) {
        return Status(Code::kCorrupt, "graph: nodes of a level out of range or order");
      }
      const uint32_t row = old_to_new[nodes[index]];
      if (row == kNoRow) continue;
      if (state_[row] != l - 1) {
        return Status(Code::kCorrupt, "graph: a node is missing on the level below");
      }
      state_[row] = static_cast<uint8_t>(l);
    }
  }
  level_count_ = 1;
  for (uint32_t row = 0; row < space_.rows; ++row) {
    if (state_[row] == kNotDrawn) state_[row] = drawLevel(params_.seed, row, params_.links);
    level_count_ = std::max(level_count_, state_[row] + 1u);
    for (uint32_t l = 1; l <= state_[row]; ++l) ++levels_[l].count;
  }
  levels_[0].count = space_.rows;
  return {};
}

// Places every section, allocates the whole, fills `nodes` and `down`, and empties all lists.
Status BuildState::layOut() {
  uint64_t at = kGraphLevel0Offset;
  uint64_t offsets[kGraphLevelsMax];
  for (uint32_t l = 0; l < level_count_; ++l) {
    Level& level = levels_[l];
    level.slots = l == 0 ? 2 * params_.links : params_.links;
    offsets[l] = at;
    if (l > 0) at += 2 * roundUp(uint64_t{level.count} * 4, 64);
    at += roundUp(uint64_t{level.count} * level.slots * 4, 64);
  }
  out_ = LargeBytes::allocate(at);
  if (out_.data == nullptr) return Status(Code::kNoMemory, "graph: links");
  std::memset(out_.data.get(), 0, kGraphLevel0Offset);
  entry_level_ = level_count_ - 1;
  for (uint32_t l = 0; l < level_count_; ++l) {
    Level& level = levels_[l];
    std::byte* section = out_.data.get() + offsets[l];
    const uint64_t end = l + 1 < level_count_ ? offsets[l + 1] : at;
    std::memset(section, 0, end - offsets[l]);
    if (l > 0) {
      const uint64_t index_bytes = roundUp(uint64_t{level.count} * 4, 64);
      level.nodes = viewAsMutable<uint32_t>(section);
      level.down = viewAsMutable<uint32_t>(section + index_bytes);
      section += 2 * index_bytes;
    }
    level.links = viewAsMutable<uint32_t>(section);
    std::memset(section, 0xFF, uint64_t{level.count} * level.slots * 4);
    if (level.count <= kEntryNodesMax) entry_level_ = std::min(entry_level_, l);
  }
  uint32_t filled[kGraphLevelsMax] = {};
  for (uint32_t row = 0; row < space_.rows; ++row) {
    uint32_t below = row;
    for (uint32_t l = 1; l <= state_[row]; ++l) {
      const uint32_t index = filled[l]++;
      levels_[l].nodes[index] = row;
      levels_[l].down[index] = below;
      below = index;
    }
  }
  return {};
}

void BuildState::writeHeader() {
  const MutableBytes bytes{out_.data.get(), static_cast<size_t>(out_.bytes)};
  const uint32_t words[] = {kGraphMagic,       kGraphVersionFlat, space_.rows,
                            2 * params_.links, params_.links, level_count_,
                            entry_level_,      0};
  for (size_t i = 0; i < 8; ++i) store(bytes, 4 * i, words[i]);
  store(bytes, 32, out_.bytes);
  store(bytes, 40, kGraphLevel0Offset);
  store(bytes, 48, kGraphHeaderBytes);
  const auto offsetOf = [&](const uint32_t* at) {
    return static_cast<uint64_t>(addressOf(at) - addressOf(bytes.data()));
  };
  for (uint32_t l = 1; l < level_count_; ++l) {
    const size_t at = kGraphHeaderBytes + (l - 1) * kGraphTableEntryBytes;
    store(bytes, at, levels_[l].count);
    store(bytes, at + 8, offsetOf(levels_[l].nodes));
    store(bytes, at + 16, offsetOf(levels_[l].down));
    store(bytes, at + 24, offsetOf(levels_[l].links));
  }
}

uint32_t BuildState::step(uint32_t rows_max, const std::atomic<bool>* stop) {
  uint32_t inserted = 0;
  while (inserted < rows_max && waiting_ > 0) {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) break;
    while ((state_[next_row_] & kInserted) != 0) ++next_row_;
    insertRow(&worker_, next_row_);
    --waiting_;
    ++inserted;
  }
  return inserted;
}

LargeBytes BuildState::finish() {
  reachAll();
  writeHeader();
  return std::move(out_);
}

}  // namespace rve
