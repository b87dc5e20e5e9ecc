// NEON with the dot-product instructions SDOT and UDOT (FEAT_DotProd: Cortex-A55, A75, A76 and
// later). Compiled with that flag; run only where the kernel reports it (cpu.hpp). What has no
// 8-bit product in it is taken from the NEON table.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/neon_nav.hpp"
#include "kernels/tables.hpp"

namespace rve {
namespace {

template <size_t kRows>
inline void dotLanes(const int8_t* values, const uint8_t* const* codes, size_t dims,
                     int32x4_t* sums) {
  const size_t half = dims / 2;
  const uint8x16_t nibble = vdupq_n_u8(15);
  int32x4_t low_sum[kRows] = {};
  int32x4_t high_sum[kRows] = {};
  for (size_t i = 0; i < half; i += 16) {
    const int8x16_t at_low = vld1q_s8(values + i);
    const int8x16_t at_high = vld1q_s8(values + half + i);
#pragma GCC unroll 4
    for (size_t row = 0; row < kRows; ++row) {
      const uint8x16_t packed = vld1q_u8(codes[row] + i);
      const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(packed, nibble));
      const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(packed, 4));
      low_sum[row] = vdotq_s32(low_sum[row], low, at_low);
      high_sum[row] = vdotq_s32(high_sum[row], high, at_high);
    }
  }
#pragma GCC unroll 4
  for (size_t row = 0; row < kRows; ++row) sums[row] = vaddq_s32(low_sum[row], high_sum[row]);
}

int32_t dotI8U4(const int8_t* values, const uint8_t* code, size_t dims) {
  int32x4_t sum;
  dotLanes<1>(values, &code, dims, &sum);
  return vaddvq_s32(sum);
}

int32_t dotU4U4(const uint8_t* a, const uint8_t* b, size_t dims) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  uint32x4_t low_sum = vdupq_n_u32(0);
  uint32x4_t high_sum = vdupq_n_u32(0);
  for (size_t i = 0; i < dims / 2; i += 16) {
    const uint8x16_t x = vld1q_u8(a + i);
    const uint8x16_t y = vld1q_u8(b + i);
    low_sum = vdotq_u32(low_sum, vandq_u8(x, nibble), vandq_u8(y, nibble));
    high_sum = vdotq_u32(high_sum, vshrq_n_u8(x, 4), vshrq_n_u8(y, 4));
  }
  return static_cast<int32_t>(vaddvq_u32(vaddq_u32(low_sum, high_sum)));
}

// The NEON table by call, not by copy: a constant initialiser cannot read another table.
float dotF32(const float* a, const float* b, size_t n) { return kKernelsNeon.dotF32(a, b, n); }
float l2F32(const float* a, const float* b, size_t n) { return kKernelsNeon.l2F32(a, b, n); }
float dotF16(const float* q, const uint16_t* x, size_t n) { return kKernelsNeon.dotF16(q, x, n); }
float l2F16(const float* q, const uint16_t* x, size_t n) { return kKernelsNeon.l2F16(q, x, n); }
void halvesFromFloats(const float* in, uint16_t* out, size_t n) {
  kKernelsNeon.halfFromFloat(in, out, n);
}
void floatsFromHalves(const uint16_t* in, float* out, size_t n) {
  kKernelsNeon.floatFromHalf(in, out, n);
}
void fht(float* data, size_t n) { kKernelsNeon.fht(data, n); }
uint64_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  return kKernelsNeon.hamming(a, b, bytes);
}
void binaryBlocks(const BinaryScan& scan, const std::byte* blocks, size_t block_count,
                  float* out) {
  kKernelsNeon.binaryBlocks(scan, blocks, block_count, out);
}

}  // namespace

extern constinit const Kernels kKernelsDotprod = {
    .name = "dotprod",
    .dotF32 = dotF32,
    .l2F32 = l2F32,
    .dotF16 = dotF16,
    .l2F16 = l2F16,
    .halfFromFloat = halvesFromFloats,
    .floatFromHalf = floatsFromHalves,
    .fht = fht,
    .hamming = hamming,
    .dotI8U4 = dotI8U4,
    .dotU4U4 = dotU4U4,
    .navDistances = navDistancesBy<dotLanes<4>>,
    .binaryBlocks = binaryBlocks,
    .trellis = &kTrellisDotprod,
};

}  // namespace rve
#endif
