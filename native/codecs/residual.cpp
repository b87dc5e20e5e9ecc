#include "codecs/residual.hpp"

#include <cstring>

#include "base/assert.hpp"
#include "kernels/kernels.hpp"

namespace rve {

ResidualFrame::ResidualFrame(DistanceKind distance_kind, const Rotation& rotation,
                             std::span<const float> plain_centre)
    : kind(distance_kind), padded(rotation.paddedDims()) {
  if (plain_centre.empty()) return;
  RVE_ASSERT(plain_centre.size() == rotation.dims());
  centre.resize(padded);
  rotation.apply(plain_centre.data(), centre.data());
  centre_norm2 = kernels().dotF32(centre.data(), centre.data(), padded);
}

ResidualFrame::ResidualFrame(DistanceKind distance_kind, const Rotation& rotation,
                             RotatedCentre rotated)
    : kind(distance_kind), padded(rotation.paddedDims()),
      centre(rotated.values.begin(), rotated.values.end()) {
  RVE_ASSERT(centre.size() == padded);
  centre_norm2 = kernels().dotF32(centre.data(), centre.data(), padded);
}

void ResidualFrame::subtract(const float* rotated, float* out) const {
  if (centre.empty()) {
    std::memcpy(out, rotated, padded * sizeof(float));
    return;
  }
  for (size_t i = 0; i < padded; ++i) out[i] = rotated[i] - centre[i];
}

float ResidualFrame::add(const float* residual, float norm2) const {
  switch (kind) {
    case DistanceKind::kL2: return norm2;
    case DistanceKind::kCosine: return 0.5f * norm2;
    case DistanceKind::kIp: break;
  }
  return centre.empty() ? 0.0f : -kernels().dotF32(centre.data(), residual, padded);
}

float ResidualFrame::base(const float* residual, float norm2) const {
  switch (kind) {
    case DistanceKind::kL2: return norm2;
    case DistanceKind::kCosine: return 0.5f * norm2 - 1.0f;
    case DistanceKind::kIp: break;
  }
  // <q, c> = <v, c> + <c, c>.
  return centre.empty() ? 0.0f
                        : -kernels().dotF32(centre.data(), residual, padded) - centre_norm2;
}

float ResidualFrame::baseOfRow() const {
  switch (kind) {
    case DistanceKind::kL2: return 0.0f;
    case DistanceKind::kCosine: return -1.0f;
    case DistanceKind::kIp: break;
  }
  return -centre_norm2;
}

}  // namespace rve
