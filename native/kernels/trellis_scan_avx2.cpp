// The trellis kernels in AVX2. A narrow column takes two codes at once, one in each half of the
// registers; "coordinate" below is the bit of a byte, 0..7, so a register holds 32 of them.
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/tables.hpp"

// Left to itself the compiler passes arrays of registers through memory.
#define RVE_INLINE inline __attribute__((always_inline))

namespace rve {
namespace {

inline const __m128i* at128(const void* at) { return static_cast<const __m128i*>(at); }
inline __m256i load(const void* at) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}
inline __m256i loadTwice(const void* at) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(at128(at)));
}
inline __m256i pairOf(__m128i a, __m128i b) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
}

// 0 to 15, then 16 bytes that make a shuffle give zero.
alignas(64) constexpr uint8_t kSlide[32] = {0,   1,   2,   3,   4,   5,   6,   7,    //
                                            8,   9,   10,  11,  12,  13,  14,  15,   //
                                            128, 128, 128, 128, 128, 128, 128, 128,  //
                                            128, 128, 128, 128, 128, 128, 128, 128};
alignas(64) constexpr int8_t kOnesThenZeros[64] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

// The first `bytes`, 1..16, the rest zero. Reads up to seven bytes before `at`, none behind.
RVE_INLINE __m128i loadFirst(const std::byte* at, size_t bytes) {
  if (bytes == 16) return _mm_loadu_si128(at128(at));
  if (bytes > 8) {
    return _mm_shuffle_epi8(_mm_loadu_si128(at128(at + bytes - 16)),
                            _mm_loadu_si128(at128(kSlide + 16 - bytes)));
  }
  return _mm_srl_epi64(_mm_loadl_epi64(at128(at + bytes - 8)),
                       _mm_cvtsi64_si128(static_cast<int64_t>(64 - 8 * bytes)));
}

// One column of one code, or of two.
struct WideColumn {
  const std::byte* code;
  size_t first;
  static constexpr size_t kBytes = 32;

  RVE_INLINE __m256i plane(size_t offset) const { return load(code + offset + first); }
  // Each byte's predecessor in its plane.
  RVE_INLINE __m256i before(size_t offset) const {
    const __m256i bytes = load(code + offset + first - 1);
    const __m256i first_byte = _mm256_setr_epi32(255, 0, 0, 0, 0, 0, 0, 0);
    return first > 0 ? bytes : _mm256_andnot_si256(first_byte, bytes);
  }
  RVE_INLINE __m256i planeFirst(size_t offset, size_t bytes) const {
    const std::byte* at = code + offset + first;
    if (bytes >= 32) return load(at);
    if (bytes <= 16) return pairOf(loadFirst(at, bytes), _mm_setzero_si128());
    return pairOf(_mm_loadu_si128(at128(at)), loadFirst(at + 16, bytes - 16));
  }
  static __m256i mask(size_t bytes) { return load(kOnesThenZeros + 32 - bytes); }
};

struct NarrowColumns {
  const std::byte* a;
  const std::byte* b;
  size_t first;
  size_t bytes;  // 1..16
  static constexpr size_t kBytes = 16;

  RVE_INLINE __m256i planeFirst(size_t offset, size_t n) const {
    return pairOf(loadFirst(a + offset + first, n), loadFirst(b + offset + first, n));
  }
  RVE_INLINE __m256i plane(size_t offset) const { return planeFirst(offset, bytes); }
  RVE_INLINE __m256i before(size_t offset) const {
    if (first > 0) return planeFirst(offset - 1, bytes);
    return _mm256_slli_si256(plane(offset), 1);
  }
  static __m256i mask(size_t n) { return loadTwice(kOnesThenZeros + 32 - n); }
};

