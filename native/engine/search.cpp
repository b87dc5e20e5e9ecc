#include "engine/search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codecs/half.hpp"
#include "engine/hidden_row.hpp"
#include "engine/nearest.hpp"
#include "engine/recall_plan.hpp"
#include "engine/tier_search.hpp"
#include "graph/search.hpp"

namespace rve {
namespace {

// Below this many live rows exact distances cost less than the codes and their re-ranking.
constexpr uint32_t kExactRows = 1024;

// How many of the best by code are ranked exactly. 1-bit codes: the true ten are among the best 100
// with probability 0.993 on spread data at d = 128, but on small clustered sets a dozen times k was
// too few (bench churn: 0.945 at the worst look); 4-bit codes: among the best 20.
// Who asks for more than 0.99 has twice as many ranked.
constexpr float kRecallRankedTwice = 0.99f;
uint32_t rankedOfOneBit(uint32_t k, float recall) {
  return std::max(384u, 24 * k) * (recall > kRecallRankedTwice ? 2 : 1);
}
uint32_t rankedOfFourBit(uint32_t k) { return std::max(24u, 3 * k); }

// Of those, only what may still be among the k nearest: the codec's error bound (1.9 sigma) times
// this, 2.85 sigma, is exceeded by one row in 400.
constexpr float kBoundFactor = 1.5f;

// Of a vector that is about to be ranked; the processor's own prefetcher brings what follows.
constexpr size_t kPrefetchBytes = 512;
constexpr size_t kFetchedAtOnce = 8;

// Standard deviations by which a 4-bit estimate may be wrong before its row is given up: one in 700
// is.
constexpr double kErrorsAllowed = 3.0;
constexpr uint32_t kRankedAtLeast = 16;  // enough to know the deviation by

}  // namespace

struct Searcher::Hit {
  float distance;
  uint64_t id;
  const Segment* segment;  // null: the tail
  uint64_t row;            // or ordinal
  bool operator<(const Hit& other) const {
    return distance < other.distance || (distance == other.distance && id < other.id);
  }
};

// One per thread: no allocation per query once it has grown.
struct Searcher::Scratch {
  GraphScratch graph;
  BinaryQuery binary;
  NavQuery nav;
  TierQueries tiers;
  std::vector<float> unit, rotated, estimates;
  std::vector<Scored> scored;
  TopRows top;
  Nearest coarse, fine;  // by 1-bit and by 4-bit codes, over all places
  std::vector<Hit> hits;  // max-heap while searching
  std::vector<VectorRef> vectors;
};

struct Searcher::Pass {
  Scratch* s;
  const Version* version;
  const float* query;
  uint32_t k;
  uint32_t ef;    // of the segment at hand, where a recall is asked for; else of all
  float recall;   // 0: none is
  uint32_t hidden;  // row that no walk meets; kNoRow: none
  RowPredicate predicate;
  bool degraded = false;

  uint32_t efOf(const Segment& segment) const {
    return recall == 0 ? ef : efForRecall(segment.recallCurve(), recall, k);
  }
  uint32_t efLargest() const {
    uint32_t largest = recall == 0 ? ef : 0;
    for (const auto& segment : *version->segments) largest = std::max(largest, efOf(*segment));
    return largest;
  }

