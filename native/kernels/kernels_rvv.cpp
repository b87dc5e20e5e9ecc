// RISC-V vectors, version 1.0, for any register length from 128 bits up (the length is asked at run
// time, never assumed). Compiled with -march=rv64gcv by a compiler that has the intrinsics; run
// only where the OS reports them (cpu.hpp). In what follows e8m4 is four registers taken as one.
//
// What lies in records and blocks is loaded by bytes: loads of wider elements may trap where the
// address is odd, and buffers need no alignment.
#if defined(RVE_HAS_RVV)  // set by native/build.mk where a compiler has the intrinsics
#include <riscv_vector.h>

#include "kernels/tables.hpp"

namespace rve {
namespace {

inline const uint8_t* codeOf(const std::byte* at) {
  return static_cast<const uint8_t*>(static_cast<const void*>(at));
}

inline float sumOf(vfloat32m4_t v, size_t lanes) {
  const vfloat32m1_t zero = __riscv_vfmv_s_f_f32m1(0.0f, 1);
  return __riscv_vfmv_f_s_f32m1_f32(__riscv_vfredusum_vs_f32m4_f32m1(v, zero, lanes));
}

// The first vl lanes gain a term; the others stay as they are.
inline vfloat32m4_t term(vfloat32m4_t a, vfloat32m4_t b, vfloat32m4_t sum, size_t vl, bool l2) {
  if (!l2) return __riscv_vfmacc_vv_f32m4_tu(sum, a, b, vl);
  const vfloat32m4_t difference = __riscv_vfsub_vv_f32m4(a, b, vl);
  return __riscv_vfmacc_vv_f32m4_tu(sum, difference, difference, vl);
}

template <bool kL2>
float overFloats(const float* a, const float* b, size_t n) {
  const size_t lanes = __riscv_vsetvlmax_e32m4();
  vfloat32m4_t sum = __riscv_vfmv_v_f_f32m4(0.0f, lanes);
  for (size_t i = 0; i < n;) {
    const size_t vl = __riscv_vsetvl_e32m4(n - i);
    sum = term(__riscv_vle32_v_f32m4(a + i, vl), __riscv_vle32_v_f32m4(b + i, vl), sum, vl, kL2);
    i += vl;
  }
  return sumOf(sum, lanes);
}

// Version 1.0 alone has no half-precision arithmetic (that is Zvfhmin), so the bits are moved by
// integer instructions. A half's exponent and mantissa, shifted into a float's place, read 2^112
// times too small; the multiplication is exact, and makes subnormals normal.
inline vfloat32m4_t widen(vuint16m2_t half, size_t vl) {
  const vuint32m4_t bits = __riscv_vzext_vf2_u32m4(half, vl);
  const vuint32m4_t sign = __riscv_vsll_vx_u32m4(__riscv_vand_vx_u32m4(bits, 0x8000, vl), 16, vl);
  const vuint32m4_t small = __riscv_vsll_vx_u32m4(__riscv_vand_vx_u32m4(bits, 0x7FFF, vl), 13, vl);
  vuint32m4_t value = __riscv_vreinterpret_v_f32m4_u32m4(
      __riscv_vfmul_vf_f32m4(__riscv_vreinterpret_v_u32m4_f32m4(small), 0x1p112f, vl));
  const vbool8_t special = __riscv_vmsgeu_vx_u32m4_b8(small, 0x0F800000, vl);  // Inf or NaN
  value = __riscv_vmerge_vvm_u32m4(value, __riscv_vor_vx_u32m4(small, 0x7F800000, vl), special, vl);
  const vbool8_t nan = __riscv_vmsgtu_vx_u32m4_b8(small, 0x0F800000, vl);
  value = __riscv_vmerge_vvm_u32m4(value, __riscv_vor_vx_u32m4(value, 0x400000, vl), nan, vl);
  return __riscv_vreinterpret_v_u32m4_f32m4(__riscv_vor_vv_u32m4(value, sign, vl));
}

template <bool kL2>
float overHalves(const float* q, const uint16_t* x, size_t n) {
  const size_t lanes = __riscv_vsetvlmax_e32m4();
  vfloat32m4_t sum = __riscv_vfmv_v_f_f32m4(0.0f, lanes);
  for (size_t i = 0; i < n;) {
    const size_t vl = __riscv_vsetvl_e32m4(n - i);
    const vfloat32m4_t wide = widen(__riscv_vle16_v_u16m2(x + i, vl), vl);
    sum = term(__riscv_vle32_v_f32m4(q + i, vl), wide, sum, vl, kL2);
    i += vl;
  }
  return sumOf(sum, lanes);
}

// As halfFromFloat of half_scalar.hpp, with both ways of rounding taken for all lanes. Below 2^-14
// the unit of a half is 2^-24, which is also the unit of a float between 0.5 and 1: adding 0.5
// rounds there.
inline vuint16m2_t narrow(vfloat32m4_t in, size_t vl) {
  const vuint32m4_t bits = __riscv_vreinterpret_v_f32m4_u32m4(in);
  const vuint32m4_t magnitude = __riscv_vand_vx_u32m4(bits, 0x7FFFFFFF, vl);
  const vuint32m4_t odd =
      __riscv_vand_vx_u32m4(__riscv_vsrl_vx_u32m4(magnitude, 13, vl), 1, vl);
  vuint32m4_t half = __riscv_vadd_vx_u32m4(magnitude, 0xC8000FFFu, vl);  // -112 in the exponent
  half = __riscv_vsrl_vx_u32m4(__riscv_vadd_vv_u32m4(half, odd, vl), 13, vl);
  const vfloat32m4_t rounded =
      __riscv_vfadd_vf_f32m4(__riscv_vreinterpret_v_u32m4_f32m4(magnitude), 0.5f, vl);
  const vuint32m4_t subnormal =
      __riscv_vsub_vx_u32m4(__riscv_vreinterpret_v_f32m4_u32m4(rounded), 0x3F000000, vl);
  half = __riscv_vmerge_vvm_u32m4(half, subnormal,
                                  __riscv_vmsltu_vx_u32m4_b8(magnitude, 0x38800000, vl), vl);
  half = __riscv_vmerge_vxm_u32m4(half, 0x7C00,
                                  __riscv_vmsgeu_vx_u32m4_b8(magnitude, 0x477FF000, vl), vl);
  const vuint32m4_t payload =
      __riscv_vand_vx_u32m4(__riscv_vsrl_vx_u32m4(magnitude, 13, vl), 0x3FF, vl);
  half = __riscv_vmerge_vvm_u32m4(half, __riscv_vor_vx_u32m4(payload, 0x7E00, vl),
                                  __riscv_vmsgtu_vx_u32m4_b8(magnitude, 0x7F800000, vl), vl);
  const vuint32m4_t sign =
      __riscv_vand_vx_u32m4(__riscv_vsrl_vx_u32m4(bits, 16, vl), 0x8000, vl);
  return __riscv_vncvt_x_x_w_u16m2(__riscv_vor_vv_u32m4(half, sign, vl), vl);
}

void halvesFromFloats(const float* in, uint16_t* out, size_t n) {
  for (size_t i = 0; i < n;) {
    const size_t vl = __riscv_vsetvl_e32m4(n - i);
    __riscv_vse16_v_u16m2(out + i, narrow(__riscv_vle32_v_f32m4(in + i, vl), vl), vl);
    i += vl;
  }
}

void floatsFromHalves(const uint16_t* in, float* out, size_t n) {
  for (size_t i = 0; i < n;) {
    const size_t vl = __riscv_vsetvl_e32m4(n - i);
    __riscv_vse32_v_f32m4(out + i, widen(__riscv_vle16_v_u16m2(in + i, vl), vl), vl);
    i += vl;
  }
}

// Butterflies of distance 1 and 2 over four neighbours, each a quarter of the lanes apart.
void fhtNeighbours(float* data, size_t n) {
  constexpr ptrdiff_t kStride = 4 * sizeof(float);
  for (size_t i = 0; i < n;) {
    const size_t vl = __riscv_vsetvl_e32m4((n - i) / 4);
    const vfloat32m4_t a = __riscv_vlse32_v_f32m4(data + i, kStride, vl);
    const vfloat32m4_t b = __riscv_vlse32_v_f32m4(data + i + 1, kStride, vl);
    const vfloat32m4_t c = __riscv_vlse32_v_f32m4(data + i + 2, kStride, vl);
    const vfloat32m4_t d = __riscv_vlse32_v_f32m4(data + i + 3, kStride, vl);
    const vfloat32m4_t ab = __riscv_vfadd_vv_f32m4(a, b, vl);
    const vfloat32m4_t a_b = __riscv_vfsub_vv_f32m4(a, b, vl);
    const vfloat32m4_t cd = __riscv_vfadd_vv_f32m4(c, d, vl);
    const vfloat32m4_t c_d = __riscv_vfsub_vv_f32m4(c, d, vl);
    __riscv_vsse32_v_f32m4(data + i, kStride, __riscv_vfadd_vv_f32m4(ab, cd, vl), vl);
    __riscv_vsse32_v_f32m4(data + i + 1, kStride, __riscv_vfadd_vv_f32m4(a_b, c_d, vl), vl);
    __riscv_vsse32_v_f32m4(data + i + 2, kStride, __riscv_vfsub_vv_f32m4(ab, cd, vl), vl);
    __riscv_vsse32_v_f32m4(data + i + 3, kStride, __riscv_vfsub_vv_f32m4(a_b, c_d, vl), vl);
    i += 4 * vl;
  }
}

// Butterflies of distance `half` and 2 * half over four runs of `half` floats.
inline void fhtTwoStages(float* data, size_t half) {
  for (size_t i = 0; i < half;) {
    const size_t vl = __riscv_vsetvl_e32m4(half - i);
    float* at = data + i;
    const vfloat32m4_t a = __riscv_vle32_v_f32m4(at, vl);
    const vfloat32m4_t b = __riscv_vle32_v_f32m4(at + half, vl);
    const vfloat32m4_t c = __riscv_vle32_v_f32m4(at + 2 * half, vl);
    const vfloat32m4_t d = __riscv_vle32_v_f32m4(at + 3 * half, vl);
    const vfloat32m4_t ab = __riscv_vfadd_vv_f32m4(a, b, vl);
    const vfloat32m4_t a_b = __riscv_vfsub_vv_f32m4(a, b, vl);
    const vfloat32m4_t cd = __riscv_vfadd_vv_f32m4(c, d, vl);
    const vfloat32m4_t c_d = __riscv_vfsub_vv_f32m4(c, d, vl);
    __riscv_vse32_v_f32m4(at, __riscv_vfadd_vv_f32m4(ab, cd, vl), vl);
    __riscv_vse32_v_f32m4(at + half, __riscv_vfadd_vv_f32m4(a_b, c_d, vl), vl);
    __riscv_vse32_v_f32m4(at + 2 * half, __riscv_vfsub_vv_f32m4(ab, cd, vl), vl);
    __riscv_vse32_v_f32m4(at + 3 * half, __riscv_vfsub_vv_f32m4(a_b, c_d, vl), vl);
    i += vl;
  }
}

void fht(float* data, size_t n) {
  fhtNeighbours(data, n);
  size_t half = 4;
  for (; 4 * half <= n; half *= 4) {
    for (size_t start = 0; start < n; start += 4 * half) fhtTwoStages(data + start, half);
  }
  if (2 * half > n) return;
  for (size_t i = 0; i < half;) {
    const size_t vl = __riscv_vsetvl_e32m4(half - i);
    const vfloat32m4_t a = __riscv_vle32_v_f32m4(data + i, vl);
    const vfloat32m4_t b = __riscv_vle32_v_f32m4(data + i + half, vl);
    __riscv_vse32_v_f32m4(data + i, __riscv_vfadd_vv_f32m4(a, b, vl), vl);
    __riscv_vse32_v_f32m4(data + i + half, __riscv_vfsub_vv_f32m4(a, b, vl), vl);
    i += vl;
  }
}

// Bits of each byte, by adding neighbours: pairs, nibbles, the byte (Hacker's Delight, 5-1).
inline vuint8m4_t bitsOfBytes(vuint8m4_t x, size_t vl) {
  x = __riscv_vsub_vv_u8m4(x, __riscv_vand_vx_u8m4(__riscv_vsrl_vx_u8m4(x, 1, vl), 0x55, vl), vl);
  x = __riscv_vadd_vv_u8m4(__riscv_vand_vx_u8m4(x, 0x33, vl),
                           __riscv_vand_vx_u8m4(__riscv_vsrl_vx_u8m4(x, 2, vl), 0x33, vl), vl);
  x = __riscv_vadd_vv_u8m4(x, __riscv_vsrl_vx_u8m4(x, 4, vl), vl);
  return __riscv_vand_vx_u8m4(x, 15, vl);
}

uint64_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  constexpr size_t kBytesMax = 4096;  // at a time: 8 bits each, and the sum of a step is 16 bits
  const vuint16m1_t zero = __riscv_vmv_s_x_u16m1(0, 1);
  uint64_t bits = 0;
  for (size_t i = 0; i < bytes;) {
    const size_t vl = __riscv_vsetvl_e8m4(bytes - i < kBytesMax ? bytes - i : kBytesMax);
    const vuint8m4_t x =
        __riscv_vxor_vv_u8m4(__riscv_vle8_v_u8m4(a + i, vl), __riscv_vle8_v_u8m4(b + i, vl), vl);
    bits += __riscv_vmv_x_s_u16m1_u16(
        __riscv_vwredsumu_vs_u8m4_u16m1(bitsOfBytes(x, vl), zero, vl));
    i += vl;
  }
  return bits;
}

inline vint8m2_t lowOf(vuint8m2_t packed, size_t vl) {
  return __riscv_vreinterpret_v_u8m2_i8m2(__riscv_vand_vx_u8m2(packed, 15, vl));
}

inline vint8m2_t highOf(vuint8m2_t packed, size_t vl) {
  return __riscv_vreinterpret_v_u8m2_i8m2(__riscv_vsrl_vx_u8m2(packed, 4, vl));
}

// A product is at most 15 * 127 = 1,905 in magnitude, so 16 of them (8 steps) fit 16 bits.
int32_t dotI8U4(const int8_t* values, const uint8_t* code, size_t dims) {
  const size_t half = dims / 2;
  const size_t lanes = __riscv_vsetvlmax_e8m2();
  vint32m1_t sum = __riscv_vmv_s_x_i32m1(0, 1);
  for (size_t i = 0; i < half;) {
    vint16m4_t part = __riscv_vmv_v_x_i16m4(0, lanes);
    for (size_t step = 0; step < 8 && i < half; ++step) {
      const size_t vl = __riscv_vsetvl_e8m2(half - i);
      const vuint8m2_t packed = __riscv_vle8_v_u8m2(code + i, vl);
      part = __riscv_vwmacc_vv_i16m4_tu(part, lowOf(packed, vl),
                                        __riscv_vle8_v_i8m2(values + i, vl), vl);
      part = __riscv_vwmacc_vv_i16m4_tu(part, highOf(packed, vl),
                                        __riscv_vle8_v_i8m2(values + half + i, vl), vl);
      i += vl;
    }
    sum = __riscv_vwredsum_vs_i16m4_i32m1(part, sum, lanes);
  }
  return __riscv_vmv_x_s_i32m1_i32(sum);
}

// A product is at most 225. A lane takes two in each of at most 64 steps (2,048 bytes by at least
// 32): 28,800, which fits 16 bits without a flush.
int32_t dotU4U4(const uint8_t* a, const uint8_t* b, size_t dims) {
  const size_t half = dims / 2;
  const size_t lanes = __riscv_vsetvlmax_e8m2();
  vuint16m4_t part = __riscv_vmv_v_x_u16m4(0, lanes);
  for (size_t i = 0; i < half;) {
    const size_t vl = __riscv_vsetvl_e8m2(half - i);
    const vuint8m2_t x = __riscv_vle8_v_u8m2(a + i, vl);
    const vuint8m2_t y = __riscv_vle8_v_u8m2(b + i, vl);
    part = __riscv_vwmaccu_vv_u16m4_tu(part, __riscv_vand_vx_u8m2(x, 15, vl),
                                       __riscv_vand_vx_u8m2(y, 15, vl), vl);
    part = __riscv_vwmaccu_vv_u16m4_tu(part, __riscv_vsrl_vx_u8m2(x, 4, vl),
                                       __riscv_vsrl_vx_u8m2(y, 4, vl), vl);
    i += vl;
  }
  const vuint32m1_t zero = __riscv_vmv_s_x_u32m1(0, 1);
  return static_cast<int32_t>(
      __riscv_vmv_x_s_u32m1_u32(__riscv_vwredsumu_vs_u16m4_u32m1(part, zero, lanes)));
}

inline float distanceOf(const NavQueryView& query, const uint8_t* record, int32_t dot) {
  float factors[2];  // add, scale
  __builtin_memcpy(factors, record + query.padded_dims / 2, sizeof factors);
  return query.base + factors[0] +
         factors[1] * (query.step * static_cast<float>(dot) + query.shift);
}

// Queries that fit registers (128 dimensions at 128 bits, 256 at 256) are loaded once for all rows.
void navDistancesShort(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                       const uint32_t* rows, size_t count, float* out) {
  const size_t vl = query.padded_dims / 2;
  const vint8m4_t at_low = __riscv_vle8_v_i8m4(query.values, vl);
  const vint8m4_t at_high = __riscv_vle8_v_i8m4(query.values + vl, vl);
  const vint32m1_t zero = __riscv_vmv_s_x_i32m1(0, 1);
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* record = codeOf(records + rows[i] * record_bytes);
    const vuint8m4_t packed = __riscv_vle8_v_u8m4(record, vl);
    const vint8m4_t low =
        __riscv_vreinterpret_v_u8m4_i8m4(__riscv_vand_vx_u8m4(packed, 15, vl));
    const vint8m4_t high =
        __riscv_vreinterpret_v_u8m4_i8m4(__riscv_vsrl_vx_u8m4(packed, 4, vl));
    vint16m8_t products = __riscv_vwmul_vv_i16m8(low, at_low, vl);
    products = __riscv_vwmacc_vv_i16m8(products, high, at_high, vl);
    const vint32m1_t sum = __riscv_vwredsum_vs_i16m8_i32m1(products, zero, vl);
    out[i] = distanceOf(query, record, __riscv_vmv_x_s_i32m1_i32(sum));
  }
}

