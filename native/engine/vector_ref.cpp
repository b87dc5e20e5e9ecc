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

}  // namespace rve
