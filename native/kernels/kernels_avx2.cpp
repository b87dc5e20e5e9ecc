// AVX2, FMA, F16C. Compiled with those flags; run only where cpuid and the OS allow (kernels.cpp).
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/tables.hpp"

namespace rve {
namespace {

inline __m256i load(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

inline __m256i loadTwice(const void* at) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(at)));
}

inline float sumOf(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

inline int32_t sumOf(__m256i v) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

inline __m256 term(__m256 a, __m256 b, __m256 sum, bool l2) {
  if (!l2) return _mm256_fmadd_ps(a, b, sum);
  const __m256 difference = _mm256_sub_ps(a, b);
  return _mm256_fmadd_ps(difference, difference, sum);
}

// The first n % 8 lanes set, for masked loads.
inline __m256i tailMask(size_t count) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lanes);
}

template <bool kL2>
float overFloats(const float* a, const float* b, size_t n) {
  __m256 sum[4] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t lane = 0; lane < 4; ++lane) {
      sum[lane] = term(_mm256_loadu_ps(a + i + 8 * lane), _mm256_loadu_ps(b + i + 8 * lane),
                       sum[lane], kL2);
    }
  }
  for (; i + 8 <= n; i += 8) {
    sum[0] = term(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum[0], kL2);
  }
  if (i < n) {
    const __m256i mask = tailMask(n - i);
    sum[1] = term(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), sum[1], kL2);
  }
  return sumOf(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

inline __m256 loadHalves(const uint16_t* at) {
  const void* bytes = at;
  return _mm256_cvtph_ps(_mm_loadu_si128(static_cast<const __m128i*>(bytes)));
}

template <bool kL2>
float overHalves(const float* q, const uint16_t* x, size_t n) {
  __m256 sum[4] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t lane = 0; lane < 4; ++lane) {
      sum[lane] = term(_mm256_loadu_ps(q + i + 8 * lane), loadHalves(x + i + 8 * lane), sum[lane],
                       kL2);
    }
  }
  for (; i + 8 <= n; i += 8) sum[0] = term(_mm256_loadu_ps(q + i), loadHalves(x + i), sum[0], kL2);
  if (i < n) {
    uint16_t rest[8] = {};
    for (size_t j = i; j < n; ++j) rest[j - i] = x[j];
    sum[1] = term(_mm256_maskload_ps(q + i, tailMask(n - i)), loadHalves(rest), sum[1], kL2);
  }
  return sumOf(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

void halvesFromFloats(const float* in, uint16_t* out, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(static_cast<__m128i*>(static_cast<void*>(out + i)),
                     _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; ++i) out[i] = _cvtss_sh(in[i], _MM_FROUND_TO_NEAREST_INT);
}

void floatsFromHalves(const uint16_t* in, float* out, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, loadHalves(in + i));
  for (; i < n; ++i) out[i] = _cvtsh_ss(in[i]);
}

// Butterflies of distance 1, 2 and 4 inside one register.
inline __m256 fhtInside(__m256 v) {
  __m256 other = _mm256_permute_ps(v, 0xB1);
  v = _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xAA);
  other = _mm256_permute_ps(v, 0x4E);
  v = _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xCC);
  other = _mm256_permute2f128_ps(v, v, 1);
  return _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), 0xF0);
}

// Butterflies of distance `half` and 2 * half over four runs of `half` floats.
inline void fhtTwoStages(float* data, size_t half) {
  for (size_t i = 0; i < half; i += 8) {
    const __m256 a = _mm256_loadu_ps(data + i);
    const __m256 b = _mm256_loadu_ps(data + i + half);
    const __m256 c = _mm256_loadu_ps(data + i + 2 * half);
    const __m256 d = _mm256_loadu_ps(data + i + 3 * half);
    const __m256 ab = _mm256_add_ps(a, b);
    const __m256 a_b = _mm256_sub_ps(a, b);
    const __m256 cd = _mm256_add_ps(c, d);
    const __m256 c_d = _mm256_sub_ps(c, d);
    _mm256_storeu_ps(data + i, _mm256_add_ps(ab, cd));
    _mm256_storeu_ps(data + i + half, _mm256_add_ps(a_b, c_d));
    _mm256_storeu_ps(data + i + 2 * half, _mm256_sub_ps(ab, cd));
    _mm256_storeu_ps(data + i + 3 * half, _mm256_sub_ps(a_b, c_d));
  }
}