void navDistances(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                  const uint32_t* rows, size_t count, float* out) {
  if (query.padded_dims / 2 <= __riscv_vsetvlmax_e8m4()) {
    navDistancesShort(query, records, record_bytes, rows, count, out);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    const uint8_t* record = codeOf(records + rows[i] * record_bytes);
    out[i] = distanceOf(query, record, dotI8U4(query.values, record, query.padded_dims));
  }
}

// Look-up sums of 32 rows over code bytes [first, stop), at most 256 of them: 256 * 254 fits 16
// bits.
inline vuint16m4_t blockSums(const BinaryScan& scan, const uint8_t* code, size_t first,
                             size_t stop) {
  vuint16m4_t sums = __riscv_vmv_v_x_u16m4(0, kBinaryBlockRows);
  for (size_t m = first; m < stop; ++m) {
    const vuint8m2_t column = __riscv_vle8_v_u8m2(code + kBinaryBlockRows * m, kBinaryBlockRows);
    // 16 entries each; what lies behind them in the register is never looked up.
    const vuint8m2_t low_table = __riscv_vle8_v_u8m2(scan.table + 32 * m, 16);
    const vuint8m2_t high_table = __riscv_vle8_v_u8m2(scan.table + 32 * m + 16, 16);
    const vuint8m2_t low = __riscv_vrgather_vv_u8m2(
        low_table, __riscv_vand_vx_u8m2(column, 15, kBinaryBlockRows), kBinaryBlockRows);
    const vuint8m2_t high = __riscv_vrgather_vv_u8m2(
        high_table, __riscv_vsrl_vx_u8m2(column, 4, kBinaryBlockRows), kBinaryBlockRows);
    sums = __riscv_vwaddu_wv_u16m4(
        sums, __riscv_vadd_vv_u8m2(low, high, kBinaryBlockRows), kBinaryBlockRows);
  }
  return sums;
}

