// k-means for the coarse centroids of a codebook: k-means++ start (Arthur & Vassilvitskii 2007),
// then a bounded number of Lloyd rounds. Deterministic from the seed (given one kernel table: other
// tables add float sums in another order).
//
// The points are rotated, so each coordinate is a random projection of the same vector; the rounds
// compare only the first kKmeansProbeDims of them, which costs accuracy that residual coding does
// not feel and makes training independent of the dimension. The centroids are means over all
// coordinates.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rve {

inline constexpr uint32_t kKmeansProbeDims = 128;
inline constexpr uint32_t kKmeansRounds = 5;

// points: count x stride floats (stride a multiple of 8). Gives k x stride floats. k: 1..count.
// Cost: about (rounds + 1) * count * k dot products of kKmeansProbeDims.
std::vector<float> kmeans(const float* points, size_t count, uint32_t stride, uint32_t k,
                          uint64_t seed);

}  // namespace rve
