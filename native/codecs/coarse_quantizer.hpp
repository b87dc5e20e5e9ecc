// A coarse quantizer (IVF: Jégou, Douze & Schmid, PAMI 2011): rows are kept in inverted lists, each
// with those that are nearest to one centroid, and a query looks at the lists near it alone. The
// 1-bit codes of a list are taken about its centroid, which makes them the more exact the nearer
// its rows lie.
#pragma once
#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "codecs/binary.hpp"

namespace rve {

inline constexpr uint32_t kListsMax = 64;

class CoarseQuantizer {
 public:
  // From `count` rotated rows (Rotation::apply), count x paddedDims floats; about a list for each
  // 64 of them. Deterministic from the seed. Needs count >= 1, and not inner product: the lists
  // near a query are not those of its largest products. Costs tens of milliseconds at 8,192 x 128.
  static std::shared_ptr<const CoarseQuantizer> train(DistanceKind kind, const Rotation& rotation,
                                                      const float* rotated, size_t count,
                                                      uint64_t seed);
  // One that was stored: `centroids` is what bytes() gave. Null if a number in it is not finite,
  // or reach is below 1.
  static std::shared_ptr<const CoarseQuantizer> decode(DistanceKind kind, const Rotation& rotation,
                                                       float reach, Bytes centroids);

  uint32_t lists() const { return static_cast<uint32_t>(codecs_.size()); }
  // The codes of this list's rows.
  const BinaryCodec& codec(uint32_t list) const { return codecs_[list]; }
  uint32_t nearest(const float* rotated) const;
  // Squared distance to the nearest centroid.
  float distance2(const float* rotated) const;
  // All lists, the nearest to a query first. Returns how many of them are near: those whose
  // centroids are at most reach() times as far as the nearest one.
  uint32_t choose(const float* rotated, std::vector<uint32_t>* out) const;
  // At least 1. Measured: of the rows that it was trained on, near lists hold 99.5 % of the two
  // nearest to each.
  float reach() const { return reach_; }
  // Mean of distance2 over them.
  float distortion() const { return distortion_; }
  // lists() x paddedDims floats.
  Bytes bytes() const { return bytesOf(centroids_.data(), centroids_.size()); }

 private:
  CoarseQuantizer(DistanceKind kind, const Rotation& rotation, std::vector<float> centroids);
  void measure(const float* rotated, size_t count);
  const float* centroid(uint32_t list) const { return centroids_.data() + size_t{list} * padded_; }

  uint32_t padded_;
  std::vector<float> centroids_;
  std::vector<BinaryCodec> codecs_;
  float reach_ = 1;
  float distortion_ = 0;
};

}  // namespace rve
