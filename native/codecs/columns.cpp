#include "codecs/columns.hpp"

#include <cstring>

#include "base/bytes.hpp"

namespace rve {
namespace {

// Four lanes, in the vector extension that g++ and clang share.
using Float4 = float __attribute__((vector_size(16)));

}  // namespace

void FloatColumns::assign(const float* rows, size_t count, size_t stride, size_t dims) {
  dims_ = dims;
  padded_ = roundUp(count, kLanes);
  values_.assign(padded_ * dims, 0.0f);
  for (size_t row = 0; row < count; ++row) {
    float* to = values_.data() + row / kLanes * kLanes * dims + row % kLanes;
    for (size_t j = 0; j < dims; ++j) to[kLanes * j] = rows[row * stride + j];
  }
}

void FloatColumns::dots(const float* x, float* out) const {
  constexpr size_t kVectors = kLanes / 4;
  const float* at = values_.data();
  for (size_t first = 0; first < padded_; first += kLanes) {
    Float4 sums[kVectors] = {};
    for (size_t j = 0; j < dims_; ++j, at += kLanes) {
      const Float4 all = {x[j], x[j], x[j], x[j]};
#pragma GCC unroll 8
      for (size_t v = 0; v < kVectors; ++v) {
        Float4 column;
        std::memcpy(&column, at + 4 * v, sizeof column);
        sums[v] += all * column;
      }
    }
    std::memcpy(out + first, sums, sizeof sums);
  }
}

}  // namespace rve