// Shifts of each byte.
template <int kBits>
inline __m256i up(__m256i x) {
  return _mm256_and_si256(_mm256_slli_epi16(x, kBits),
                          _mm256_set1_epi8(static_cast<char>(255 << kBits)));
}
template <int kBits>
inline __m256i down(__m256i x) {
  return _mm256_and_si256(_mm256_srli_epi16(x, kBits),
                          _mm256_set1_epi8(static_cast<char>(255 >> kBits)));
}

// z0 and z1 of a column, from its path bits and those of the byte before.
struct LowPlanes {
  __m256i z0;
  __m256i z1;
  RVE_INLINE LowPlanes(__m256i path, __m256i before)
      : z0(_mm256_or_si256(up<2>(path), down<6>(before))),
        z1(_mm256_xor_si256(
            _mm256_xor_si256(path, _mm256_or_si256(_mm256_add_epi8(path, path), down<7>(before))),
            _mm256_or_si256(up<3>(path), down<5>(before)))) {}
};

// Swaps the masked bits of `high` with those kBits above them in `low`.
template <int kBits, int kMask>
RVE_INLINE void swapBits(__m256i* high, __m256i* low) {
  const __m256i both = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16(*low, kBits), *high),
                                        _mm256_set1_epi8(static_cast<char>(kMask)));
  *high = _mm256_xor_si256(*high, both);
  *low = _mm256_xor_si256(*low, _mm256_slli_epi16(both, kBits));
}

// Planes of bits to numbers: bytes of n[j] hold the numbers of coordinate j in the low and of
// j + 4 in the high half. p[0] is the lowest bit; planes from kBits on are zero.
template <uint32_t kBits>
RVE_INLINE void nibblesOf(const __m256i* p, __m256i* n) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i even = kBits > 0 ? p[0] : zero;
  __m256i odd = kBits > 1 ? p[1] : zero;
  swapBits<1, 0x55>(&odd, &even);
  if constexpr (kBits <= 2) {
    const __m256i fields = _mm256_set1_epi8(0x33);
    n[0] = _mm256_and_si256(even, fields);
    n[1] = _mm256_and_si256(odd, fields);
    n[2] = _mm256_and_si256(_mm256_srli_epi16(even, 2), fields);
    n[3] = _mm256_and_si256(_mm256_srli_epi16(odd, 2), fields);
  } else {
    __m256i even_high = p[2];
    __m256i odd_high = kBits > 3 ? p[3] : zero;
    swapBits<1, 0x55>(&odd_high, &even_high);
    swapBits<2, 0x33>(&even_high, &even);
    swapBits<2, 0x33>(&odd_high, &odd);
    n[0] = even;
    n[1] = odd;
    n[2] = even_high;
    n[3] = odd_high;
  }
}

enum class Choice { kNone, kAll, kSome };

// Calls sink(values, g) for coordinate g of a column. kBits: of the index, or more.
template <uint32_t kBits, bool kPath, Choice kChoice, typename Column, typename Sink>
RVE_INLINE void columnValues(const TrellisScan& scan, const Column& column, size_t choice_bytes,
                         Sink sink) {
  constexpr uint32_t kLow = kPath ? 2 : 0;
  constexpr uint32_t kIndexPlanes = kBits - kLow;
  __m256i planes[4];
  if constexpr (kPath) {
    const LowPlanes low(column.plane(scan.path_at), column.before(scan.path_at));
    planes[0] = low.z0;
    planes[1] = low.z1;
  }
#pragma GCC unroll 4
  for (uint32_t k = 0; k < kIndexPlanes; ++k) {
    planes[kLow + k] = k < scan.index_planes
                           ? column.plane((scan.index_planes - 1 - k) * size_t{scan.plane_bytes})
                           : _mm256_setzero_si256();
  }
  __m256i nibbles[4];
  nibblesOf<kBits>(planes, nibbles);
  const __m256i choice = kChoice == Choice::kNone
                             ? _mm256_setzero_si256()
                             : column.planeFirst(scan.choice_at, choice_bytes);
  const __m256i chosen = kChoice == Choice::kSome ? Column::mask(choice_bytes) : choice;
  const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 8
  for (int g = 0; g < 8; ++g) {
    const __m256i shifted = g < 4 ? nibbles[g] : _mm256_srli_epi16(nibbles[g - 4], 4);
    const __m256i index = _mm256_and_si256(shifted, nibble);
    __m256i value;
    if constexpr (kChoice == Choice::kNone) {
      value = _mm256_shuffle_epi8(loadTwice(scan.rest), index);
    } else {
      value = _mm256_blendv_epi8(_mm256_shuffle_epi8(loadTwice(scan.zero), index),
                                 _mm256_shuffle_epi8(loadTwice(scan.one), index),
                                 _mm256_slli_epi16(choice, 7 - g));
    }
    if constexpr (kChoice == Choice::kSome) {
      const __m256i rest = _mm256_shuffle_epi8(loadTwice(scan.rest), index);
      value = _mm256_blendv_epi8(rest, value, chosen);
    }
    sink(value, g);
  }
}

