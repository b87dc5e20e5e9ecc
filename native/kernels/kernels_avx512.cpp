// AVX-512 F, BW, VL, DQ, VNNI, VPOPCNTDQ (Ice Lake, Zen 4 and later). Compiled with those flags;
// run only where cpuid and the OS allow (kernels.cpp). What gains nothing from wider registers is
// taken from the AVX2 table.
#if defined(__x86_64__)
#if !defined(__clang__)
// gcc 12 takes the deliberately undefined operands inside its own AVX-512 header for a mistake of
// ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/tables.hpp"

namespace rve {
namespace {

inline __m512i load(const void* at) { return _mm512_loadu_si512(at); }

inline __mmask16 tailMask(size_t count) {
  return static_cast<__mmask16>((1u << count) - 1u);
}

inline __m512 term(__m512 a, __m512 b, __m512 sum, bool l2) {
  if (!l2) return _mm512_fmadd_ps(a, b, sum);
  const __m512 difference = _mm512_sub_ps(a, b);
  return _mm512_fmadd_ps(difference, difference, sum);
}

template <bool kL2>
float overFloats(const float* a, const float* b, size_t n) {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    sum0 = term(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0, kL2);
    sum1 = term(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), sum1, kL2);
  }
  if (i + 16 <= n) {
    sum0 = term(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), sum0, kL2);
    i += 16;
  }
  if (i < n) {
    const __mmask16 mask = tailMask(n - i);
    sum1 = term(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), sum1, kL2);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1));
}

inline __m512 loadHalves(const void* at) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(at)));
}

template <bool kL2>
float overHalves(const float* q, const uint16_t* x, size_t n) {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    sum0 = term(_mm512_loadu_ps(q + i), loadHalves(x + i), sum0, kL2);
    sum1 = term(_mm512_loadu_ps(q + i + 16), loadHalves(x + i + 16), sum1, kL2);
  }
  if (i + 16 <= n) {
    sum0 = term(_mm512_loadu_ps(q + i), loadHalves(x + i), sum0, kL2);
    i += 16;
  }
  if (i < n) {
    const __mmask16 mask = tailMask(n - i);
    const __m512 halves = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, x + i));
    sum1 = term(_mm512_maskz_loadu_ps(mask, q + i), halves, sum1, kL2);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(sum0, sum1));
}

uint64_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < bytes; i += 64) {
    const __mmask64 mask = bytes - i >= 64 ? ~__mmask64{0} : (__mmask64{1} << (bytes - i)) - 1;
    const __m512i x = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, a + i),
                                       _mm512_maskz_loadu_epi8(mask, b + i));
    sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(x));
  }
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(sum));
}

// The code bytes from `i` on: 64, or the last 32 (dims is a multiple of 64, so nothing else
// occurs).
inline __mmask64 codeMask(size_t left) {
  return left >= 64 ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
}

inline __m512i dotLanes(const int8_t* values, const uint8_t* code, size_t dims) {
  const size_t half = dims / 2;
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < half; i += 64) {
    const __mmask64 mask = codeMask(half - i);
    const __m512i packed = _mm512_maskz_loadu_epi8(mask, code + i);
    const __m512i low = _mm512_and_si512(packed, nibble);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble);
    sum = _mm512_dpbusd_epi32(sum, low, _mm512_maskz_loadu_epi8(mask, values + i));
    sum = _mm512_dpbusd_epi32(sum, high, _mm512_maskz_loadu_epi8(mask, values + half + i));
  }
  return sum;
}

int32_t dotI8U4(const int8_t* values, const uint8_t* code, size_t dims) {
  return _mm512_reduce_add_epi32(dotLanes(values, code, dims));
}

int32_t dotU4U4(const uint8_t* a, const uint8_t* b, size_t dims) {
  const size_t half = dims / 2;
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512i sum = _mm512_setzero_si512();
  for (size_t i = 0; i < half; i += 64) {
    const __mmask64 mask = codeMask(half - i);
    const __m512i x = _mm512_maskz_loadu_epi8(mask, a + i);
    const __m512i y = _mm512_maskz_loadu_epi8(mask, b + i);
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(x, nibble), _mm512_and_si512(y, nibble));
    sum = _mm512_dpbusd_epi32(sum, _mm512_and_si512(_mm512_srli_epi16(x, 4), nibble),
                              _mm512_and_si512(_mm512_srli_epi16(y, 4), nibble));
  }
  return _mm512_reduce_add_epi32(sum);
}

// Folds 16 lanes to 8, so that the rest of the sum is the AVX2 one.
inline __m256i fold(__m512i v) {
  return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

// add and scale of one record, in the low half.
inline __m128 loadFactors(const std::byte* record, size_t code_bytes) {
  return _mm_castsi128_ps(
      _mm_loadl_epi64(static_cast<const __m128i*>(static_cast<const void*>(record + code_bytes))));
}

// Four records at a time share one horizontal sum.
void navDistances(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                  const uint32_t* rows, size_t count, float* out) {
  const size_t dims = query.padded_dims;
  const __m128 base = _mm_set1_ps(query.base);
  const __m128 step = _mm_set1_ps(query.step);
  const __m128 shift = _mm_set1_ps(query.shift);
  for (size_t i = 0; i < count; i += 4) {
    const std::byte* at[4];
    __m256i dot[4];
    for (size_t lane = 0; lane < 4; ++lane) {
      const size_t index = i + lane < count ? i + lane : count - 1;
      at[lane] = records + rows[index] * record_bytes;
    }
    for (size_t lane = 0; lane < 4; ++lane) {
      const auto* code = static_cast<const uint8_t*>(static_cast<const void*>(at[lane]));
      dot[lane] = fold(dotLanes(query.values, code, dims));
    }
    const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(dot[0], dot[1]),
                                           _mm256_hadd_epi32(dot[2], dot[3]));
    const __m128 dots = _mm_cvtepi32_ps(
        _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)));
    const __m128 f01 =
        _mm_unpacklo_ps(loadFactors(at[0], dims / 2), loadFactors(at[1], dims / 2));
    const __m128 f23 =
        _mm_unpacklo_ps(loadFactors(at[2], dims / 2), loadFactors(at[3], dims / 2));
    const __m128 distance =
        _mm_add_ps(_mm_mul_ps(_mm_movehl_ps(f23, f01), _mm_add_ps(_mm_mul_ps(step, dots), shift)),
                   _mm_add_ps(base, _mm_movelh_ps(f01, f23)));
    const auto mask = static_cast<__mmask8>(count - i >= 4 ? 15u : (1u << (count - i)) - 1u);
    _mm_mask_storeu_ps(out + i, mask, distance);
  }
}

