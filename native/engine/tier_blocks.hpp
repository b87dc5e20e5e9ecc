// The vectors of a segment whose rows stand in tiers (FORMAT.md 10.8). Rows are ordered by tier, so
// a row's tier is the range that it lies in and its record a multiple of that tier's size away:
// neither costs a byte a row.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "engine/segment_context.hpp"
#include "engine/vector_ref.hpp"
#include "storage/part.hpp"

namespace rve {

// As stored.
struct TierRange {
  uint32_t first_row;
  uint32_t rows;
  uint32_t tier;  // Tier
  float bits;     // of cool and cold: bits a dimension, all side data included; else 0
};
static_assert(sizeof(TierRange) == 16);

inline constexpr uint32_t kTierRangesMax = kTierCount;  // each tier at most once, finest first

// Whether `bits` is one that a codec of this tier takes.
bool tierBitsAreValid(Tier tier, float bits);

class TierBlocks {
 public:
  struct Range {
    uint32_t first_row = 0, end_row = 0;
    Tier tier = Tier::kHot;
    float bits = 0;
    size_t stride = 0;
    const std::byte* at = nullptr;  // of the first record
    uint64_t in_part = 0;           // its offset in the vectors part
    std::shared_ptr<const TierCoder> coder;  // null for hot

    VectorRef ref(uint32_t row) const {
      return {at + stride * (row - first_row), Dtype::kF32, coder.get()};
    }
    uint64_t offsetOf(uint32_t row) const { return in_part + stride * (row - first_row); }
  };

  // Checks every size; reads the ranges and the codebook, not the records. kCorrupt.
  static Status open(const SegmentContext& context, const PartView& part, uint32_t rows,
                     std::unique_ptr<TierBlocks>* out);

  const std::vector<Range>& ranges() const { return ranges_; }
  const Range& rangeOf(uint32_t row) const {
    const Range* range = ranges_.data();
    while (row >= range->end_row) ++range;
    return *range;
  }
  // Null where no tier needs one.
  const std::shared_ptr<const TierCodebook>& codebook() const { return codebook_; }
  // A row near each centroid of the codebook, or kNoRow: where a walk may begin. Empty: not known.
  std::span<const uint32_t> centroidRows() const { return centroid_rows_; }
  // f16 records of the rows below warm, where they are kept; rows before its first have none.
  const Range* originals() const { return originals_.stride == 0 ? nullptr : &originals_; }

 private:
  std::vector<Range> ranges_;
  Range originals_;
  std::span<const uint32_t> centroid_rows_;
  std::shared_ptr<const TierCodebook> codebook_;
};

// Bytes of the block of one range, padding to the next one included.
uint64_t tierBlockBytes(uint64_t rows, size_t stride);

}  // namespace rve
