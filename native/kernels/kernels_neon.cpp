// NEON as every ARMv8.0-A CPU has it (Cortex-A53 and later): no dot product, no half arithmetic,
// only the half conversions, which are part of the baseline.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "kernels/neon_nav.hpp"
#include "kernels/tables.hpp"

namespace rve {
namespace {

inline float32x4_t term(float32x4_t a, float32x4_t b, float32x4_t sum, bool l2) {
  if (!l2) return vfmaq_f32(sum, a, b);
  const float32x4_t difference = vsubq_f32(a, b);
  return vfmaq_f32(sum, difference, difference);
}

inline float sumOf(const float32x4_t* sum) {
  return vaddvq_f32(vaddq_f32(vaddq_f32(sum[0], sum[1]), vaddq_f32(sum[2], sum[3])));
}

// The first `count` < 4 values, then zeros.
inline float32x4_t loadSome(const float* at, size_t count) {
  float rest[4] = {};
  for (size_t i = 0; i < count; ++i) rest[i] = at[i];
  return vld1q_f32(rest);
}

inline float32x4_t loadHalves(const uint16_t* at) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(at)));
}

inline float32x4_t loadSome(const uint16_t* at, size_t count) {
  uint16_t rest[4] = {};
  for (size_t i = 0; i < count; ++i) rest[i] = at[i];
  return loadHalves(rest);
}

template <bool kL2>
float overFloats(const float* a, const float* b, size_t n) {
  float32x4_t sum[4] = {};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t lane = 0; lane < 4; ++lane) {
      sum[lane] = term(vld1q_f32(a + i + 4 * lane), vld1q_f32(b + i + 4 * lane), sum[lane], kL2);
    }
  }
  for (; i + 4 <= n; i += 4) sum[0] = term(vld1q_f32(a + i), vld1q_f32(b + i), sum[0], kL2);
  if (i < n) sum[1] = term(loadSome(a + i, n - i), loadSome(b + i, n - i), sum[1], kL2);
  return sumOf(sum);
}

template <bool kL2>
float overHalves(const float* q, const uint16_t* x, size_t n) {
  float32x4_t sum[4] = {};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t lane = 0; lane < 4; ++lane) {
      sum[lane] = term(vld1q_f32(q + i + 4 * lane), loadHalves(x + i + 4 * lane), sum[lane], kL2);
    }
  }
  for (; i + 4 <= n; i += 4) sum[0] = term(vld1q_f32(q + i), loadHalves(x + i), sum[0], kL2);
  if (i < n) sum[1] = term(loadSome(q + i, n - i), loadSome(x + i, n - i), sum[1], kL2);
  return sumOf(sum);
}

// FCVTN and FCVTL round to nearest even and quieten a NaN, keeping sign and payload, in the default
// FPCR, which neither we nor Node change.
inline uint16x4_t narrow(float32x4_t v) { return vreinterpret_u16_f16(vcvt_f16_f32(v)); }

void halvesFromFloats(const float* in, uint16_t* out, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) vst1_u16(out + i, narrow(vld1q_f32(in + i)));
  if (i == n) return;
  uint16_t rest[4];
  vst1_u16(rest, narrow(loadSome(in + i, n - i)));
  for (size_t j = 0; i + j < n; ++j) out[i + j] = rest[j];
}

void floatsFromHalves(const uint16_t* in, float* out, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) vst1q_f32(out + i, loadHalves(in + i));
  if (i == n) return;
  float rest[4];
  vst1q_f32(rest, loadSome(in + i, n - i));
  for (size_t j = 0; i + j < n; ++j) out[i + j] = rest[j];
}

// Two butterflies over four vectors: distances `one` and `two` between them.
inline void butterflies(float32x4_t* v) {
  const float32x4_t ab = vaddq_f32(v[0], v[1]);
  const float32x4_t a_b = vsubq_f32(v[0], v[1]);
  const float32x4_t cd = vaddq_f32(v[2], v[3]);
  const float32x4_t c_d = vsubq_f32(v[2], v[3]);
  v[0] = vaddq_f32(ab, cd);
  v[1] = vaddq_f32(a_b, c_d);
  v[2] = vsubq_f32(ab, cd);
  v[3] = vsubq_f32(a_b, c_d);
}