  // The k-th nearest distance so far; nothing farther can be a result.
  float worst() const {
    return s->hits.size() < k ? std::numeric_limits<float>::infinity() : s->hits.front().distance;
  }
  // Adds rows [first, first + count) of 1-bit codes that `wanted` takes and that may be among the k
  // nearest. `number`: how a candidate names row `first`. Costs 1.3 ns a row at d = 128.
  template <typename Wanted>
  void scanOneBit(const BinaryCodec& codec, const std::byte* codes, uint32_t first, uint32_t count,
                  uint32_t number, uint32_t place, const Wanted& wanted) {
    codec.scan(s->binary, codes, first, count, s->estimates.data());
    for (uint32_t i = 0; i < count; i += kBinaryBlockRows) {
      const uint32_t end = std::min(count, i + kBinaryBlockRows);
      // Few blocks hold a row that can still enter, so bounds are worth taking one by one.
      if (end - i == kBinaryBlockRows && !anyBelow(s->estimates.data() + i)) continue;
      for (uint32_t at = i; at < end; at++) {
        const float estimate = s->estimates[at];
        if (!(estimate < s->coarse.threshold())) continue;
        const float bound = codec.errorBound(s->binary, codes, first + at);
        const float least = estimate - kBoundFactor * bound;
        if (least > worst() || !wanted(first + at)) continue;
        s->coarse.add({estimate, number + at, place, least});
      }
    }
  }
  // Of kBinaryBlockRows estimates, whether one may enter. Counted: several are compared at once.
  bool anyBelow(const float* estimates) const {
    const float threshold = s->coarse.threshold();
    uint32_t below = 0;
    for (uint32_t i = 0; i < kBinaryBlockRows; i++) below += estimates[i] < threshold ? 1 : 0;
    return below > 0;
  }
};

Searcher::Searcher(LiveState* state, Store* store, const SegmentContext& context, Clock* clock,
                   uint32_t ef_default, const HeatScale* heat_scale)
    : state_(state), store_(store), context_(context), clock_(clock), ef_default_(ef_default),
      heat_scale_(heat_scale) {}

Searcher::Scratch& Searcher::scratch() {
  thread_local Scratch scratch;
  return scratch;
}

Status Searcher::checkRequest(const QueryRequest& r) const {
  if (r.k < 1 || r.k > kKMax) return Status(Code::kArgument, "k must be 1 to 1024");
  if (r.ef > kEfMax) return Status(Code::kArgument, "ef must be 1 to 4096");
  if (r.recall != 0 && !(r.recall >= kRecallMin && r.recall <= kRecallMax)) {
    return Status(Code::kArgument, "recall must be 0.5 to 0.999");
  }
  if (r.recall != 0 && r.ef != 0) return Status(Code::kArgument, "recall and ef: give one of them");
  if (r.count < 1 || r.vectors.size() != size_t{r.count} * context_.dims) {
    return Status(Code::kDimensions, "the memory has " + std::to_string(context_.dims) +
                                         " dimensions");
  }
  if (r.filter.has_from && r.filter.has_to && r.filter.from_ms > r.filter.to_ms) {
    return Status(Code::kFilter, "from lies after to");
  }
  return {};
}

Status Searcher::query(const QueryRequest& request, const std::atomic<bool>* cancel,
                       QueryResult* out) {
  const VersionHold hold = state_->hold();
  return queryVersion(*hold, request, cancel, out);
}

Status Searcher::queryVersion(const Version& version, const QueryRequest& request,
                              const std::atomic<bool>* cancel, QueryResult* out) {
  return answer(version, request, kNoRow, cancel, out);
}

Status Searcher::queryWithout(const Version& version, const QueryRequest& request, uint32_t row,
                              QueryResult* out) {
  return answer(version, request, row, nullptr, out);
}

Status Searcher::answer(const Version& version, const QueryRequest& request, uint32_t hidden,
                        const std::atomic<bool>* cancel, QueryResult* out) {
  const uint64_t started_ns = clock_->monotonicNs();
  RVE_TRY(checkRequest(request));
  Scratch& s = scratch();
  Pass pass{&s, &version, nullptr, request.k, 0, request.recall, hidden, {}, false};
  pass.ef = std::max(request.ef == 0 ? ef_default_ : request.ef, request.k);
  const uint32_t kept = std::max(rankedOfFourBit(pass.k), pass.efLargest());
  pass.predicate = RowPredicate::of(request.filter, store_->symbols());
  const size_t slots = size_t{request.count} * request.k;
  out->ids.assign(slots, -1);
  out->scores.assign(slots, std::numeric_limits<float>::quiet_NaN());
  out->counts.assign(request.count, 0);
  out->embeddings.clear();
  if (request.with_embeddings) out->embeddings.assign(slots * context_.dims, 0.0f);
  s.unit.resize(context_.dims);
  s.rotated.resize(context_.rotation->paddedDims());
  for (uint32_t i = 0; i < request.count; i++) {
    const float* vector = request.vectors.data() + size_t{i} * context_.dims;
    const float square = kernels().dotF32(vector, vector, context_.dims);
    if (!std::isfinite(square)) return Status(Code::kVector, "the query holds NaN or Inf");
    if (context_.kind == DistanceKind::kCosine && !(square > 0)) {
      return Status(Code::kVector, "the query is a zero vector");
    }
    const float scale =
        context_.kind == DistanceKind::kCosine ? 1.0f / std::sqrt(square) : 1.0f;
    for (uint32_t d = 0; d < context_.dims; d++) s.unit[d] = vector[d] * scale;
    context_.rotation->apply(s.unit.data(), s.rotated.data());
    pass.query = s.unit.data();
    s.tiers.begin(pass.query);
    s.hits.clear();
    s.coarse.reset(rankedOfOneBit(pass.k, pass.recall));
    s.fine.reset(kept);
    if (!pass.predicate.nothing) {
      // Graphs first: their k nearest, ranked, keep most of what the flat scans see from being
      // ranked at all.
      bool cancelled = false;
      searchSegments(&pass, true, cancel, &cancelled);
      rankNearestFirst(&pass, s.fine.rows());
      searchTail(&pass);
      searchSegments(&pass, false, cancel, &cancelled);
      if (cancelled) return Status(Code::kAborted, "the query was cancelled");
      rankByBound(&pass, s.coarse.rows());
    }
    std::sort(s.hits.begin(), s.hits.end());
    touch(pass);
    writeResult(&pass, request, i, out);
  }
  out->degraded = pass.degraded || state_->degraded(version);
  out->latency_us = static_cast<double>(clock_->monotonicNs() - started_ns) / 1000.0;
  return {};
}

// Of a record in a tier as exact as its code.
float Searcher::exactDistance(Pass* pass, const VectorRef& vector) const {
  if (vector.coder != nullptr) return pass->s->tiers.distance(vector);
  return plainDistance(vector, pass->query, context_.dims, context_.kind);
}

void Searcher::offerExact(Pass* pass, float distance, uint64_t id, const Segment* segment,
                          uint64_t row) {
  // Bytes that no insert would have taken: a foreign or damaged file.
  if (!std::isfinite(distance)) {
    pass->degraded = true;
    return;
  }
  const Hit hit{distance, id, segment, row};
  std::vector<Hit>& hits = pass->s->hits;
  if (hits.size() < pass->k) {
    hits.push_back(hit);
    std::push_heap(hits.begin(), hits.end());
  } else if (hit < hits.front()) {
    std::pop_heap(hits.begin(), hits.end());
    hits.back() = hit;
    std::push_heap(hits.begin(), hits.end());
  }
}

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
  s.estimates.resize(TailBlock::kRows);
  const BinaryCodec* prepared = nullptr;
  for (const auto& block : *v.blocks) {
    const uint64_t from = std::max(v.tail_first, block->first_ordinal);
    const uint64_t to = std::min(v.tail_end, block->first_ordinal + TailBlock::kRows);
    if (from >= to) continue;
    if (block->codec.get() != prepared) {
      prepared = block->codec.get();
      prepared->prepare(s.rotated.data(), &s.binary);
    }
    pass->scanOneBit(*block->codec, block->codes,
                     static_cast<uint32_t>(from - block->first_ordinal),
                     static_cast<uint32_t>(to - from), static_cast<uint32_t>(from - v.tail_first),
                     0, [&](uint32_t at) {
                       return wanted({block.get(), at});
                     });
  }
}