// The same by how much of the column the choice plane covers.
template <uint32_t kBits, bool kPath, typename Column, typename Sink>
RVE_INLINE void valuesOf(const TrellisScan& scan, const Column& column, size_t bytes, Sink sink) {
  const size_t left = scan.choice_bytes > column.first ? scan.choice_bytes - column.first : 0;
  if (left == 0) {
    columnValues<kBits, kPath, Choice::kNone>(scan, column, 0, sink);
  } else if (left >= bytes) {
    columnValues<kBits, kPath, Choice::kAll>(scan, column, bytes, sink);
  } else {
    columnValues<kBits, kPath, Choice::kSome>(scan, column, left, sink);
  }
}

// Sums of two codes in whole numbers, in 32-bit lanes.
struct IntegerSums {
  using Query = int8_t;
  using Sum = int32_t;
  using Wide = __m256i;
  __m256i wide[2];
  __m256i narrow = _mm256_setzero_si256();

  // |value| times the query with the value's sign: a pair is at most 2 * 127^2, within 16 bits.
  static __m256i products(__m256i values, __m256i query) {
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(values), _mm256_sign_epi8(query, values));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
  RVE_INLINE static void addWide(Wide* sum, __m256i values, const int8_t* query) {
    *sum = _mm256_add_epi32(*sum, products(values, load(query)));
  }
  RVE_INLINE void addNarrow(__m256i values, const int8_t* query) {
    narrow = _mm256_add_epi32(narrow, products(values, loadTwice(query)));
  }
  void finish(int32_t* a, int32_t* b) const {
    __m256i sum = _mm256_add_epi32(_mm256_permute2x128_si256(wide[0], wide[1], 0x20),
                                   _mm256_permute2x128_si256(wide[0], wide[1], 0x31));
    sum = _mm256_add_epi32(sum, narrow);
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0x4E));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0xB1));
    *a = _mm256_cvtsi256_si32(sum);
    *b = _mm256_extract_epi32(sum, 4);
  }
};

inline float sumOf(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// The same in floats.
struct FloatSums {
  using Query = float;
  using Sum = float;
  struct Wide {
    __m256 low = _mm256_setzero_ps();
    __m256 high = _mm256_setzero_ps();
  };
  Wide wide[2];
  Wide narrow[2];

  RVE_INLINE static void addSixteen(Wide* sum, __m128i values, const float* query) {
    const __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(values));
    const __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(values, 8)));
    sum->low = _mm256_fmadd_ps(low, _mm256_loadu_ps(query), sum->low);
    sum->high = _mm256_fmadd_ps(high, _mm256_loadu_ps(query + 8), sum->high);
  }
  RVE_INLINE static void addWide(Wide* sum, __m256i values, const float* query) {
    addSixteen(sum, _mm256_castsi256_si128(values), query);
    addSixteen(sum, _mm256_extracti128_si256(values, 1), query + 16);
  }
  RVE_INLINE void addNarrow(__m256i values, const float* query) {
    addSixteen(&narrow[0], _mm256_castsi256_si128(values), query);
    addSixteen(&narrow[1], _mm256_extracti128_si256(values, 1), query);
  }
  float finishOne(size_t which) const {
    return sumOf(_mm256_add_ps(_mm256_add_ps(wide[which].low, wide[which].high),
                               _mm256_add_ps(narrow[which].low, narrow[which].high)));
  }
  void finish(float* a, float* b) const {
    *a = finishOne(0);
    *b = finishOne(1);
  }
};

