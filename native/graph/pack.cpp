#include "graph/pack.hpp"

#include <algorithm>

namespace rve {
namespace {

struct PackedLevel {
  uint32_t count = 0;
  uint32_t low_bits = 0;
  uint64_t bits = 0;
  uint64_t links = 0;
  uint64_t nodes = 0;
  uint64_t down = 0;
  uint64_t directory = 0;
  uint64_t lists = 0;

  uint64_t spread() const { return (count - 1) >> low_bits; }
};

// Appends bits to zeroed bytes.
class BitWriter {
 public:
  explicit BitWriter(std::byte* at) : at_(at) {}

  // count: 0..28.
  void put(uint64_t value, uint32_t count) {
    std::byte* to = at_ + bit_ / 8;
    uint64_t word;
    std::memcpy(&word, to, sizeof word);
    word |= value << (bit_ % 8);
    std::memcpy(to, &word, sizeof word);
    bit_ += count;
  }
  void setAhead(uint64_t distance) {
    at_[(bit_ + distance) / 8] |= static_cast<std::byte>(1u << ((bit_ + distance) % 8));
  }
  void skip(uint64_t count) { bit_ += count; }
  uint64_t bit() const { return bit_; }

 private:
  std::byte* at_;
  uint64_t bit_ = 0;
};

Status readAll(const GraphView& graph, uint32_t level, uint32_t node, uint32_t* links,
               uint32_t* count) {
  *count = graph.readLinks(level, node, links);
  if (*count == GraphView::kUnreadable) {
    return Status(Code::kCorrupt, "graph: a list is unreadable");
  }
  for (uint32_t i = 0; i < *count; ++i) {
    if (links[i] >= graph.level(level).count) {
      return Status(Code::kCorrupt, "graph: a link out of range");
    }
  }
  std::sort(links, links + *count);
  return {};
}

// The low_bits that take the fewest bits.
void chooseLowBits(PackedLevel* level) {
  level->bits = ~uint64_t{0};
  for (uint32_t low_bits = 0; low_bits <= 28; ++low_bits) {
    const uint64_t spread = (level->count - 1) >> low_bits;
    const uint64_t bits = level->links * (low_bits + 1) + level->count * spread;
    if (spread > kPackedSpreadMax || bits >= level->bits) continue;
    level->bits = bits;
    level->low_bits = low_bits;
  }
}

Status place(const GraphView& graph, PackedLevel* levels, uint64_t* bytes) {
  *bytes = roundUp(kGraphHeaderBytes + graph.levels() * kGraphPackedEntryBytes, 64);
  const auto take = [&](uint64_t section_bytes) {
    const uint64_t at = *bytes;
    *bytes += roundUp(section_bytes, 64);
    return at;
  };
  for (uint32_t l = 0; l < graph.levels(); ++l) {
    PackedLevel& level = levels[l];
    level.count = graph.level(l).count;
    for (uint32_t node = 0; node < level.count; ++node) {
      uint32_t list[kGraphLinks0Max];
      uint32_t count;
      RVE_TRY(readAll(graph, l, node, list, &count));
      level.links += count;
    }
    chooseLowBits(&level);
    if (l > 0) level.nodes = level.down = take(uint64_t{level.count} * 4);
    if (l > 1) level.down = take(uint64_t{level.count} * 4);
    level.directory = take(divideUp(level.count, kPackedBlockNodes) * kPackedBlockBytes);
    level.lists = take(divideUp(level.bits, 8) + kPackedSpareBytes);
  }
  return {};
}

void writeHeader(const GraphView& graph, const PackedLevel* levels, MutableBytes bytes) {
  const uint32_t words[] = {kGraphMagic,   kGraphVersionPacked, graph.rows(),
                            graph.links0(), graph.links(),      graph.levels(),
                            graph.entryLevel()};
  for (size_t i = 0; i < std::size(words); ++i) store(bytes, 4 * i, words[i]);
  store(bytes, 32, uint64_t{bytes.size()});
  store(bytes, 40, levels[0].directory);
  store(bytes, 48, kGraphHeaderBytes);
  for (uint32_t l = 0; l < graph.levels(); ++l) {
    const size_t at = kGraphHeaderBytes + l * kGraphPackedEntryBytes;
    store(bytes, at, levels[l].count);
    store(bytes, at + 4, levels[l].low_bits);
    const uint64_t offsets[] = {levels[l].nodes, levels[l].down, levels[l].directory,
                                levels[l].lists, levels[l].bits, levels[l].links};
    for (size_t i = 0; i < std::size(offsets); ++i) store(bytes, at + 8 + 8 * i, offsets[i]);
  }
}

Status writeLists(const GraphView& graph, uint32_t l, const PackedLevel& level, std::byte* bytes) {
  BitWriter bits(bytes + level.lists);
  const uint32_t low_mask = (1u << level.low_bits) - 1;
  for (uint32_t node = 0; node < level.count; ++node) {
    uint32_t list[kGraphLinks0Max];
    uint32_t count;
    RVE_TRY(readAll(graph, l, node, list, &count));
    std::byte* block = bytes + level.directory +
                       uint64_t{node} / kPackedBlockNodes * kPackedBlockBytes;
    const uint32_t index = node % kPackedBlockNodes;
    if (index == 0) store(MutableBytes(block, 8), 0, bits.bit());
    block[8 + index] = static_cast<std::byte>(count);
    for (uint32_t i = 0; i < count; ++i) bits.put(list[i] & low_mask, level.low_bits);
    for (uint32_t i = 0; i < count; ++i) bits.setAhead((list[i] >> level.low_bits) + i);
    bits.skip(count + level.spread());
  }
  RVE_ASSERT(bits.bit() == level.bits);
  return {};
}

}  // namespace

Status packGraph(const GraphView& graph, LargeBytes* out) {
  PackedLevel levels[kGraphLevelsMax];
  uint64_t bytes = 0;
  RVE_TRY(place(graph, levels, &bytes));
  LargeBytes packed = LargeBytes::allocate(bytes);
  if (packed.data == nullptr) return Status(Code::kNoMemory, "graph: packed links");
  std::memset(packed.data.get(), 0, bytes);
  writeHeader(graph, levels, {packed.data.get(), static_cast<size_t>(bytes)});
  for (uint32_t l = 0; l < graph.levels(); ++l) {
    const PackedLevel& level = levels[l];
    RVE_TRY(writeLists(graph, l, level, packed.data.get()));
    if (l == 0) continue;
    const size_t index_bytes = size_t{level.count} * 4;
    std::memcpy(packed.data.get() + level.nodes, graph.nodes(l), index_bytes);
    if (l > 1) std::memcpy(packed.data.get() + level.down, graph.down(l), index_bytes);
  }
  *out = std::move(packed);
  return {};
}

}  // namespace rve