void fht(float* data, size_t n) {
  for (size_t i = 0; i < n; i += 8) {
    _mm256_storeu_ps(data + i, fhtInside(_mm256_loadu_ps(data + i)));
  }
  size_t half = 8;
  for (; 4 * half <= n; half *= 4) {
    for (size_t start = 0; start < n; start += 4 * half) fhtTwoStages(data + start, half);
  }
  if (2 * half > n) return;
  for (size_t i = 0; i < half; i += 8) {
    const __m256 a = _mm256_loadu_ps(data + i);
    const __m256 b = _mm256_loadu_ps(data + i + half);
    _mm256_storeu_ps(data + i, _mm256_add_ps(a, b));
    _mm256_storeu_ps(data + i + half, _mm256_sub_ps(a, b));
  }
}

// Bits per byte by a nibble table (Mula, Kurz & Lemire 2018, section 2).
uint64_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i sum = _mm256_setzero_si256();
  size_t i = 0;
  for (; i + 32 <= bytes; i += 32) {
    const __m256i x = _mm256_xor_si256(load(a + i), load(b + i));
    const __m256i low = _mm256_shuffle_epi8(counts, _mm256_and_si256(x, nibble));
    const __m256i high =
        _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16(x, 4), nibble));
    const __m256i per_byte = _mm256_add_epi8(low, high);
    sum = _mm256_add_epi64(sum, _mm256_sad_epu8(per_byte, _mm256_setzero_si256()));
  }
  uint64_t lanes[4];
  _mm256_storeu_si256(static_cast<__m256i*>(static_cast<void*>(lanes)), sum);
  uint64_t bits = lanes[0] + lanes[1] + lanes[2] + lanes[3];
  for (; i < bytes; ++i) {
    bits += static_cast<uint64_t>(__builtin_popcount(static_cast<unsigned>(a[i] ^ b[i])));
  }
  return bits;
}

// 32-bit lane sums of one 4-bit dot product. A product pair is at most 2 * 15 * 127 = 3,810 in
// magnitude, so 8 of them (4 steps) fit 16 bits.
inline __m256i dotLanes(const int8_t* values, const uint8_t* code, size_t dims) {
  const size_t half = dims / 2;
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < half;) {
    __m256i part = _mm256_setzero_si256();
    const size_t stop = half - i > 128 ? i + 128 : half;
    for (; i < stop; i += 32) {
      const __m256i packed = load(code + i);
      const __m256i low = _mm256_and_si256(packed, nibble);
      const __m256i high = _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble);
      part = _mm256_add_epi16(part, _mm256_maddubs_epi16(low, load(values + i)));
      part = _mm256_add_epi16(part, _mm256_maddubs_epi16(high, load(values + half + i)));
    }
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(part, ones));
  }
  return sum;
}

// The same for up to 256 dimensions, unrolled: kSteps * 64 of them.
template <size_t kSteps>
inline __m256i dotLanesShort(const int8_t* values, const uint8_t* code) {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i part = _mm256_setzero_si256();
#pragma GCC unroll 4
  for (size_t step = 0; step < kSteps; ++step) {
    const __m256i packed = load(code + 32 * step);
    const __m256i low = _mm256_and_si256(packed, nibble);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble);
    const __m256i at_low = load(values + 32 * step);
    const __m256i at_high = load(values + 32 * (kSteps + step));
    part = _mm256_add_epi16(part, _mm256_add_epi16(_mm256_maddubs_epi16(low, at_low),
                                                   _mm256_maddubs_epi16(high, at_high)));
  }
  return _mm256_madd_epi16(part, _mm256_set1_epi16(1));
}

