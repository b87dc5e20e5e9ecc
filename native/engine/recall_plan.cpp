#include "engine/recall_plan.hpp"

#include <cmath>
#include <numeric>

#include "engine/search.hpp"
#include "engine/tier_search.hpp"
#include "kernels/split_mix.hpp"
#include "kernels/top_rows.hpp"

namespace rve {
namespace {

// Recall of 64 queries for ten rows each is known to about 0.01.
constexpr uint32_t kQueriesMax = 64;
// Fewer are not drawn, however dear they are; half of them must be readable.
constexpr uint32_t kQueriesMin = 16;
// Multiply-adds of the truth, and what one of a code counts for.
constexpr uint64_t kWorkMax = uint64_t{1} << 30;
constexpr uint64_t kWorkOfCode = 3;
// Of a sample that may be lucky: with one, 60,000 rows of 8 bits gave 0.985 where 0.99 was promised.
constexpr double kStandardErrors = 2;
// Rows compared with all queries at once: 128 KiB at d = 128, which a second-level cache holds.
constexpr uint32_t kBlockRows = 256;

// Before anything is measured. What 1M rows of SIFT need is below these (SEARCH.md).
uint32_t guessedEf(float recall) { return recall <= 0.95f ? 64 : recall <= 0.99f ? 128 : 256; }

// A stored row, asked as if it were not stored: found by itself, and by the links that were chosen
// for it, it would promise too much. (With it in the graph, ef 16 was measured at 0.9 where queries
// from outside found 0.78.)
struct HeldBack {
  uint32_t row = 0;
  std::vector<float> vector;  // under cosine of length 1
  TierQueries tiers;
  TopRows nearest;
};

class Calibration {
 public:
  Calibration(const std::shared_ptr<const Segment>& segment, const SegmentContext& context,
              Searcher* searcher, const std::function<bool()>& keep_going)
      : segment_(*segment), context_(context), searcher_(searcher), keep_going_(keep_going),
        random_(segment->id()) {
    // Every death so far has happened, and nothing else is there.
    version_.lsn = UINT64_MAX;
    version_.segments = std::make_shared<Segments>(Segments{segment});
    version_.blocks = std::make_shared<TailBlocks>();
  }

  bool run(RecallCurve* out) {
    *out = {};
    if (!drawQueries() || !findTruth()) return false;
    std::erase_if(queries_, [](const auto& q) { return q->nearest.size() == 0; });
    if (queries_.size() < kQueriesMin / 2) return true;
    float best = 0;
    for (uint32_t i = 0; i < std::size(kCalibratedEf); i++) {
      if (!measure(kCalibratedEf[i], &best)) return false;
      out->recall[i] = best;
      out->points = i + 1;
    }
    return true;
  }

 private:
  uint32_t queriesWanted() const {
    const uint64_t row = uint64_t{context_.dims} * (segment_.tiers() != nullptr ? kWorkOfCode : 1);
    const uint64_t affordable = kWorkMax / (row * segment_.rows());
    return static_cast<uint32_t>(std::clamp<uint64_t>(affordable, kQueriesMin, kQueriesMax));
  }

  // Live rows, evenly spread.
  bool drawQueries() {
    const uint32_t wanted = queriesWanted();
    for (uint32_t i = 0; i < wanted; i++) {
      if (!keep_going_()) return false;
      const double share = (i + random_.uniform()) / wanted;
      auto row = static_cast<uint32_t>(share * segment_.rows());
      while (row + 1 < segment_.rows() && segment_.marks().isDead(row)) row++;
      auto query = std::make_unique<HeldBack>();
      if (segment_.marks().isDead(row) || !decode(row, &query->vector)) continue;
      query->row = row;
      query->tiers.begin(query->vector.data());
      query->nearest.reset(kCalibratedK);
      queries_.push_back(std::move(query));
    }
    return true;
  }

