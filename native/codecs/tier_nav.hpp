// Distances of tier records at the speed that a walk over a graph needs: many records a call, with
// the kernels of kernels/trellis_scan.hpp.
//
// Two estimates. `navDistances` is for the walk: the query is rounded to 8 bits and the code is
// read whole where its values fit a register's table (archive, cold up to 4 planes), else by its
// leading amplitude planes alone, whose cells stand for the mean of what falls into them.
// `fullDistances` is for the last ranking: the whole code, a float query, the estimate of
// TierCodec::distance.
#pragma once
#include <vector>

#include "codecs/tier_codec.hpp"
#include "kernels/trellis_scan.hpp"

namespace rve {

// A query prepared for all tiers of one codebook. Reuse one object per thread: no allocation after
// its first use with each tier. Distances fill parts of it in, so threads may not share one.
struct TierNavQuery {
  TierQuery exact;            // for TierCodec
  std::vector<int8_t> values;  // q' / step, in the order of trellisSlots
  float step = 0;
  float norm = 0;            // |q'|
  std::vector<float> slots;  // q' in that order; empty until asked for
  float largest = 0;         // of the plain coordinates, without sign

  // The plain query times 2^-exponent, as warm records of that exponent are compared with. Records
  // of one store have few exponents.
  struct Scaled {
    int exponent;
    std::vector<float> plain;  // empty: not made yet
  };
  static constexpr uint32_t kScaledCount = 8;
  Scaled scaled[kScaledCount];
};

// plain, rotated: as for prepareTierQuery.
void prepareTierNavQuery(const TierCodebook& codebook, const float* plain, const float* rotated,
                         TierNavQuery* out);

// What `navDistances` reads of a code that could be looked up whole.
enum class NavDepth { kWhole, kLeading };

// Immutable, so threads may share one. Queries must have been prepared for the codec's codebook.
class TierNav {
 public:
  // The codec outlives it. Cost: about a millisecond where planes are left out, to measure what
  // that does to the estimate.
  explicit TierNav(const TierCodec& codec, NavDepth depth = NavDepth::kWhole);

  // Estimates in the scale of TierCodec::distance, unbiased as it is. Any bytes are a record.
  void navDistances(TierNavQuery* query, const std::byte* const* records, size_t count,
                    float* out) const;

  // TierCodec::distance, but for float rounding and, where a code has 64 levels and more, the
  // rounding of its table: at most half a table unit a coordinate, 1 / 7,000 of its deviation.
  void fullDistances(TierNavQuery* query, const std::byte* const* records, size_t count,
                     float* out) const;

  // Standard deviation, over the rotation, of what navDistances adds to the error of the record
  // itself: by the planes left out and the query's rounding. 0 for warm.
  float navDeviation(const TierNavQuery& query, const std::byte* record) const;

  // Leading bytes of a record that navDistances reads, for prefetching.
  size_t navBytes() const { return nav_bytes_; }
  bool navReadsWhole() const { return nav_extra2_ == 0; }

 private:
  void scanWhole();
  void scanLeading();
  void measureLeading();
  void finish(TierNavQuery* query, const std::byte* const* records, size_t count,
              const float* dots, bool outlier, float* out) const;
  float warmDistance(TierNavQuery* query, const std::byte* record) const;

  const TierCodec& codec_;
  bool outlier_ = false;    // records have one
  bool looked_up_ = false;  // the whole code is
  TrellisScan whole_{};     // if looked_up_
  TrellisCurve curve_{};    // if not
  TrellisScan nav_{};
  float nav_scale_ = 1;    // nav_'s values times this are unbiased table values
  float nav_extra2_ = 0;   // mean square of what they lack, in table units
  size_t nav_bytes_ = 0;
};

}  // namespace rve
