// The algebra that the 1-bit and the 4-bit codec share: a distance of any kind is
//   base(q) + add(x) + m * <q - c, x - c>,
// see the table in codecs/binary.hpp. Private to codecs/.
#pragma once
#include <span>
#include <vector>

#include "codecs/rotation.hpp"
#include "kernels/distance_kind.hpp"

namespace rve {

// A centre that Rotation::apply was applied to already.
struct RotatedCentre {
  explicit RotatedCentre(std::span<const float> padded) : values(padded) {}
  std::span<const float> values;  // paddedDims() of them
};

struct ResidualFrame {
  DistanceKind kind;
  uint32_t padded;
  std::vector<float> centre;  // rotated; empty for zero
  float centre_norm2 = 0;

  ResidualFrame(DistanceKind kind, const Rotation& rotation, std::span<const float> centre);
  ResidualFrame(DistanceKind kind, const Rotation& rotation, RotatedCentre centre);

  // m of the table: -2 for l2, else -1.
  float sign() const { return kind == DistanceKind::kL2 ? -2.0f : -1.0f; }

  // out = rotated - centre.
  void subtract(const float* rotated, float* out) const;

  // add(x) by the residual r = x - c and its squared norm.
  float add(const float* residual, float norm2) const;

  // base(q) by the residual v = q - c and its squared norm.
  float base(const float* residual, float norm2) const;

  // base(q) where q is a stored row with a known add(q).
  float baseOfRow() const;
};

}  // namespace rve