int32_t dotI8U4(const int8_t* values, const uint8_t* code, size_t dims) {
  return sumOf(dotLanes(values, code, dims));
}

// A product pair is at most 2 * 15 * 15 = 450, so 16 bits hold 72; 32 (16 steps) are taken.
int32_t dotU4U4(const uint8_t* a, const uint8_t* b, size_t dims) {
  const size_t half = dims / 2;
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  for (size_t i = 0; i < half;) {
    __m256i part = _mm256_setzero_si256();
    const size_t stop = half - i > 512 ? i + 512 : half;
    for (; i < stop; i += 32) {
      const __m256i x = load(a + i);
      const __m256i y = load(b + i);
      const __m256i low =
          _mm256_maddubs_epi16(_mm256_and_si256(x, nibble), _mm256_and_si256(y, nibble));
      const __m256i high =
          _mm256_maddubs_epi16(_mm256_and_si256(_mm256_srli_epi16(x, 4), nibble),
                               _mm256_and_si256(_mm256_srli_epi16(y, 4), nibble));
      part = _mm256_add_epi16(part, _mm256_add_epi16(low, high));
    }
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(part, ones));
  }
  return sumOf(sum);
}

// add and scale of one record, in the low half.
inline __m128 loadFactors(const std::byte* record, size_t code_bytes) {
  return _mm_castsi128_ps(
      _mm_loadl_epi64(static_cast<const __m128i*>(static_cast<const void*>(record + code_bytes))));
}

// Four records at a time share one horizontal sum. kSteps: dimensions / 64, or 0 for any.
template <size_t kSteps>
void navDistancesOf(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                  const uint32_t* rows, size_t count, float* out) {
  const size_t dims = kSteps == 0 ? query.padded_dims : 64 * kSteps;
  const __m128 base = _mm_set1_ps(query.base);
  const __m128 step = _mm_set1_ps(query.step);
  const __m128 shift = _mm_set1_ps(query.shift);
  for (size_t i = 0; i < count; i += 4) {
    const std::byte* at[4];
    __m256i dot[4];
#pragma GCC unroll 4
    for (size_t lane = 0; lane < 4; ++lane) {
      const size_t index = i + lane < count ? i + lane : count - 1;
      at[lane] = records + rows[index] * record_bytes;
    }
#pragma GCC unroll 4
    for (size_t lane = 0; lane < 4; ++lane) {
      const auto* code = static_cast<const uint8_t*>(static_cast<const void*>(at[lane]));
      if constexpr (kSteps == 0) {
        dot[lane] = dotLanes(query.values, code, dims);
      } else {
        dot[lane] = dotLanesShort<kSteps>(query.values, code);
      }
    }
    const __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(dot[0], dot[1]),
                                           _mm256_hadd_epi32(dot[2], dot[3]));
    const __m128 dots = _mm_cvtepi32_ps(
        _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1)));
    const __m128 f01 =
        _mm_unpacklo_ps(loadFactors(at[0], dims / 2), loadFactors(at[1], dims / 2));
    const __m128 f23 =
        _mm_unpacklo_ps(loadFactors(at[2], dims / 2), loadFactors(at[3], dims / 2));
    const __m128 add = _mm_movelh_ps(f01, f23);
    const __m128 scale = _mm_movehl_ps(f23, f01);
    const __m128 distance = _mm_fmadd_ps(scale, _mm_fmadd_ps(step, dots, shift),
                                         _mm_add_ps(base, add));
    if (i + 4 <= count) {
      _mm_storeu_ps(out + i, distance);
    } else {
      float rest[4];
      _mm_storeu_ps(rest, distance);
      for (size_t lane = 0; i + lane < count; ++lane) out[i + lane] = rest[lane];
    }
  }
}

