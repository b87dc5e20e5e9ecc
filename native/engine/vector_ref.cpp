#include "engine/vector_ref.hpp"

#include <cstring>

#include "kernels/kernels.hpp"

namespace rve {

void decodeVector(const VectorRef& vector, uint32_t dims, float* out) {
  if (vector.coder != nullptr) {
    vector.coder->codec.decode(vector.at, out);
  } else if (vector.dtype == Dtype::kF32) {
    std::memcpy(out, vector.at, size_t{dims} * 4);
  } else {
    kernels().floatFromHalf(viewAs<uint16_t>(vector.at), out, dims);
  }
}

float plainDistance(const VectorRef& vector, const float* query, uint32_t dims, DistanceKind kind) {
  const Kernels& k = kernels();
  const bool l2 = kind == DistanceKind::kL2;
  if (vector.dtype == Dtype::kF32) {
    const float* x = viewAs<float>(vector.at);
    return l2 ? k.l2F32(query, x, dims) : -k.dotF32(query, x, dims);
  }
  const uint16_t* x = viewAs<uint16_t>(vector.at);
  return l2 ? k.l2F16(query, x, dims) : -k.dotF16(query, x, dims);
}

}  // namespace rve
