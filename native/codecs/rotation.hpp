// Random rotation, data-free: rows of sign flips and fast Walsh-Hadamard transforms, with Kac's
// walk where the dimension is no power of two (FHT-Kac, as in the RaBitQ library; Ailon & Chazelle
// 2009 for the idea). It spreads every vector evenly over its coordinates, which is what 1-bit and
// 4-bit codes need.
#pragma once
#include <cstdint>
#include <vector>

namespace rve {

class Rotation {
 public:
  // dims: 1..kDimensionsMax. The same (dims, seed) gives the same bits on every machine.
  Rotation(uint32_t dims, uint64_t seed);

  uint32_t dims() const { return dims_; }
  // dims rounded up to a multiple of 64; what `apply` writes.
  uint32_t paddedDims() const { return padded_; }
  uint64_t seed() const { return seed_; }

  // out[paddedDims] = R (in[dims], zero padded). Orthonormal but for float rounding: norms and
  // inner products hold to about 1e-6 of |a||b|. in and out must not overlap. Thread-safe. Cost:
  // about 0.1 us at d = 128 with AVX2, 2 us at d = 784.
  void apply(const float* in, float* out) const;

 private:
  static constexpr uint32_t kRoundsPowerOfTwo = 3;
  static constexpr uint32_t kRoundsKac = 4;

  uint32_t dims_;
  uint32_t padded_;
  uint32_t span_;  // the largest power of two <= padded_: the length of one transform
  uint32_t rounds_;
  uint64_t seed_;
  std::vector<float> signs_;  // rounds_ * padded_: +-1 times the scale of the round
};

}  // namespace rve
