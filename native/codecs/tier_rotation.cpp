#include "codecs/tier_rotation.hpp"

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

constexpr uint32_t kRoundsPowerOfTwo = 3;
constexpr uint32_t kRoundsKac = 4;
// Below it the transform has no kernel.
constexpr uint32_t kKernelSpanMin = 64;

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

void multiply(float* values, const float* by, size_t n) {
  for (size_t i = 0; i < n; ++i) values[i] *= by[i];
}

}  // namespace

TierRotation::TierRotation(uint32_t dims, uint64_t seed)
    : dims_(dims), padded_(static_cast<uint32_t>(roundUp(dims, 8))), seed_(seed) {
  RVE_ASSERT(dims >= 1 && dims <= kDimensionsMax);
  span_ = std::bit_floor(padded_);
  rounds_ = span_ == padded_ ? kRoundsPowerOfTwo : kRoundsKac;
  signs_.resize(size_t{rounds_} * padded_);
  const float transform_scale = 1.0f / std::sqrt(static_cast<float>(span_));
  const float walk_scale = std::sqrt(0.5f);
  SplitMix random(seed);
  for (uint32_t round = 0; round < rounds_; ++round) {
    // Even rounds transform the first span_ values, odd ones the last.
    const uint32_t start = round % 2 == 0 ? 0 : padded_ - span_;
    for (uint32_t i = 0; i < padded_; ++i) {
      float scale = i >= start && i < start + span_ ? transform_scale : 1.0f;
      if (span_ != padded_ && round > 0) scale *= walk_scale;  // of the walk before this round
      const bool negative = (random.next() >> 63) != 0;
      signs_[size_t{round} * padded_ + i] = negative ? -scale : scale;
    }
  }
}

void TierRotation::transform(float* data) const {
  if (span_ >= kKernelSpanMin) {
    kernels().fht(data, span_);
    return;
  }
  for (uint32_t half = 1; half < span_; half *= 2) {
    for (uint32_t base = 0; base < span_; base += 2 * half) {
      for (uint32_t i = base; i < base + half; ++i) {
        const float a = data[i];
        const float b = data[i + half];
        data[i] = a + b;
        data[i + half] = a - b;
      }
    }
  }
}

void TierRotation::apply(const float* in, float* out) const {
  std::memcpy(out, in, dims_ * sizeof(float));
  std::memset(out + dims_, 0, (padded_ - dims_) * sizeof(float));
  const bool walks = span_ != padded_;
  for (uint32_t round = 0; round < rounds_; ++round) {
    multiply(out, signs_.data() + size_t{round} * padded_, padded_);
    transform(round % 2 == 0 ? out : out + (padded_ - span_));
    if (walks) walk(out, padded_ / 2);
  }
  if (!walks) return;
  const float last = std::sqrt(0.5f);
  for (size_t i = 0; i < padded_; ++i) out[i] *= last;
}

// The rotation is orthonormal, so its inverse is its transpose; each step is a symmetric matrix, so
// the transpose is the same steps backwards.
void TierRotation::applyInverse(float* in, float* out) const {
  const bool walks = span_ != padded_;
  if (walks) {
    const float last = std::sqrt(0.5f);
    for (size_t i = 0; i < padded_; ++i) in[i] *= last;
  }
  for (uint32_t round = rounds_; round-- > 0;) {
    if (walks) walk(in, padded_ / 2);
    transform(round % 2 == 0 ? in : in + (padded_ - span_));
    multiply(in, signs_.data() + size_t{round} * padded_, padded_);
  }
  std::memcpy(out, in, dims_ * sizeof(float));
}

}  // namespace rve
