#include "engine/search.hpp"

#include <algorithm>
#include <cmath>

#include "codecs/half.hpp"
#include "engine/hidden_row.hpp"
#include "engine/search_pass.hpp"

namespace rve {
namespace {

// How many of the best by 1-bit code are ranked exactly: the true ten are among the best 100 with
// probability 0.993 on spread data at d = 128, but on small clustered sets a dozen times k was too
// few (bench churn: 0.945 at the worst look). Who asks for more than 0.99 has twice as many ranked.
constexpr float kRecallRankedTwice = 0.99f;
uint32_t rankedOfOneBit(uint32_t k, float recall) {
  return std::max(384u, 24 * k) * (recall > kRecallRankedTwice ? 2 : 1);
}

// Codes about a near centroid need fewer, but for those of few bits: at d = 128 a million of which
// half waits for links is searched no better with 384 (recall 0.99).
constexpr uint32_t kDimsOfFewRanked = 128;
uint32_t rankedOfListed(uint32_t k, float recall, uint32_t dims) {
  const uint32_t fewer = std::max(128u, 12 * k) * std::max(1u, kDimsOfFewRanked / dims);
  return std::min(fewer * (recall > kRecallRankedTwice ? 2 : 1), rankedOfOneBit(k, recall));
}
// What the lists near a query hold (codecs/coarse_quantizer.hpp).
constexpr float kRecallOfLists = 0.99f;

// A walk expands its k and these, or a quarter of its ef, before it looks at what is near
// elsewhere.
constexpr uint32_t kSureMore = 6;

// Of a vector that is about to be ranked; the processor's own prefetcher brings what follows.
constexpr size_t kPrefetchBytes = 512;
constexpr size_t kFetchedAtOnce = 8;

// Standard deviations by which a 4-bit estimate may be wrong before its row is given up: one in 700
// is.
constexpr double kErrorsAllowed = 3.0;
constexpr uint32_t kRankedAtLeast = 16;  // enough to know the deviation by

}  // namespace

Searcher::Searcher(LiveState* state, Store* store, const SegmentContext& context, Clock* clock,
                   uint32_t ef_default, const HeatScale* heat_scale)
    : state_(state), store_(store), context_(context), clock_(clock), ef_default_(ef_default),
      heat_scale_(heat_scale) {}

void Searcher::useHelper(SearchHelper* helper, uint32_t rows_min) {
  helper_ = helper;
  helped_rows_min_ = rows_min;
}

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
  Pass pass{&s, &version, nullptr, request.k, 0, 0, request.recall, hidden, {}, false};
  pass.ef = std::max(request.ef == 0 ? ef_default_ : request.ef, request.k);
  pass.fine = std::max(rankedOfFourBit(pass.k), pass.efLargest());
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
    beginCandidates(&pass);
    if (!pass.predicate.nothing) {
      bool cancelled = false;
      searchAll(&pass, cancel, &cancelled);
      if (cancelled) return Status(Code::kAborted, "the query was cancelled");
    }
    std::sort(s.hits.begin(), s.hits.end());
    touch(pass);
    writeResult(&pass, request, i, out);
  }
  out->degraded = pass.degraded || state_->degraded(version);
  out->latency_us = static_cast<double>(clock_->monotonicNs() - started_ns) / 1000.0;
  return {};
}

void Searcher::beginCandidates(Pass* pass) const {
  Scratch& s = *pass->s;
  s.hits.clear();
  s.coarse.reset(rankedOfOneBit(pass->k, pass->recall));
  s.listed.reset(rankedOfListed(pass->k, pass->recall, context_.dims));
  s.fine.reset(pass->fine);
}

// Graphs first: their k nearest, ranked, keep most of what the flat scans see from being ranked at
// all. Where there is much to do, two threads save more than that.
void Searcher::searchAll(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled) {
  Scratch& s = *pass->s;
  HelpersPart& part = s.helpers_part;
  if (wantsHelp(*pass)) {
    part.begin(this, pass, cancel);
    if (helper_->offer(&part)) {
      searchShared(pass, cancel, cancelled);
      return;
    }
  }
  searchSegments(pass, true, cancel, cancelled);
  rankNearestFirst(pass, s.fine.rows());
  searchTail(pass);
  searchUnlisted(pass, cancel, cancelled);
  scanNearLists(pass, cancel, cancelled);
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

// A filter, or a wish for nearly all, needs the lists that lie farther off too: all rows are looked
// at then.
bool Searcher::looksIntoNearLists(const Pass& pass) {
  return !pass.predicate.any && pass.recall <= kRecallOfLists;
}

// But for those of which near lists are looked into.
void Searcher::searchSegments(Pass* pass, bool linked, const std::atomic<bool>* cancel,
                              bool* cancelled) {
  const Segments& segments = *pass->version->segments;
  const bool near_lists = looksIntoNearLists(*pass);
  for (uint32_t place = 1; place <= segments.size() && !*cancelled; place++) {
    const Segment& segment = *segments[place - 1];
    if (segment.linked() != linked || (near_lists && segment.waitsInLists())) continue;
    *cancelled = cancel != nullptr && cancel->load(std::memory_order_relaxed);
    if (!*cancelled) searchSegment(pass, segment, place);
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

void Searcher::searchGraphOf(Pass* pass, const Segment& segment, uint32_t place,
                             bool restricted) {
  Scratch& s = *pass->s;
  const AcceptContext accept{state_, &segment, &pass->predicate, pass->version->lsn};
  GraphSearchParams params;
  params.ef = pass->ef;
  params.pool_max = restricted ? std::min(4 * pass->ef, kEfMax * 4) : pass->ef;
  if (restricted) params.filter = {AcceptContext::call, &accept};
  // Most of its rows may be farther than what other segments gave already. A wanted recall is that
  // of whole walks.
  if (pass->recall == 0) params.bound = s.fine.nth(rankedOfFourBit(pass->k));
  params.sure = std::max(pass->k + kSureMore, pass->ef / 4);
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

// As rank(), of a candidate whose vector fetch() has found, or not.
float Searcher::rankFetched(Pass* pass, const Candidate& c, const VectorRef& vector) {
  if (vector.at == nullptr) return rank(pass, c);
  return rankRow(pass, *(*pass->version->segments)[c.place - 1], vector, c.row);
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
    const float exact = rankFetched(pass, c, vectors[i]);
    if (!std::isfinite(exact)) continue;
    const double error = double{exact} - c.distance;
    error_sum += error;
    error_squares += error * error;
    errors++;
  }
}

// The likeliest first, so that the k-th nearest is soon near its final place and most others need
// no look, nor their vectors to be fetched.
void Searcher::rankByBound(Pass* pass, std::vector<Candidate>& candidates) {
  const auto hopeless = [&](const Candidate& c) { return c.least > pass->worst(); };
  std::erase_if(candidates, hopeless);
  const size_t first = std::min<size_t>(candidates.size(), 3 * pass->k);
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(first),
                    candidates.end());
  size_t fetched = 0;
  for (size_t i = 0; i < candidates.size(); i++) {
    // Those after these are on their way while these are ranked.
    const size_t ahead = std::min(candidates.size(), i + 2 * kFetchedAtOnce);
    for (; i % kFetchedAtOnce == 0 && fetched < ahead; fetched++) {
      if (!hopeless(candidates[fetched])) fetch(pass, candidates, fetched, fetched + 1);
    }
    if (!hopeless(candidates[i])) rankFetched(pass, candidates[i], pass->s->vectors[i]);
  }
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
