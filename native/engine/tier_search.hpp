// Compares a query with the records of a segment in tiers: for walks, for scans and for ranking.
#pragma once
#include <memory>
#include <vector>

#include "engine/segment.hpp"

namespace rve {

// One query, prepared for each codebook that it meets. One per thread: no allocation per query once
// it has grown.
class TierQueries {
 public:
  // query: dims floats, for cosine a unit vector; outlives its use.
  void begin(const float* query) {
    query_ = query;
    used_ = 0;
  }
  TierNavQuery* of(const TierCodebook& codebook);
  // Distance of one record by its whole code.
  float distance(const VectorRef& record);

 private:
  struct Prepared {
    const TierCodebook* codebook = nullptr;
    TierNavQuery query;
  };
  const float* query_ = nullptr;
  size_t used_ = 0;
  std::vector<std::unique_ptr<Prepared>> prepared_;
  std::vector<float> rotated_;
};

class TierDistances {
 public:
  // query: as for TierQueries::begin.
  TierDistances(const Segment& segment, const SegmentContext& context, const float* query,
                TierQueries* queries);

  // Estimates, as a walk takes them: FLT_MAX for rows that cannot be read.
  void distances(const uint32_t* rows, size_t count, float* out);
  void prefetch(const uint32_t* rows, size_t count) const;
  uint32_t unreadable() const { return unreadable_; }
  // Rows to begin a walk at, to out[0..kTierProbeKept): near the query as far as centroids tell.
  uint32_t entries(uint32_t* out) const;
  // Valid as long as this object stays where it is.
  GraphDistances forGraph();

 private:
  void rangeDistances(const TierBlocks::Range& range, const uint32_t* rows, const uint32_t* places,
                      size_t count, float* out);

  const Segment& segment_;
  const TierBlocks& tiers_;
  const float* query_;
  TierNavQuery* prepared_;
  uint32_t dims_;
  bool l2_;
  uint32_t unreadable_ = 0;
};

}  // namespace rve
