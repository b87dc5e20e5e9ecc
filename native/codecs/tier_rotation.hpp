// The rotation of the tier codecs: the construction of codecs/rotation.hpp (sign flips, fast
// Walsh-Hadamard transforms, Kac's walk; Ailon & Chazelle 2009), but padded to a multiple of 8
// only, and with its inverse. At d = 784 a multiple of 64 would be 832 coordinates: 6 % of the
// bytes spent on nothing.
//
// Where dims is a multiple of 64 it is bit for bit Rotation(dims, seed), so a caller that has
// rotated a vector for navigation need not rotate it again.
#pragma once
#include <cstdint>
#include <vector>

namespace rve {

class TierRotation {
 public:
  // dims: 1..kDimensionsMax. The same (dims, seed) gives the same bits on every machine.
  TierRotation(uint32_t dims, uint64_t seed);

  uint32_t dims() const { return dims_; }
  // dims rounded up to a multiple of 8; what `apply` writes and `applyInverse` reads.
  uint32_t paddedDims() const { return padded_; }
  uint64_t seed() const { return seed_; }

  // out[paddedDims] = R (in[dims], zero padded). No overlap. Thread-safe.
  void apply(const float* in, float* out) const;

  // out[dims] = the first dims coordinates of R^T in. `in` is used as scratch space.
  void applyInverse(float* in, float* out) const;

 private:
  void transform(float* data) const;

  uint32_t dims_;
  uint32_t padded_;
  uint32_t span_;  // the largest power of two <= padded_: the length of one transform
  uint32_t rounds_;
  uint64_t seed_;
  std::vector<float> signs_;  // rounds_ * padded_: +-1 times the scale of the round
};

}  // namespace rve