  // False: damaged, or nothing that could be asked for.
  bool decode(uint32_t row, std::vector<float>* out) const {
    const VectorRef vector = segment_.vectorOf(row);
    if (vector.at == nullptr) return false;
    out->resize(context_.dims);
    decodeVector(vector, context_.dims, out->data());
    if (context_.kind != DistanceKind::kCosine) return true;
    const float norm2 = kernels().dotF32(out->data(), out->data(), context_.dims);
    if (!(norm2 > 0)) return false;
    for (float& value : *out) value /= std::sqrt(norm2);
    return true;
  }

  // As the last ranking takes it.
  float distance(HeldBack* query, const VectorRef& vector) const {
    if (vector.coder != nullptr) return query->tiers.distance(vector);
    return plainDistance(vector, query->vector.data(), context_.dims, context_.kind);
  }

  bool findTruth() {
    VectorRef vectors[kBlockRows];
    for (uint32_t first = 0; first < segment_.rows(); first += kBlockRows) {
      if (!keep_going_()) return false;
      const uint32_t count = std::min(kBlockRows, segment_.rows() - first);
      for (uint32_t i = 0; i < count; i++) {
        const bool dead = segment_.marks().isDead(first + i);
        vectors[i] = dead ? VectorRef() : segment_.vectorOf(first + i);
      }
      for (const auto& query : queries_) {
        for (uint32_t i = 0; i < count; i++) {
          if (vectors[i].at == nullptr || first + i == query->row) continue;
          query->nearest.offer(distance(query.get(), vectors[i]), first + i);
        }
      }
    }
    return true;
  }

  uint32_t foundBy(HeldBack* query, uint32_t ef) {
    QueryRequest request;
    request.vectors = query->vector;
    request.k = kCalibratedK;
    request.ef = ef;
    QueryResult result;
    if (!searcher_->queryWithout(version_, request, query->row, &result).ok()) return 0;
    // By distance, not by id: rows at equal distance are equally right.
    const std::vector<Scored>& wanted = query->nearest.sorted();
    uint32_t found = 0;
    for (uint32_t i = 0; i < result.counts[0] && i < wanted.size(); i++) {
      const float score = result.scores[i];
      const float distance = context_.kind == DistanceKind::kL2 ? score : -score;
      found += distance <= wanted.back().distance;
    }
    return found;
  }

  // Raises *best to the recall at this ef that is all but certain.
  bool measure(uint32_t ef, float* best) {
    double sum = 0, squares = 0;
    const auto count = static_cast<double>(queries_.size());
    for (const auto& query : queries_) {
      if (!keep_going_()) return false;
      const double recall = static_cast<double>(foundBy(query.get(), ef)) /
                            static_cast<double>(query->nearest.size());
      sum += recall;
      squares += recall * recall;
    }
    const double mean = sum / count;
    const double variance = std::max(0.0, squares / count - mean * mean);
    // A sample without a miss would promise everything, however small it is.
    const double error = std::max(std::sqrt(variance / count), 0.5 / (count * kCalibratedK));
    *best = std::max(*best, static_cast<float>(mean - kStandardErrors * error));
    return true;
  }

  const Segment& segment_;
  const SegmentContext& context_;
  Searcher* searcher_;
  const std::function<bool()>& keep_going_;
  SplitMix random_;
  Version version_;
  std::vector<std::unique_ptr<HeldBack>> queries_;
};

}  // namespace

uint32_t efForRecall(const RecallCurve* curve, float recall, uint32_t k) {
  uint32_t ef = guessedEf(recall);
  if (curve != nullptr && curve->points > 0) {
    const float within_reach = std::min(recall, curve->recall[curve->points - 1]);
    uint32_t at = 0;
    while (curve->recall[at] < within_reach) at++;
    ef = kCalibratedEf[at];
  }
  const uint32_t scaled = (ef * std::max(k, kCalibratedK) + kCalibratedK - 1) / kCalibratedK;
  return std::max(k, std::min(scaled, kEfMax));
}

bool calibrateRecall(const std::shared_ptr<const Segment>& segment, const SegmentContext& context,
                     Searcher* searcher, const std::function<bool()>& keep_going,
                     RecallCurve* out) {
  return Calibration(segment, context, searcher, keep_going).run(out);
}

}  // namespace rve