void binaryBlocks(const BinaryScan& scan, const std::byte* blocks, size_t block_count,
                  float* out) {
  constexpr size_t kRows = kBinaryBlockRows;
  const size_t code_bytes = size_t{scan.code_bytes} * kRows;
  for (size_t block = 0; block < block_count; ++block) {
    const uint8_t* code = codeOf(blocks + block * (code_bytes + 8 * kRows));
    vuint32m8_t sums = __riscv_vmv_v_x_u32m8(0, kRows);
    for (size_t m = 0; m < scan.code_bytes; m += 256) {
      const size_t stop = m + 256 < scan.code_bytes ? m + 256 : scan.code_bytes;
      sums = __riscv_vwaddu_wv_u32m8(sums, blockSums(scan, code, m, stop), kRows);
    }
    const vfloat32m8_t estimate = __riscv_vfadd_vf_f32m8(
        __riscv_vfmul_vf_f32m8(__riscv_vfcvt_f_xu_v_f32m8(sums, kRows), scan.step, kRows),
        scan.shift, kRows);
    const uint8_t* adds = code + code_bytes;
    const vuint32m8_t scale_bits =
        __riscv_vreinterpret_v_u8m8_u32m8(__riscv_vle8_v_u8m8(adds + 4 * kRows, 4 * kRows));
    const vfloat32m8_t scale = __riscv_vreinterpret_v_u32m8_f32m8(
        __riscv_vand_vx_u32m8(scale_bits, 0xFFFFFF00u, kRows));
    const vfloat32m8_t add = __riscv_vreinterpret_v_u32m8_f32m8(
        __riscv_vreinterpret_v_u8m8_u32m8(__riscv_vle8_v_u8m8(adds, 4 * kRows)));
    const vfloat32m8_t distance = __riscv_vfmacc_vv_f32m8(
        __riscv_vfadd_vf_f32m8(add, scan.base, kRows), scale, estimate, kRows);
    __riscv_vse32_v_f32m8(out + block * kRows, distance, kRows);
  }
}

}  // namespace

extern constinit const Kernels kKernelsRvv = {
    .name = "rvv",
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
    .navDistances = navDistances,
    .binaryBlocks = binaryBlocks,
    .trellis = &kTrellisRvv,
};

}  // namespace rve
#endif