void fht(float* data, size_t n) {
  // Distances 1 and 2: the de-interleaving load puts neighbours into different registers.
  for (size_t i = 0; i < n; i += 16) {
    float32x4x4_t four = vld4q_f32(data + i);
    butterflies(four.val);
    vst4q_f32(data + i, four);
  }
  size_t half = 4;
  for (; 4 * half <= n; half *= 4) {
    for (size_t start = 0; start < n; start += 4 * half) {
      for (size_t i = start; i < start + half; i += 4) {
        float32x4_t v[4];
#pragma GCC unroll 4
        for (size_t run = 0; run < 4; ++run) v[run] = vld1q_f32(data + i + run * half);
        butterflies(v);
#pragma GCC unroll 4
        for (size_t run = 0; run < 4; ++run) vst1q_f32(data + i + run * half, v[run]);
      }
    }
  }
  if (2 * half > n) return;
  for (size_t i = 0; i < half; i += 4) {
    const float32x4_t a = vld1q_f32(data + i);
    const float32x4_t b = vld1q_f32(data + i + half);
    vst1q_f32(data + i, vaddq_f32(a, b));
    vst1q_f32(data + i + half, vsubq_f32(a, b));
  }
}

uint64_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint64x2_t sum = vdupq_n_u64(0);
  size_t i = 0;
  while (i + 16 <= bytes) {
    // A byte counts at most 8, so 31 of them fit 8 bits.
    uint8x16_t counts = vdupq_n_u8(0);
    const size_t stop = bytes - i > 31 * 16 ? i + 31 * 16 : bytes;
    for (; i + 16 <= stop; i += 16) {
      counts = vaddq_u8(counts, vcntq_u8(veorq_u8(vld1q_u8(a + i), vld1q_u8(b + i))));
    }
    sum = vpadalq_u32(sum, vpaddlq_u16(vpaddlq_u8(counts)));
  }
  uint64_t bits = vaddvq_u64(sum);
  for (; i < bytes; ++i) {
    bits += static_cast<uint64_t>(__builtin_popcount(static_cast<unsigned>(a[i] ^ b[i])));
  }
  return bits;
}

// Lane sums of kRows 4-bit dot products with one query. A product is at most 15 * 127 = 1,905 in
// magnitude, so 16 of them (8 steps) fit 16 bits.
template <size_t kRows>
inline void dotLanes(const int8_t* values, const uint8_t* const* codes, size_t dims,
                     int32x4_t* sums) {
  const size_t half = dims / 2;
  const uint8x16_t nibble = vdupq_n_u8(15);
#pragma GCC unroll 4
  for (size_t row = 0; row < kRows; ++row) sums[row] = vdupq_n_s32(0);
  for (size_t i = 0; i < half;) {
    int16x8_t part[kRows] = {};
    int16x8_t part_high[kRows] = {};
    const size_t stop = half - i > 128 ? i + 128 : half;
    for (; i < stop; i += 16) {
      const int8x16_t at_low = vld1q_s8(values + i);
      const int8x16_t at_high = vld1q_s8(values + half + i);
#pragma GCC unroll 4
      for (size_t row = 0; row < kRows; ++row) {
        const uint8x16_t packed = vld1q_u8(codes[row] + i);
        const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(packed, nibble));
        const int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(packed, 4));
        part[row] = vmlal_s8(part[row], vget_low_s8(low), vget_low_s8(at_low));
        part_high[row] = vmlal_high_s8(part_high[row], low, at_low);
        part[row] = vmlal_s8(part[row], vget_low_s8(high), vget_low_s8(at_high));
        part_high[row] = vmlal_high_s8(part_high[row], high, at_high);
      }
    }
#pragma GCC unroll 4
    for (size_t row = 0; row < kRows; ++row) {
      sums[row] = vpadalq_s16(vpadalq_s16(sums[row], part[row]), part_high[row]);
    }
  }
}

int32_t dotI8U4(const int8_t* values, const uint8_t* code, size_t dims) {
  int32x4_t sum;
  dotLanes<1>(values, &code, dims, &sum);
  return vaddvq_s32(sum);
}

// A product is at most 225, and a lane takes two in 16 bytes: 256 at 4,096 dimensions, 57,600 in
// all, which fits 16 bits without a flush.
int32_t dotU4U4(const uint8_t* a, const uint8_t* b, size_t dims) {
  const uint8x16_t nibble = vdupq_n_u8(15);
  uint16x8_t part = vdupq_n_u16(0);
  uint16x8_t part_high = vdupq_n_u16(0);
  for (size_t i = 0; i < dims / 2; i += 16) {
    const uint8x16_t x = vld1q_u8(a + i);
    const uint8x16_t y = vld1q_u8(b + i);
    const uint8x16_t x_low = vandq_u8(x, nibble);
    const uint8x16_t y_low = vandq_u8(y, nibble);
    const uint8x16_t x_high = vshrq_n_u8(x, 4);
    const uint8x16_t y_high = vshrq_n_u8(y, 4);
    part = vmlal_u8(part, vget_low_u8(x_low), vget_low_u8(y_low));
    part_high = vmlal_high_u8(part_high, x_low, y_low);
    part = vmlal_u8(part, vget_low_u8(x_high), vget_low_u8(y_high));
    part_high = vmlal_high_u8(part_high, x_high, y_high);
  }
  return static_cast<int32_t>(vaddlvq_u16(part) + vaddlvq_u16(part_high));
}