void navDistances(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                  const uint32_t* rows, size_t count, float* out) {
  switch (query.padded_dims) {
    case 64: return navDistancesOf<1>(query, records, record_bytes, rows, count, out);
    case 128: return navDistancesOf<2>(query, records, record_bytes, rows, count, out);
    case 256: return navDistancesOf<4>(query, records, record_bytes, rows, count, out);
    default: return navDistancesOf<0>(query, records, record_bytes, rows, count, out);
  }
}

// Look-up sums of 32 rows over code bytes [first, stop), at most 256 of them: 256 * 254 fits 16
// bits. Bytes 2i and 2i + 1 are summed apart: `both` holds their sum modulo 2^16 with the odd one
// times 256, `odd` the odd one alone.
inline void blockSums(const BinaryScan& scan, const uint8_t* code, size_t first, size_t stop,
                      __m256i* even_out, __m256i* odd_out) {
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i both = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();
  for (size_t m = first; m < stop; ++m) {
    const __m256i column = load(code + kBinaryBlockRows * m);
    const __m256i low = _mm256_and_si256(column, nibble);
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(column, 4), nibble);
    const __m256i sum =
        _mm256_add_epi8(_mm256_shuffle_epi8(loadTwice(scan.table + 32 * m), low),
                        _mm256_shuffle_epi8(loadTwice(scan.table + 32 * m + 16), high));
    both = _mm256_add_epi16(both, sum);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(sum, 8));
  }
  *even_out = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
  *odd_out = odd;
}

void binaryBlocks(const BinaryScan& scan, const std::byte* blocks, size_t block_count,
                  float* out) {
  const size_t code_bytes = size_t{scan.code_bytes} * kBinaryBlockRows;
  const __m256 base = _mm256_set1_ps(scan.base);
  const __m256 step = _mm256_set1_ps(scan.step);
  const __m256 shift = _mm256_set1_ps(scan.shift);
  const __m256i scale_mask = _mm256_set1_epi32(-256);
  for (size_t block = 0; block < block_count; ++block) {
    const std::byte* at = blocks + block * (code_bytes + 8 * kBinaryBlockRows);
    const auto* code = static_cast<const uint8_t*>(static_cast<const void*>(at));
    __m256i sums[4] = {};
    for (size_t m = 0; m < scan.code_bytes; m += 256) {
      __m256i even;
      __m256i odd;
      blockSums(scan, code, m, m + 256 < scan.code_bytes ? m + 256 : scan.code_bytes, &even, &odd);
      const __m256i low = _mm256_unpacklo_epi16(even, odd);   // rows 0..7 and 16..23
      const __m256i high = _mm256_unpackhi_epi16(even, odd);  // rows 8..15 and 24..31
      const __m128i parts[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                                _mm256_extracti128_si256(low, 1),
                                _mm256_extracti128_si256(high, 1)};
      for (size_t g = 0; g < 4; ++g) {
        sums[g] = _mm256_add_epi32(sums[g], _mm256_cvtepu16_epi32(parts[g]));
      }
    }
    for (size_t g = 0; g < 4; ++g) {
      const __m256 add = _mm256_castsi256_ps(load(at + code_bytes + 32 * g));
      const __m256i scale_bits = load(at + code_bytes + 4 * kBinaryBlockRows + 32 * g);
      const __m256 scale = _mm256_castsi256_ps(_mm256_and_si256(scale_bits, scale_mask));
      const __m256 estimate = _mm256_fmadd_ps(step, _mm256_cvtepi32_ps(sums[g]), shift);
      _mm256_storeu_ps(out + block * kBinaryBlockRows + 8 * g,
                       _mm256_fmadd_ps(scale, estimate, _mm256_add_ps(base, add)));
    }
  }
}

}  // namespace

extern constinit const Kernels kKernelsAvx2 = {
    .name = "avx2",
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
    .trellis = &kTrellisAvx2,
};

}  // namespace rve
#endif
