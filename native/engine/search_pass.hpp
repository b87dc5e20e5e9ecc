// What a query carries from step to step. Private to the Searcher.
#pragma once
#include <cfloat>
#include <cmath>
#include <limits>

#include "engine/nearest.hpp"
#include "engine/recall_plan.hpp"
#include "engine/search.hpp"
#include "engine/search_helper.hpp"
#include "engine/tier_search.hpp"
#include "graph/search.hpp"

namespace rve {

// A row is looked at only if it may be among the k nearest: the 1-bit codec's error bound (1.9
// sigma) times this, 2.85 sigma, is exceeded by one row in 400.
inline constexpr float kBoundFactor = 1.5f;

// How many of the best by 4-bit code are ranked exactly: the true ten are among the best 20.
inline uint32_t rankedOfFourBit(uint32_t k) { return std::max(24u, 3 * k); }

struct Searcher::Hit {
  float distance;
  uint64_t id;
  const Segment* segment;  // null: the tail
  uint64_t row;            // or ordinal
  bool operator<(const Hit& other) const {
    return distance < other.distance || (distance == other.distance && id < other.id);
  }
};

// A query that is shared with a helper, which has a scratch of its own. It begins with what waits
// for links, the query's own thread with the walks; each goes on with what the other has not come
// to. One per thread that queries: no allocation once it has grown.
class Searcher::HelpersPart final : public SearchPart {
 public:
  // All outlive the run.
  void begin(Searcher* searcher, const Pass* whole, const std::atomic<bool>* cancel);
  void run() override;
  // Each piece of work is given once, to the thread that asks first.
  bool takesTail();
  bool takesLists();
  // A place of a segment, from the first on or from the last; 0: none is left.
  uint32_t takePlace(bool from_last);
  // After the run: gives the pass what was found.
  void join(Pass* whole, bool* cancelled);

 private:
  Searcher* searcher_ = nullptr;
  const Pass* whole_ = nullptr;
  const std::atomic<bool>* cancel_ = nullptr;
  uint32_t ef_ = 0;
  std::atomic<bool> tail_taken_{false}, lists_taken_{false};
  std::atomic<uint64_t> places_{0};  // taken from the first, and left from the last
  bool cancelled_ = false, degraded_ = false;
  std::vector<Hit> hits_;
};

// One per thread: no allocation per query once it has grown.
struct Searcher::Scratch {
  GraphScratch graph;
  BinaryQuery binary;
  NavQuery nav;
  TierQueries tiers;
  std::vector<float> unit, rotated, estimates;
  std::vector<uint32_t> lists;  // chosen of a coarse quantizer
  std::vector<uint32_t> waiting;  // places of segments that wait in lists
  std::vector<Scored> scored;
  TopRows top;
  // Candidates over all places: by 1-bit codes about a centre for all rows, by those about
  // centroids of lists, and by 4-bit codes.
  Nearest coarse, listed, fine;
  std::vector<Hit> hits;  // max-heap while searching
  std::vector<VectorRef> vectors;
  HelpersPart helpers_part;
};

struct Searcher::Pass {
  Scratch* s;
  const Version* version;
  const float* query;
  uint32_t k;
  uint32_t ef;    // of the segment at hand, where a recall is asked for; else of all
  uint32_t fine;  // candidates by 4-bit codes that are kept
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
  // Of codes first to first + count - 1, all 1-bit: adds the rows that may be among the k nearest.
  // row_of(i): how a candidate names the row of code first + i. wanted(row): whether it may be
  // returned. Costs 1.3 ns a row at d = 128.
  template <typename RowOf, typename Wanted>
  void scanOneBit(const BinaryCodec& codec, const std::byte* codes, uint32_t first, uint32_t count,
                  uint32_t place, const RowOf& row_of, const Wanted& wanted, Nearest* to) {
    s->estimates.resize(std::max<size_t>(s->estimates.size(), count));
    codec.scan(s->binary, codes, first, count, s->estimates.data());
    for (uint32_t i = 0; i < count; i += kBinaryBlockRows) {
      const float* estimates = s->estimates.data() + i;
      const uint32_t end = std::min(kBinaryBlockRows, count - i);
      float least[kBinaryBlockRows];
      // Few blocks hold a row that can still enter. A part of one is not looked at as a whole: its
      // other rows may be in the making.
      if (end == kBinaryBlockRows && (first + i) % kBinaryBlockRows == 0) {
        if (!anyBelow(estimates, to->threshold())) continue;
        codec.lowerBounds(s->binary, codes, first + i, estimates, kBoundFactor, least);
        if (!anyBelow(least, std::nextafter(worst(), FLT_MAX))) continue;
      } else {
        for (uint32_t at = 0; at < end; at++) {
          const float bound = codec.errorBound(s->binary, codes, first + i + at);
          least[at] = estimates[at] - kBoundFactor * bound;
        }
      }
      for (uint32_t at = 0; at < end; at++) {
        if (!(estimates[at] < to->threshold()) || least[at] > worst()) continue;
        const uint32_t row = row_of(i + at);
        if (wanted(row)) to->add({estimates[at], row, place, least[at]});
      }
    }
  }
  // Whether one of kBinaryBlockRows is. Counted: several are compared at once.
  static bool anyBelow(const float* values, float threshold) {
    uint32_t below = 0;
    for (uint32_t i = 0; i < kBinaryBlockRows; i++) below += values[i] < threshold ? 1 : 0;
    return below > 0;
  }
};

// Which rows of a segment a walk or a scan may return.
struct AcceptContext {
  const LiveState* state;
  const Segment* segment;
  const RowPredicate* predicate;
  uint64_t version_lsn;

  bool operator()(uint32_t row) const {
    return state->visible(*segment, row, version_lsn) && predicate->matches(*segment, row);
  }
  static bool call(const void* context, uint32_t row) {
    return (*static_cast<const AcceptContext*>(context))(row);
  }
};

}  // namespace rve