void Searcher::searchSegments(Pass* pass, bool linked, const std::atomic<bool>* cancel,
                              bool* cancelled) {
  const Segments& segments = *pass->version->segments;
  for (uint32_t place = 1; place <= segments.size() && !*cancelled; place++) {
    if (segments[place - 1]->linked() != linked) continue;
    *cancelled = cancel != nullptr && cancel->load(std::memory_order_relaxed);
    if (!*cancelled) searchSegment(pass, *segments[place - 1], place);
  }
}

void Searcher::searchSegment(Pass* pass, const Segment& segment, uint32_t place) {
  if (segment.unusable()) {
    pass->degraded = true;
    return;
  }
  const uint32_t at_most = pass->predicate.rowsAtMost(segment);
  if (at_most == 0) return;
  pass->ef = pass->efOf(segment);
  const bool restricted = pass->predicate.any || segment.marks().deadCount() > 0;
  const uint32_t narrow = std::max(4 * pass->ef, segment.rows() / 50);
  const bool walk = segment.isWalked() &&
                    (!pass->predicate.any || at_most > narrow);
  if (walk) {
    searchGraphOf(pass, segment, place, restricted);
  } else {
    scanSegment(pass, segment, place, at_most);
  }
}

namespace {

struct AcceptContext {
  const LiveState* state;
  const Segment* segment;
  const RowPredicate* predicate;
  uint64_t version_lsn;
};

bool acceptRow(const void* context, uint32_t row) {
  const auto& c = *static_cast<const AcceptContext*>(context);
  return c.state->visible(*c.segment, row, c.version_lsn) && c.predicate->matches(*c.segment, row);
}

}  // namespace