// Over the wide columns of one code. A function of its own: less to compile than two copies.
template <uint32_t kBits, bool kPath, typename Sums>
__attribute__((noinline)) typename Sums::Wide wideSums(const TrellisScan& scan,
                                                       const typename Sums::Query* query,
                                                       const std::byte* code) {
  typename Sums::Wide sum{};
  for (size_t first = 0; first + 32 <= scan.plane_bytes; first += 32) {
    valuesOf<kBits, kPath>(scan, WideColumn{code, first}, 32,
                           [&](__m256i values, int g) __attribute__((always_inline)) {
                             Sums::addWide(&sum, values, query + 8 * first + 32 * g);
                           });
  }
  return sum;
}

template <uint32_t kBits, bool kPath, typename Sums>
void dotsOf(const TrellisScan& scan, const typename Sums::Query* query,
            const std::byte* const* codes, size_t count, typename Sums::Sum* out) {
  const size_t wide = scan.plane_bytes / 32 * 32;
  for (size_t i = 0; i < count; i += 2) {
    const std::byte* pair[2] = {codes[i], codes[i + 1 < count ? i + 1 : i]};
    Sums sums{};
    if (wide > 0) {
      sums.wide[0] = wideSums<kBits, kPath, Sums>(scan, query, pair[0]);
      sums.wide[1] = wideSums<kBits, kPath, Sums>(scan, query, pair[1]);
    }
    for (size_t first = wide; first < scan.plane_bytes; first += 16) {
      const size_t left = scan.plane_bytes - first;
      const size_t bytes = left < 16 ? left : 16;
      valuesOf<kBits, kPath>(scan, NarrowColumns{pair[0], pair[1], first, bytes}, bytes,
                             [&](__m256i values, int g) __attribute__((always_inline)) {
                               sums.addNarrow(values, query + 8 * first + 16 * g);
                             });
    }
    typename Sums::Sum second;
    sums.finish(out + i, &second);
    if (i + 1 < count) out[i + 1] = second;
  }
}

void integerDots(const TrellisScan& scan, const int8_t* query, const std::byte* const* codes,
                 size_t count, int32_t* out) {
  if (scan.path && scan.index_planes == 0) {
    dotsOf<2, true, IntegerSums>(scan, query, codes, count, out);
  } else if (scan.path) {
    dotsOf<4, true, IntegerSums>(scan, query, codes, count, out);
  } else if (scan.index_planes <= 2) {
    dotsOf<2, false, IntegerSums>(scan, query, codes, count, out);
  } else {
    dotsOf<4, false, IntegerSums>(scan, query, codes, count, out);
  }
}

void floatDots(const TrellisScan& scan, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  if (scan.index_planes == 0) {
    dotsOf<2, true, FloatSums>(scan, query, codes, count, out);
  } else {
    dotsOf<4, true, FloatSums>(scan, query, codes, count, out);
  }
}

