// The parts of a query that look at every row, or at every row of the lists near it: what has no
// graph yet, and what a narrow filter leaves.
#include "engine/search_pass.hpp"

namespace rve {
namespace {

// Lists are looked into until they hold so many rows for each that is wanted.
constexpr uint64_t kListRowsPerResult = 256;

}  // namespace

void Searcher::searchTail(Pass* pass) {
  const Version& v = *pass->version;
  Scratch& s = *pass->s;
  const uint64_t rows = v.tail_end - v.tail_first;
  if (rows == 0) return;
  const auto wanted = [&](const TailRow& r) {
    return LiveState::visible(*r.block, r.at, v.lsn) && pass->predicate.matches(*r.block, r.at);
  };
  if (v.tail_live <= kExactRows) {
    for (uint64_t ordinal = v.tail_first; ordinal < v.tail_end; ordinal++) {
      if (!wanted(tailRow(*v.blocks, ordinal))) continue;
      rank(pass, {0, static_cast<uint32_t>(ordinal - v.tail_first), 0, 0});
    }
    return;
  }
  const BinaryCodec* prepared = nullptr;
  for (const auto& block : *v.blocks) {
    const uint64_t from = std::max(v.tail_first, block->first_ordinal);
    const uint64_t to = std::min(v.tail_end, block->first_ordinal + TailBlock::kRows);
    if (from >= to) continue;
    if (block->codec.get() != prepared) {
      prepared = block->codec.get();
      prepared->prepare(s.rotated.data(), &s.binary);
    }
    const auto at = static_cast<uint32_t>(from - block->first_ordinal);
    const auto number = static_cast<uint32_t>(from - v.tail_first);
    pass->scanOneBit(*block->codec, block->codes, at, static_cast<uint32_t>(to - from), 0,
                     [&](uint32_t i) { return number + i; },
                     [&](uint32_t row) { return wanted({block.get(), at + row - number}); },
                     &s.coarse);
  }
}

// Looks at every row that may match: for narrow filters, segments without a graph, and small ones.
void Searcher::scanSegment(Pass* pass, const Segment& segment, uint32_t place,
                           uint32_t matching_at_most) {
  Scratch& s = *pass->s;
  const AcceptContext accept{state_, &segment, &pass->predicate, pass->version->lsn};
  const uint32_t live = segment.rows() - segment.marks().deadCount();
  const bool narrow = matching_at_most < segment.rows() / 8 || live <= kExactRows;
  s.scored.clear();
  if (narrow) {
    const std::span<const TimeBlock> blocks = segment.timeBlocks();
    for (uint32_t first = 0; first < segment.rows(); first += kTimeBlockRows) {
      if (!pass->predicate.mayMatch(blocks[first / kTimeBlockRows])) continue;
      const uint32_t end = std::min(segment.rows(), first + kTimeBlockRows);
      for (uint32_t row = first; row < end; row++) {
        if (accept(row)) s.scored.push_back({0.0f, row});
      }
    }
    if (s.scored.size() <= kExactRows) {
      for (const Scored& scored : s.scored) rank(pass, {0, scored.row, place, 0});
      return;
    }
  }
  if (segment.tiers() != nullptr) {
    scanTiers(pass, segment, place);
    return;
  }
  if (segment.linked()) {
    segment.nav().prepare(s.rotated.data(), &s.nav);
    s.top.reset(std::max(rankedOfFourBit(pass->k), pass->ef / 2));
    const RowFilter filter{AcceptContext::call, &accept};
    const uint32_t skipped = scanRecords(segment.navSpace(), s.nav.view(), 0, segment.rows(),
                                         filter, segment.recordsGuard(), &s.top);
    if (skipped > 0) {
      segment.noteDamage();
      pass->degraded = true;
    }
  } else {
    const std::byte* codes = segment.codes();
    if (codes == nullptr) {
      pass->degraded = true;
      for (uint32_t row = 0; row < segment.rows(); row++) {
        if (accept(row)) rank(pass, {0, row, place, 0});
      }
      return;
    }
    if (segment.codeLists() != nullptr) {
      const CoarseQuantizer& quantizer = segment.codeLists()->quantizer();
      for (uint32_t list = 0; list < quantizer.lists(); list++) {
        quantizer.codec(list).prepare(s.rotated.data(), &s.binary);
        scanList(pass, segment, place, list);
      }
      return;
    }
    segment.binary().prepare(s.rotated.data(), &s.binary);
    constexpr uint32_t kStep = 4096;
    for (uint32_t first = 0; first < segment.rows(); first += kStep) {
      const uint32_t count = std::min(kStep, segment.rows() - first);
      pass->scanOneBit(segment.binary(), codes, first, count, place,
                       [&](uint32_t i) { return first + i; }, accept, &s.coarse);
    }
    return;
  }
  for (const Scored& scored : s.top.sorted()) {
    s.fine.add({scored.distance, scored.row, place, scored.distance});
  }
}

// Requires the query prepared for this list, and codes that are whole.
void Searcher::scanList(Pass* pass, const Segment& segment, uint32_t place, uint32_t list) {
  const AcceptContext accept{state_, &segment, &pass->predicate, pass->version->lsn};
  const std::byte* codes = segment.codes();
  const CodeLists::List& rows = segment.codeLists()->list(list);
  // Whole blocks are fastest; what fills the last one is no row.
  const auto count = static_cast<uint32_t>(roundUp(rows.rows.size(), kBinaryBlockRows));
  const auto rowOf = [&](uint32_t i) { return i < rows.rows.size() ? rows.rows[i] : kNoRow; };
  // A row number of a foreign file may be any.
  const auto wanted = [&](uint32_t row) { return row < segment.rows() && accept(row); };
  pass->scanOneBit(segment.codeLists()->quantizer().codec(list), codes, rows.first_code, count,
                   place, rowOf, wanted, &pass->s->listed);
}

// Of the segments that wait without lists; ranks with them what is left of the tail.
void Searcher::searchUnlisted(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled) {
  searchSegments(pass, false, cancel, cancelled);
  if (!*cancelled) rankByBound(pass, pass->s->coarse.rows());
}

// Of all segments whose codes stand in lists, the lists near the query, and ranks what they give.
// Those of one quantizer together: it is asked once, and the query prepared once for each list.
void Searcher::scanNearLists(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled) {
  if (!looksIntoNearLists(*pass)) return;
  const Segments& segments = *pass->version->segments;
  Scratch& s = *pass->s;
  s.waiting.clear();
  for (uint32_t place = 1; place <= segments.size(); place++) {
    if (segments[place - 1]->waitsInLists()) s.waiting.push_back(place);
  }
  const auto quantizerOf = [&](uint32_t place) {
    return &segments[place - 1]->codeLists()->quantizer();
  };
  while (!s.waiting.empty()) {
    const CoarseQuantizer* quantizer = quantizerOf(s.waiting.front());
    const auto of_it = std::partition(s.waiting.begin(), s.waiting.end(), [&](uint32_t place) {
      return quantizerOf(place) != quantizer;
    });
    const std::span<const uint32_t> places(of_it, s.waiting.end());
    const uint32_t near = quantizer->choose(s.rotated.data(), &s.lists);
    uint64_t rows = 0;
    for (uint32_t i = 0; i < s.lists.size(); i++) {
      // What is near was measured with few results of thousands of rows.
      if (i >= near && rows >= kListRowsPerResult * pass->k) break;
      *cancelled = cancel != nullptr && cancel->load(std::memory_order_relaxed);
      if (*cancelled) return;
      const uint32_t list = s.lists[i];
      quantizer->codec(list).prepare(s.rotated.data(), &s.binary);
      for (size_t n = 0; n < places.size(); n++) {
        const Segment& segment = *segments[places[n] - 1];
        if (n + 1 < places.size()) segments[places[n + 1] - 1]->prefetchList(list);
        scanList(pass, segment, places[n], list);
        rows += segment.codeLists()->list(list).rows.size();
      }
    }
    s.waiting.erase(of_it, s.waiting.end());
  }
  rankByBound(pass, s.listed.rows());
}

void Searcher::scanTiers(Pass* pass, const Segment& segment, uint32_t place) {
  constexpr uint32_t kBatch = 64;
  const AcceptContext accept{state_, &segment, &pass->predicate, pass->version->lsn};
  TierDistances records(segment, context_, pass->query, &pass->s->tiers);
  uint32_t rows[kBatch];
  float distances[kBatch];
  uint32_t waiting = 0;
  const auto flush = [&] {
    records.distances(rows, waiting, distances);
    for (uint32_t i = 0; i < waiting; i++) {
      if (distances[i] == std::numeric_limits<float>::max()) continue;
      pass->s->fine.add({distances[i], rows[i], place, distances[i]});
    }
    waiting = 0;
  };
  for (uint32_t row = 0; row < segment.rows(); row++) {
    if (!accept(row)) continue;
    rows[waiting++] = row;
    if (waiting == kBatch) flush();
  }
  flush();
  pass->degraded = pass->degraded || records.unreadable() > 0;
}

}  // namespace rve