void Searcher::searchGraphOf(Pass* pass, const Segment& segment, uint32_t place,
                             bool restricted) {
  Scratch& s = *pass->s;
  const AcceptContext accept{state_, &segment, &pass->predicate, pass->version->lsn};
  GraphSearchParams params;
  params.ef = pass->ef;
  params.pool_max = restricted ? std::min(4 * pass->ef, kEfMax * 4) : pass->ef;
  if (restricted) params.filter = {acceptRow, &accept};
  params.links_guard = segment.graphGuard();
  if (!s.graph.reserve(segment.rows(), params.pool_max).ok()) {
    scanSegment(pass, segment, place, segment.rows());
    return;
  }
  s.scored.resize(std::max<size_t>(s.scored.size(), pass->ef));
  GraphSearchStats stats;
  uint32_t found = 0;
  const auto walk = [&](const GraphDistances& records) {
    HiddenRow without(records, pass->hidden);
    return searchGraph(segment.graph(), pass->hidden == kNoRow ? records : without.forGraph(),
                       params, &s.graph, s.scored.data(), &stats);
  };
  if (segment.hasNavRecords()) segment.nav().prepare(s.rotated.data(), &s.nav);
  if (segment.hasNavRecords() && pass->hidden == kNoRow) {
    params.records_guard = segment.recordsGuard();
    found = searchGraph(segment.graph(), segment.navSpace(), s.nav.view(), params, &s.graph,
                        s.scored.data(), &stats);
  } else if (segment.hasNavRecords()) {
    NavDistances records(segment.navSpace(), s.nav.view(), segment.recordsGuard());
    found = walk(records.forGraph());
    stats.skipped += records.unreadable();
  } else {
    TierDistances records(segment, context_, pass->query, &s.tiers);
    uint32_t entries[kTierProbeKept];
    params.entry_count = records.entries(entries);
    params.entries = entries;
    found = walk(records.forGraph());
    stats.skipped += records.unreadable();
  }
  if (stats.skipped > 0) {
    segment.noteDamage();
    pass->degraded = true;
  }
  // Too few, and more may match: the walk met too many rows that it could not return.
  if (found < pass->k && (restricted || stats.skipped > 0)) {
    scanSegment(pass, segment, place, segment.rows());
    return;
  }
  for (uint32_t i = 0; i < found; i++) {
    s.fine.add({s.scored[i].distance, s.scored[i].row, place, s.scored[i].distance});
  }
}