// A sum over the curve. Its terms are y (3 - t r^2) r, where t = 1 - y^2 and r ~ 1 / sqrt(t) to 12
// bits: twice y / sqrt(t), one step of Newton being in the bracket.
struct CurveSum {
  __m256 sums[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  __m256 middle;  // 2^23 + L - 1
  __m256 slope;

  explicit CurveSum(const TrellisCurve& curve) {
    const auto levels = static_cast<float>(8u << curve.amplitude_planes);
    middle = _mm256_set1_ps(0x1p23f + levels - 1);
    slope = _mm256_set1_ps(curve.edge / levels);
  }
  // numbers: floats 2^23 + W (curveColumn).
  RVE_INLINE __m256 add(__m256 sum, __m256i numbers, __m256 query) const {
    const __m256 one = _mm256_set1_ps(1);
    const __m256 y = _mm256_mul_ps(_mm256_sub_ps(_mm256_castsi256_ps(numbers), middle), slope);
    const __m256 t = _mm256_fnmadd_ps(y, y, one);
    const __m256 r = _mm256_rsqrt_ps(t);
    const __m256 bracket = _mm256_fnmadd_ps(_mm256_mul_ps(t, r), r, _mm256_set1_ps(3));
    return _mm256_fmadd_ps(_mm256_mul_ps(_mm256_mul_ps(y, r), bracket), query, sum);
  }
  // Four times eight numbers from bytes: of each half register bytes 0..3, 4..7 and so on.
  RVE_INLINE static void widen(__m256i low, __m256i high, __m256i* out) {
    const __m256i exponent = _mm256_set1_epi16(0x4B00);  // of 2^23, whose last bit is 1
    const __m256i first = _mm256_unpacklo_epi8(low, high);
    const __m256i second = _mm256_unpackhi_epi8(low, high);
    out[0] = _mm256_unpacklo_epi16(first, exponent);
    out[1] = _mm256_unpackhi_epi16(first, exponent);
    out[2] = _mm256_unpacklo_epi16(second, exponent);
    out[3] = _mm256_unpackhi_epi16(second, exponent);
  }
  RVE_INLINE void addWide(__m256i low, __m256i high, const float* query) {
    __m256i numbers[4];
    widen(low, high, numbers);
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; ++k) {
      const __m256 eight = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(query + 4 * k)),
                                                _mm_loadu_ps(query + 16 + 4 * k), 1);
      sums[k & 1] = add(sums[k & 1], numbers[k], eight);
    }
  }
  // The halves are of two codes, so those of the sums are too.
  RVE_INLINE void addNarrow(__m256i low, __m256i high, const float* query) {
    __m256i numbers[4];
    widen(low, high, numbers);
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; ++k) {
      const __m128 four = _mm_loadu_ps(query + 4 * k);
      sums[k & 1] = add(sums[k & 1], numbers[k],
                        _mm256_insertf128_ps(_mm256_castps128_ps256(four), four, 1));
    }
  }
};

// Calls sink(low, high, g) with the bytes of a number W of each coordinate g. With a the amplitude
// and L the levels of a fine coordinate, W - (L - 1) = L y / edge:
//   fine   W = 16 a + 8 f + 4 z1 + 2 z0        others   W = 16 a + 8 z1 + 4 z0 + 1
// kAmplitude: the amplitude planes, or more.
template <uint32_t kAmplitude, typename Column, typename Sink>
RVE_INLINE void curveColumn(const TrellisCurve& curve, const Column& column, Sink sink) {
  const size_t plane_bytes = curve.plane_bytes;
  const uint32_t planes = curve.amplitude_planes;
  const size_t path_at = planes * plane_bytes;
  const LowPlanes z(column.plane(path_at), column.before(path_at));
  const size_t left = curve.fine_bytes > column.first ? curve.fine_bytes - column.first : 0;
  const size_t fine_bytes = left < Column::kBytes ? left : Column::kBytes;
  const __m256i fine = Column::mask(fine_bytes);
  __m256i low_bits[4] = {_mm256_andnot_si256(fine, _mm256_set1_epi8(-1)),
                         _mm256_and_si256(fine, z.z0), _mm256_blendv_epi8(z.z0, z.z1, fine), z.z1};
  if (fine_bytes > 0) {
    const __m256i bits = column.planeFirst(path_at + plane_bytes, fine_bytes);
    low_bits[3] = _mm256_blendv_epi8(z.z1, bits, fine);
  }
  __m256i amplitude[8];
#pragma GCC unroll 8
  for (uint32_t k = 0; k < kAmplitude; ++k) {
    amplitude[k] =
        k < planes ? column.plane((planes - 1 - k) * plane_bytes) : _mm256_setzero_si256();
  }
  __m256i low[4];
  __m256i middle[4];
  __m256i high[4];
  nibblesOf<4>(low_bits, low);
  nibblesOf<4>(amplitude, middle);
  nibblesOf<kAmplitude - 4>(amplitude + 4, high);
  const __m256i nibble = _mm256_set1_epi8(15);
#pragma GCC unroll 4
  for (int g = 0; g < 4; ++g) {
    swapBits<4, 0x0F>(&middle[g], &low[g]);
    sink(low[g], _mm256_and_si256(high[g], nibble), g);
    sink(middle[g], _mm256_and_si256(_mm256_srli_epi16(high[g], 4), nibble), g + 4);
  }
}

