// Dots of one vector with many short rows at once: rows lie by columns, so lanes are rows, nothing
// is summed across a register, and every machine adds in the same order.
#pragma once
#include <cstddef>
#include <vector>

namespace rve {

class FloatColumns {
 public:
  // Takes the first `dims` values of each of `count` rows that lie `stride` apart.
  void assign(const float* rows, size_t count, size_t stride, size_t dims);

  // Room that `dots` needs: the count rounded up to kLanes.
  size_t dotCount() const { return padded_; }
  // out[row] = <x, row>; what lies behind the last row is zero.
  void dots(const float* x, float* out) const;

 private:
  static constexpr size_t kLanes = 32;

  size_t dims_ = 0;
  size_t padded_ = 0;
  std::vector<float> values_;  // [padded_ / kLanes][dims_][kLanes]
};

}  // namespace rve