// Look-up sums of 32 rows over code bytes [first, stop), at most 256 of them: 256 * 254 fits 16
// bits.
inline void blockSums(const BinaryScan& scan, const uint8_t* code, size_t first, size_t stop,
                      uint16x8_t* sums) {
  const uint8x16_t nibble = vdupq_n_u8(15);
#pragma GCC unroll 4
  for (size_t g = 0; g < 4; ++g) sums[g] = vdupq_n_u16(0);
  for (size_t m = first; m < stop; ++m) {
    const uint8x16_t low_table = vld1q_u8(scan.table + 32 * m);
    const uint8x16_t high_table = vld1q_u8(scan.table + 32 * m + 16);
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; ++half) {
      const uint8x16_t column = vld1q_u8(code + kBinaryBlockRows * m + 16 * half);
      const uint8x16_t sum = vaddq_u8(vqtbl1q_u8(low_table, vandq_u8(column, nibble)),
                                      vqtbl1q_u8(high_table, vshrq_n_u8(column, 4)));
      sums[2 * half] = vaddw_u8(sums[2 * half], vget_low_u8(sum));
      sums[2 * half + 1] = vaddw_high_u8(sums[2 * half + 1], sum);
    }
  }
}

void binaryBlocks(const BinaryScan& scan, const std::byte* blocks, size_t block_count,
                  float* out) {
  const size_t code_bytes = size_t{scan.code_bytes} * kBinaryBlockRows;
  const float32x4_t base = vdupq_n_f32(scan.base);
  const float32x4_t step = vdupq_n_f32(scan.step);
  const float32x4_t shift = vdupq_n_f32(scan.shift);
  const uint32x4_t scale_mask = vdupq_n_u32(0xFFFFFF00u);
  for (size_t block = 0; block < block_count; ++block) {
    const uint8_t* code = codeOf(blocks + block * (code_bytes + 8 * kBinaryBlockRows));
    uint32x4_t sums[8] = {};
    for (size_t m = 0; m < scan.code_bytes; m += 256) {
      uint16x8_t part[4];
      blockSums(scan, code, m, m + 256 < scan.code_bytes ? m + 256 : scan.code_bytes, part);
#pragma GCC unroll 4
      for (size_t g = 0; g < 4; ++g) {
        sums[2 * g] = vaddw_u16(sums[2 * g], vget_low_u16(part[g]));
        sums[2 * g + 1] = vaddw_high_u16(sums[2 * g + 1], part[g]);
      }
    }
    const uint8_t* adds = code + code_bytes;
    const uint8_t* scales = adds + 4 * kBinaryBlockRows;
#pragma GCC unroll 8
    for (size_t g = 0; g < 8; ++g) {
      const float32x4_t add = vreinterpretq_f32_u8(vld1q_u8(adds + 16 * g));
      const uint32x4_t scale_bits = vreinterpretq_u32_u8(vld1q_u8(scales + 16 * g));
      const float32x4_t scale = vreinterpretq_f32_u32(vandq_u32(scale_bits, scale_mask));
      const float32x4_t estimate = vfmaq_f32(shift, step, vcvtq_f32_u32(sums[g]));
      vst1q_f32(out + block * kBinaryBlockRows + 4 * g,
                vfmaq_f32(vaddq_f32(base, add), scale, estimate));
    }
  }
}

}  // namespace

extern constinit const Kernels kKernelsNeon = {
    .name = "neon",
    .dotF32 = overFloats<false>,
    .l2F32 = overFloats<true>,
    .dotF16 = overHalves<false>,
    .l2F16 = overHalves<true>,
    .halfFromFloat = halvesFromFloats,
    .floatFromHalf = floatsFromHalves,
    .fht = fht,
    .hamming = hamming,
    .dotI8U4 = dotI8U4,
    .dotU4U4 = dotU4U4,
    .navDistances = navDistancesBy<dotLanes<4>>,
    .binaryBlocks = binaryBlocks,
    .trellis = &kTrellisNeon,
};

}  // namespace rve
#endif