template <uint32_t kAmplitude>
__attribute__((noinline)) __m256 wideCurveSum(const TrellisCurve& curve, const float* query,
                                              const std::byte* code) {
  CurveSum sum(curve);
  for (size_t first = 0; first + 32 <= curve.plane_bytes; first += 32) {
    curveColumn<kAmplitude>(curve, WideColumn{code, first},
                            [&](__m256i low, __m256i high, int g) __attribute__((always_inline)) {
                              sum.addWide(low, high, query + 8 * first + 32 * g);
                            });
  }
  return _mm256_add_ps(sum.sums[0], sum.sums[1]);
}

template <uint32_t kAmplitude>
void curveDotsOf(const TrellisCurve& curve, const float* query, const std::byte* const* codes,
                 size_t count, float* out) {
  const size_t wide = curve.plane_bytes / 32 * 32;
  for (size_t i = 0; i < count; i += 2) {
    const std::byte* pair[2] = {codes[i], codes[i + 1 < count ? i + 1 : i]};
    CurveSum narrow(curve);
    for (size_t first = wide; first < curve.plane_bytes; first += 16) {
      const size_t left = curve.plane_bytes - first;
      const NarrowColumns column{pair[0], pair[1], first, left < 16 ? left : 16};
      curveColumn<kAmplitude>(curve, column,
                              [&](__m256i low, __m256i high, int g)
                                  __attribute__((always_inline)) {
                                    narrow.addNarrow(low, high, query + 8 * first + 16 * g);
                                  });
    }
    const __m256 both = _mm256_add_ps(narrow.sums[0], narrow.sums[1]);
    const __m256 zero = _mm256_setzero_ps();
    const __m256 ends[2] = {_mm256_permute2f128_ps(both, zero, 0x20),
                            _mm256_permute2f128_ps(both, zero, 0x31)};
    for (size_t which = 0; which < 2 && i + which < count; ++which) {
      __m256 sum = ends[which];
      if (wide > 0) sum = _mm256_add_ps(sum, wideCurveSum<kAmplitude>(curve, query, pair[which]));
      out[i + which] = 0.5f * curve.units * sumOf(sum);
    }
  }
}

void curveDots(const TrellisCurve& curve, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  switch (curve.amplitude_planes) {
    case 3:
    case 4: return curveDotsOf<4>(curve, query, codes, count, out);
    case 5:
    case 6: return curveDotsOf<6>(curve, query, codes, count, out);
    default: return curveDotsOf<7>(curve, query, codes, count, out);
  }
}

}  // namespace

extern constinit const TrellisKernels kTrellisAvx2 = {
    .dotI8 = integerDots,
    .dotF32 = floatDots,
    .curveF32 = curveDots,
};

}  // namespace rve
#endif
