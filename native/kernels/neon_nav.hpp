// The loop over navigation records that the NEON and the dot-product tables share. Everything here
// is in an unnamed namespace, so that each file that includes it has a copy for its own instruction
// set (see tables.hpp).
#pragma once
#include <arm_neon.h>

#include "kernels/kernels.hpp"

namespace rve {
namespace {

inline const uint8_t* codeOf(const std::byte* at) {
  return static_cast<const uint8_t*>(static_cast<const void*>(at));
}

// add and scale of one record. By bytes: records need no alignment.
inline float32x2_t loadFactors(const std::byte* record, size_t code_bytes) {
  return vreinterpret_f32_u8(vld1_u8(codeOf(record + code_bytes)));
}

// Four records at a time: they share the loads of the query and the horizontal sum.
// kDotFour(values, codes, dims, sums) gives the 32-bit lane sums of four 4-bit dot products.
using DotFour = void (*)(const int8_t* values, const uint8_t* const* codes, size_t dims,
                         int32x4_t* sums);

template <DotFour kDotFour>
void navDistancesBy(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                    const uint32_t* rows, size_t count, float* out) {
  const size_t dims = query.padded_dims;
  const float32x4_t base = vdupq_n_f32(query.base);
  const float32x4_t step = vdupq_n_f32(query.step);
  const float32x4_t shift = vdupq_n_f32(query.shift);
  for (size_t i = 0; i < count; i += 4) {
    const std::byte* at[4];
    const uint8_t* codes[4];
#pragma GCC unroll 4
    for (size_t lane = 0; lane < 4; ++lane) {
      const size_t index = i + lane < count ? i + lane : count - 1;
      at[lane] = records + rows[index] * record_bytes;
      codes[lane] = codeOf(at[lane]);
    }
    int32x4_t sums[4];
    kDotFour(query.values, codes, dims, sums);
    const float32x4_t dots = vcvtq_f32_s32(
        vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3])));
    const float32x4_t f01 =
        vcombine_f32(loadFactors(at[0], dims / 2), loadFactors(at[1], dims / 2));
    const float32x4_t f23 =
        vcombine_f32(loadFactors(at[2], dims / 2), loadFactors(at[3], dims / 2));
    const float32x4_t add = vuzp1q_f32(f01, f23);
    const float32x4_t scale = vuzp2q_f32(f01, f23);
    const float32x4_t distance =
        vfmaq_f32(vaddq_f32(base, add), scale, vfmaq_f32(shift, step, dots));
    if (i + 4 <= count) {
      vst1q_f32(out + i, distance);
    } else {
      float rest[4];
      vst1q_f32(rest, distance);
      for (size_t lane = 0; i + lane < count; ++lane) out[i + lane] = rest[lane];
    }
  }
}

}  // namespace
}  // namespace rve