// Exact distance of one candidate, which is offered; infinite if its bytes are damaged.
float Searcher::rank(Pass* pass, const Candidate& c) {
  if (c.place == 0) {
    const uint64_t ordinal = pass->version->tail_first + c.row;
    const TailRow r = tailRow(*pass->version->blocks, ordinal);
    const VectorRef vector{context_.view + r.block->vector_at[r.at], r.block->dtypes[r.at]};
    const float distance = exactDistance(pass, vector);
    offerExact(pass, distance, r.block->ids[r.at], nullptr, ordinal);
    return distance;
  }
  const Segment& segment = *(*pass->version->segments)[c.place - 1];
  return rankRow(pass, segment, segment.vectorOf(c.row), c.row);
}

float Searcher::rankRow(Pass* pass, const Segment& segment, const VectorRef& vector, uint32_t row) {
  if (vector.at == nullptr) {
    pass->degraded = true;
    return std::numeric_limits<float>::infinity();
  }
  const float distance = exactDistance(pass, vector);
  // Its id is never asked for.
  if (std::isfinite(distance) && distance > pass->worst()) return distance;
  uint64_t id = 0;
  if (!segment.idOf(row, &id)) {
    pass->degraded = true;
    return distance;
  }
  offerExact(pass, distance, id, &segment, row);
  return distance;
}

// What was never read since the open is asked of the device at once, not fault by fault; what is in
// memory comes to the caches meanwhile, since vectors are strewn and each would be waited for.
void Searcher::fetch(Pass* pass, const std::vector<Candidate>& candidates, size_t from, size_t to) {
  std::vector<VectorRef>& vectors = pass->s->vectors;
  vectors.resize(std::max(vectors.size(), to));
  for (size_t i = from; i < to; i++) {
    const Candidate& c = candidates[i];
    vectors[i] = {};
    if (c.place == 0) continue;
    vectors[i] = (*pass->version->segments)[c.place - 1]->prefetchVector(c.row);
    if (vectors[i].at == nullptr) continue;
    const size_t bytes = size_t{context_.dims} * dtypeBytes(vectors[i].dtype);
    for (size_t at = 0; at < std::min(bytes, kPrefetchBytes); at += 64)
      __builtin_prefetch(vectors[i].at + at);
  }
}

// By their 4-bit estimates, nearest first, until the next one would have to be nearer than it looks
// by more than the errors seen so far allow: then all others would have to as well.
void Searcher::rankNearestFirst(Pass* pass, std::vector<Candidate>& candidates) {
  if (!std::is_sorted(candidates.begin(), candidates.end()))
    std::sort(candidates.begin(), candidates.end());
  std::vector<VectorRef>& vectors = pass->s->vectors;
  const size_t sure =
      std::min<size_t>(candidates.size(), std::max(kRankedAtLeast, pass->k + pass->k / 2));
  double error_sum = 0, error_squares = 0;
  uint32_t errors = 0;
  size_t fetched = 0;
  for (size_t i = 0; i < candidates.size(); i++) {
    const Candidate& c = candidates[i];
    if (i >= sure && errors > 0) {
      const double mean = error_sum / errors;
      const double variance = std::max(0.0, error_squares / errors - mean * mean);
      if (c.distance + mean - kErrorsAllowed * std::sqrt(variance) > pass->worst()) break;
    }
    if (i == fetched) {
      fetched = std::min(candidates.size(), i == 0 ? sure : i + kFetchedAtOnce);
      fetch(pass, candidates, i, fetched);
      // A cold start: all of them are asked for, while the first are waited for.
      const bool cold = std::any_of(vectors.begin() + static_cast<std::ptrdiff_t>(i),
                                    vectors.begin() + static_cast<std::ptrdiff_t>(fetched),
                                    [](const VectorRef& vector) { return vector.at == nullptr; });
      if (cold) {
        fetch(pass, candidates, fetched, candidates.size());
        fetched = candidates.size();
      }
    }
    const float exact =
        vectors[i].at == nullptr
            ? rank(pass, c)
            : rankRow(pass, *(*pass->version->segments)[c.place - 1], vectors[i], c.row);
    if (!std::isfinite(exact)) continue;
    const double error = double{exact} - c.distance;
    error_sum += error;
    error_squares += error * error;
    errors++;
  }
}

