// What the tier codecs of one store share: a rotation, a mean, and up to 256 coarse centroids whose
// residuals are coded (the coarse part of IVFADC, Jegou, Douze & Schmid 2011; on data-free scalar
// codes it is worth half a bit a dimension on sensor data and more on images, see README.md).
//
// Centroids are kept as i8 with a scale each: codes hold the residual to the *stored* centroid, so
// its rounding costs no accuracy but the little by which the residual grows, and a codebook takes
// a quarter of the bytes. After training a codebook never changes: segments name the id of the one
// they were written with, and threads share it without a lock.
//
// Bytes (little-endian), kTierCodebookHeaderBytes then arrays:
//
// | Offset | Bytes | Name | Type | Meaning |
// | ---: | ---: | --- | --- | --- |
// | 0 | 4 | `magic` | u32 | "RVTB" |
// | 4 | 2 | `version` | u16 | 1; another is refused |
// | 6 | 1 | `kind` | u8 | DistanceKind |
// | 7 | 1 | `reserved` | u8 | 0 |
// | 8 | 4 | `dims` | u32 | 1..kDimensionsMax |
// | 12 | 4 | `centroid_count` | u32 | 1..256 |
// | 16 | 8 | `id` | u64 | the store's number of this codebook |
// | 24 | 8 | `seed` | u64 | of the rotation |
// | 32 | 8 | `sample_count` | u64 | vectors it was trained on; 0: data-free |
// | 40 | 4 | `distortion` | f32 | mean |r|^2 / |x - mean|^2 over the sample; 1 if data-free |
// | 44 | 4 P | `mean` | f32[P] | rotated; P = dims rounded up to a multiple of 8 |
// | | 4 k | `scale` | f32[k] | of a centroid, finite, >= 0 |
// | | k P | `centroid` | i8[k][P] | about the mean, times scale |
// | | 4 | `crc` | u32 | CRC-32C of all before |
#pragma once
#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "base/status.hpp"
#include "codecs/columns.hpp"
#include "codecs/tier_rotation.hpp"
#include "kernels/distance_kind.hpp"

namespace rve {

inline constexpr uint32_t kTierCentroidsMax = 256;  // The number of one fits a byte.
// Vectors a centroid needs to be more than a copy of one: below 2 * 32 vectors there is one
// centroid, the mean.
inline constexpr uint32_t kTierSamplesPerCentroid = 32;
// Centroids that a probe of the leading coordinates leaves to be compared in full.
inline constexpr uint32_t kTierProbeKept = 8;
// A larger sample is thinned evenly to so many: 32 a centroid. More did not lower the distortion.
inline constexpr uint32_t kTierTrainRowsMax = kTierCentroidsMax * kTierSamplesPerCentroid;

struct TierCodebookOptions {
  uint64_t id = 0;
  uint32_t dims = 0;  // 1..kDimensionsMax
  DistanceKind kind = DistanceKind::kL2;
  uint64_t seed = 0;  // of the rotation and of the training
};

class TierCodebook {
 public:
  // One centroid, zero. Codes have the same size as with a trained codebook.
  static std::shared_ptr<const TierCodebook> dataFree(const TierCodebookOptions& options);

  // rows: count x dims floats, all finite; for cosine unit vectors. Any count; 0 gives dataFree.
  // Deterministic for a kernel table. 0.6 s of CPU for 60,000 x 128 on a
  // busy core; a larger count costs no more.
  static std::shared_ptr<const TierCodebook> train(const TierCodebookOptions& options,
                                                   const float* rows, size_t count);

  std::vector<std::byte> encode() const;
  // Any bytes: kCorrupt with a sentence unless they are exactly what `encode` writes.
  static Status decode(Bytes bytes, std::shared_ptr<const TierCodebook>* out);

  const TierRotation& rotation() const { return rotation_; }
  uint64_t id() const { return options_.id; }
  uint32_t dims() const { return options_.dims; }
  uint32_t paddedDims() const { return rotation_.paddedDims(); }
  DistanceKind kind() const { return options_.kind; }
  uint64_t sampleCount() const { return sample_count_; }
  // Mean squared residual as a share of the variance: what drift is compared with.
  float distortion() const { return distortion_; }

  // Rotated, paddedDims floats.
  const float* mean() const { return mean_.data(); }
  uint32_t centroidCount() const { return static_cast<uint32_t>(scales_.size()); }
  // About the mean, rotated, paddedDims floats.
  const float* centroid(uint32_t index) const {
    return centroids_.data() + size_t{index} * paddedDims();
  }
  float centroidNorm2(uint32_t index) const { return norm2_[index]; }
  // <mean, centroid>, and |mean|^2: for the inner product.
  float meanDot(uint32_t index) const { return mean_dot_[index]; }
  float meanNorm2() const { return mean_norm2_; }

  // The centroids that look nearest to a rotated vector about the mean by its leading coordinates,
  // nearest first, to out[0..kTierProbeKept). Returns their number.
  uint32_t nearestByProbe(const float* centred, uint32_t* out) const;

  // The centroid nearest to a rotated vector about the mean, or one nearly as near.
  uint32_t nearest(const float* centred) const;

 private:
  explicit TierCodebook(const TierCodebookOptions& options);
  void quantise(const std::vector<float>& centroids);
  void expand();

  TierCodebookOptions options_;
  TierRotation rotation_;
  uint64_t sample_count_ = 0;
  float distortion_ = 1;
  std::vector<float> mean_;
  std::vector<float> scales_;
  std::vector<int8_t> packed_;    // as stored
  std::vector<float> centroids_;  // packed_ * scales_
  std::vector<float> norm2_;
  std::vector<float> probe_half_norm2_;  // of the leading coordinates that `nearest` looks at first
  FloatColumns probes_;            // those coordinates
  std::vector<float> mean_dot_;
  float mean_norm2_ = 0;
};

}  // namespace rve
