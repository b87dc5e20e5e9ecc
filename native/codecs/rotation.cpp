#include "codecs/rotation.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/assert.hpp"
#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "kernels/kernels.hpp"
#include "kernels/split_mix.hpp"

namespace rve {
namespace {

// In fours, by way of a local array, so that the compiler makes one vector operation of each four.
void multiply(float* values, const float* by, size_t n) {
  for (size_t i = 0; i < n; i += 4) {
    float four[4];
    for (size_t lane = 0; lane < 4; ++lane) four[lane] = values[i + lane] * by[i + lane];
    for (size_t lane = 0; lane < 4; ++lane) values[i + lane] = four[lane];
  }
}

// Kac's walk: (a, b) becomes (a + b, a - b), of coordinates half a vector apart.
void walk(float* values, size_t half) {
  for (size_t i = 0; i < half; i += 4) {
    float sum[4];
    float difference[4];
    for (size_t lane = 0; lane < 4; ++lane) {
      sum[lane] = values[i + lane] + values[i + half + lane];
      difference[lane] = values[i + lane] - values[i + half + lane];
    }
    for (size_t lane = 0; lane < 4; ++lane) values[i + lane] = sum[lane];
    for (size_t lane = 0; lane < 4; ++lane) values[i + half + lane] = difference[lane];
  }
}

}  // namespace

Rotation::Rotation(uint32_t dims, uint64_t seed)
    : dims_(dims), padded_(static_cast<uint32_t>(roundUp(dims, 64))), seed_(seed) {
  RVE_ASSERT(dims >= 1 && dims <= kDimensionsMax);
  span_ = std::bit_floor(padded_);
  rounds_ = span_ == padded_ ? kRoundsPowerOfTwo : kRoundsKac;
  signs_.resize(size_t{rounds_} * padded_);
  const float transform = 1.0f / std::sqrt(static_cast<float>(span_));
  const float walk_scale = std::sqrt(0.5f);
  SplitMix random(seed);
  for (uint32_t round = 0; round < rounds_; ++round) {
    // Even rounds transform the first span_ values, odd ones the last.
    const uint32_t start = round % 2 == 0 ? 0 : padded_ - span_;
    for (uint32_t i = 0; i < padded_; ++i) {
      float scale = i >= start && i < start + span_ ? transform : 1.0f;
      if (span_ != padded_ && round > 0) scale *= walk_scale;  // of the walk before this round
      const bool negative = (random.next() >> 63) != 0;
      signs_[size_t{round} * padded_ + i] = negative ? -scale : scale;
    }
  }
}

void Rotation::apply(const float* in, float* out) const {
  const Kernels& k = kernels();
  std::memcpy(out, in, dims_ * sizeof(float));
  std::memset(out + dims_, 0, (padded_ - dims_) * sizeof(float));
  const bool walks = span_ != padded_;
  for (uint32_t round = 0; round < rounds_; ++round) {
    multiply(out, signs_.data() + size_t{round} * padded_, padded_);
    k.fht(round % 2 == 0 ? out : out + (padded_ - span_), span_);
    if (walks) walk(out, padded_ / 2);
  }
  if (!walks) return;
  const float last = std::sqrt(0.5f);
  for (size_t i = 0; i < padded_; ++i) out[i] *= last;
}

}  // namespace rve