// The likeliest first, so that the k-th nearest is soon near its final place and most others need
// no look.
void Searcher::rankByBound(Pass* pass, std::vector<Candidate>& candidates) {
  const size_t first = std::min<size_t>(candidates.size(), 3 * pass->k);
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(first),
                    candidates.end());
  for (size_t i = 0; i < candidates.size(); i++) {
    if (candidates[i].least > pass->worst()) continue;
    rank(pass, candidates[i]);
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
        if (acceptRow(&accept, row)) s.scored.push_back({0.0f, row});
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
    const RowFilter filter{acceptRow, &accept};
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
        if (acceptRow(&accept, row)) rank(pass, {0, row, place, 0});
      }
      return;
    }
    segment.binary().prepare(s.rotated.data(), &s.binary);
    constexpr uint32_t kStep = 4096;
    s.estimates.resize(kStep);
    for (uint32_t first = 0; first < segment.rows(); first += kStep) {
      const uint32_t count = std::min(kStep, segment.rows() - first);
      pass->scanOneBit(segment.binary(), codes, first, count, first, place,
                       [&](uint32_t row) { return acceptRow(&accept, row); });
    }
    return;
  }
  for (const Scored& scored : s.top.sorted()) {
    s.fine.add({scored.distance, scored.row, place, scored.distance});
  }
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
    if (!acceptRow(&accept, row)) continue;
    rows[waiting++] = row;
    if (waiting == kBatch) flush();
  }
  flush();
  pass->degraded = pass->degraded || records.unreadable() > 0;
}

// What is returned was asked for: it stays hot. The tail is hot anyway.
void Searcher::touch(const Pass& pass) const {
  if (heat_scale_ == nullptr || store_->readOnly()) return;
  const uint64_t now_ms = state_->heatNowMs();
  for (const Hit& hit : pass.s->hits) {
    if (hit.segment == nullptr) continue;
    hit.segment->touch(static_cast<uint32_t>(hit.row), *heat_scale_, now_ms);
  }
}

void Searcher::writeResult(Pass* pass, const QueryRequest& request, uint32_t index,
                           QueryResult* out) {
  const std::vector<Hit>& hits = pass->s->hits;
  out->counts[index] = static_cast<uint32_t>(hits.size());
  for (size_t i = 0; i < hits.size(); i++) {
    const size_t slot = size_t{index} * request.k + i;
    out->ids[slot] = static_cast<int64_t>(hits[i].id);
    out->scores[slot] =
        context_.kind == DistanceKind::kL2 ? hits[i].distance : -hits[i].distance;
    if (!request.with_embeddings) continue;
    float* to = out->embeddings.data() + slot * context_.dims;
    VectorRef vector;
    float norm = 1.0f;
    if (hits[i].segment != nullptr) {
      const uint32_t row = static_cast<uint32_t>(hits[i].row);
      vector = hits[i].segment->vectorOf(row);
      static_cast<void>(hits[i].segment->normOf(row, &norm));
    } else {
      const TailRow r = tailRow(*pass->version->blocks, hits[i].row);
      vector = {context_.view + r.block->vector_at[r.at], r.block->dtypes[r.at]};
      norm = r.block->norms[r.at];
    }
    if (vector.at == nullptr) continue;
    decodeVector(vector, context_.dims, to);
    if (context_.kind == DistanceKind::kCosine) {
      for (uint32_t d = 0; d < context_.dims; d++) to[d] *= norm;
    }
  }
}

}  // namespace rve