// Look-up sums of 32 rows over code bytes [first, stop), an even number and at most 256 of them:
// 256 * 254 fits 16 bits. Two code bytes a step, one in each half of the register; the halves are
// added at the end. `both` and `odd` as in the AVX2 twin.
inline void blockSums(const BinaryScan& scan, const uint8_t* code, size_t first, size_t stop,
                      __m256i* even_out, __m256i* odd_out) {
  const __m512i nibble = _mm512_set1_epi8(15);
  __m512i both = _mm512_setzero_si512();
  __m512i odd = _mm512_setzero_si512();
  for (size_t m = first; m < stop; m += 2) {
    const __m512i columns = load(code + kBinaryBlockRows * m);
    const __m512i tables = load(scan.table + 32 * m);  // low, high of m; low, high of m + 1
    const __m512i low = _mm512_and_si512(columns, nibble);
    const __m512i high = _mm512_and_si512(_mm512_srli_epi16(columns, 4), nibble);
    const __m512i sum = _mm512_add_epi8(
        _mm512_shuffle_epi8(_mm512_shuffle_i64x2(tables, tables, 0xA0), low),
        _mm512_shuffle_epi8(_mm512_shuffle_i64x2(tables, tables, 0xF5), high));
    both = _mm512_add_epi16(both, sum);
    odd = _mm512_add_epi16(odd, _mm512_srli_epi16(sum, 8));
  }
  const __m512i even = _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8));
  *even_out = _mm256_add_epi16(_mm512_castsi512_si256(even), _mm512_extracti64x4_epi64(even, 1));
  *odd_out = _mm256_add_epi16(_mm512_castsi512_si256(odd), _mm512_extracti64x4_epi64(odd, 1));
}

void binaryBlocks(const BinaryScan& scan, const std::byte* blocks, size_t block_count,
                  float* out) {
  const size_t code_bytes = size_t{scan.code_bytes} * kBinaryBlockRows;
  const __m512 base = _mm512_set1_ps(scan.base);
  const __m512 step = _mm512_set1_ps(scan.step);
  const __m512 shift = _mm512_set1_ps(scan.shift);
  const __m512i scale_mask = _mm512_set1_epi32(-256);
  for (size_t block = 0; block < block_count; ++block) {
    const std::byte* at = blocks + block * (code_bytes + 8 * kBinaryBlockRows);
    const auto* code = static_cast<const uint8_t*>(static_cast<const void*>(at));
    __m512i sums[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t m = 0; m < scan.code_bytes; m += 256) {
      __m256i even;
      __m256i odd;
      blockSums(scan, code, m, m + 256 < scan.code_bytes ? m + 256 : scan.code_bytes, &even, &odd);
      const __m256i low = _mm256_unpacklo_epi16(even, odd);   // rows 0..7 and 16..23
      const __m256i high = _mm256_unpackhi_epi16(even, odd);  // rows 8..15 and 24..31
      sums[0] = _mm512_add_epi32(
          sums[0], _mm512_cvtepu16_epi32(_mm256_permute2x128_si256(low, high, 0x20)));
      sums[1] = _mm512_add_epi32(
          sums[1], _mm512_cvtepu16_epi32(_mm256_permute2x128_si256(low, high, 0x31)));
    }
    for (size_t g = 0; g < 2; ++g) {
      const __m512 add = _mm512_castsi512_ps(load(at + code_bytes + 64 * g));
      const __m512i scale_bits = load(at + code_bytes + 4 * kBinaryBlockRows + 64 * g);
      const __m512 scale = _mm512_castsi512_ps(_mm512_and_si512(scale_bits, scale_mask));
      const __m512 estimate = _mm512_fmadd_ps(step, _mm512_cvtepi32_ps(sums[g]), shift);
      _mm512_storeu_ps(out + block * kBinaryBlockRows + 16 * g,
                       _mm512_fmadd_ps(scale, estimate, _mm512_add_ps(base, add)));
    }
  }
}

// The AVX2 table by call, not by copy: a constant initialiser cannot read another table.
void halvesFromFloats(const float* in, uint16_t* out, size_t n) {
  kKernelsAvx2.halfFromFloat(in, out, n);
}
void floatsFromHalves(const uint16_t* in, float* out, size_t n) {
  kKernelsAvx2.floatFromHalf(in, out, n);
}
void fht(float* data, size_t n) { kKernelsAvx2.fht(data, n); }

}  // namespace

extern constinit const Kernels kKernelsAvx512 = {
    .name = "avx512",
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
    .trellis = &kTrellisAvx2,  // DESIGN.md section 5 says why
};

}  // namespace rve
#endif
