// The trellis kernels in RISC-V vectors (kernels_rvv.cpp says how such files are built). They work
// on single registers, because a look-up in a group of registers costs the square of their number.
// A wide column is taken in pieces of 16 bytes where registers have 128 bits, else as a whole; from
// 512 bits on a part of each register stays unused. The vector length says how many bytes a piece
// has, so none is read that is not the code's own.
#if defined(RVE_HAS_RVV)
#include <riscv_vector.h>

#include "kernels/tables.hpp"

// Vectors are passed by reference, which is free only where the call disappears.
#define RVE_INLINE inline __attribute__((always_inline))

namespace rve {
namespace {

inline const uint8_t* bytesAt(const std::byte* at) {
  return static_cast<const uint8_t*>(static_cast<const void*>(at));
}

inline float sumOf(vfloat32m4_t v, size_t lanes) {
  const vfloat32m1_t zero = __riscv_vfmv_s_f_f32m1(0.0f, 1);
  return __riscv_vfmv_f_s_f32m1_f32(__riscv_vfredusum_vs_f32m4_f32m1(v, zero, lanes));
}

// Some bytes of each plane of one code, and where their values meet the query.
struct Piece {
  const uint8_t* code;
  size_t first;
  size_t bytes;
  size_t slot;    // of bit 0 of the first byte
  size_t stride;  // slots from bit to bit

  // The plane at an offset, if it is there; else zeros.
  RVE_INLINE vuint8m1_t planeIf(bool there, size_t offset) const {
    if (!there) return __riscv_vmv_v_x_u8m1(0, bytes);
    return __riscv_vle8_v_u8m1(code + offset + first, bytes);
  }
  RVE_INLINE vuint8m1_t plane(size_t offset) const { return planeIf(true, offset); }
};

// Pieces of the bytes [first, stop) of a plane; none crosses the end of a column.
template <typename Use>
RVE_INLINE void forEachPiece(size_t plane_bytes, const std::byte* code, size_t first, size_t stop,
                             Use use) {
  const size_t lanes = __riscv_vsetvlmax_e8m1();  // a power of two, 16 or more
  const size_t wide = plane_bytes - plane_bytes % kTrellisWideBytes;
  while (first < stop) {
    const size_t width = first < wide ? kTrellisWideBytes : kTrellisNarrowBytes;
    const size_t within = first % width;
    const size_t step = lanes < width ? lanes : width;
    const size_t left = stop - first;
    const size_t bytes = step - within % step < left ? step - within % step : left;
    use(Piece{bytesAt(code), first, bytes, 8 * (first - within) + within, width});
    first += bytes;
  }
}

// z0 and z1, from path bits and those of the bytes before.
RVE_INLINE void lowPlanes(const Piece& piece, size_t path_at, vuint8m1_t& z0, vuint8m1_t& z1) {
  const size_t vl = piece.bytes;
  const vuint8m1_t path = piece.plane(path_at);
  const uint8_t last = piece.first > 0 ? piece.code[path_at + piece.first - 1] : 0;
  const vuint8m1_t before = __riscv_vslide1up_vx_u8m1(path, last, vl);
  const vuint8m1_t back1 = __riscv_vor_vv_u8m1(__riscv_vsll_vx_u8m1(path, 1, vl),
                                               __riscv_vsrl_vx_u8m1(before, 7, vl), vl);
  const vuint8m1_t back3 = __riscv_vor_vv_u8m1(__riscv_vsll_vx_u8m1(path, 3, vl),
                                               __riscv_vsrl_vx_u8m1(before, 5, vl), vl);
  z0 = __riscv_vor_vv_u8m1(__riscv_vsll_vx_u8m1(path, 2, vl),
                           __riscv_vsrl_vx_u8m1(before, 6, vl), vl);
  z1 = __riscv_vxor_vv_u8m1(__riscv_vxor_vv_u8m1(path, back1, vl), back3, vl);
}

// Swaps the masked bits of `high` with those `bits` above them in `low`.
RVE_INLINE void swapBits(size_t bits, uint8_t mask, vuint8m1_t& high, vuint8m1_t& low, size_t vl) {
  const vuint8m1_t both = __riscv_vand_vx_u8m1(
      __riscv_vxor_vv_u8m1(__riscv_vsrl_vx_u8m1(low, bits, vl), high, vl), mask, vl);
  high = __riscv_vxor_vv_u8m1(high, both, vl);
  low = __riscv_vxor_vv_u8m1(low, __riscv_vsll_vx_u8m1(both, bits, vl), vl);
}

// Planes of bits, the lowest first, to numbers: bytes of nJ then hold the numbers of coordinate J
// in the low and of J + 4 in the high half.
RVE_INLINE void toNibbles(vuint8m1_t& n0, vuint8m1_t& n1, vuint8m1_t& n2, vuint8m1_t& n3,
                          size_t vl) {
  swapBits(1, 0x55, n1, n0, vl);
  swapBits(1, 0x55, n3, n2, vl);
  swapBits(2, 0x33, n2, n0, vl);
  swapBits(2, 0x33, n3, n1, vl);
}

// Calls sink(indices, g) with the indices of coordinate g in the low and g + 4 in the high halves.
template <typename Sink>
RVE_INLINE void pieceIndices(const TrellisScan& scan, const Piece& piece, Sink sink) {
  const size_t planes = scan.index_planes;
  const auto upper = [&](size_t k) __attribute__((always_inline)) {  // the k-th from the last
    return piece.planeIf(k < planes, (planes - 1 - k) * scan.plane_bytes);
  };
  vuint8m1_t n0;
  vuint8m1_t n1;
  if (scan.path) {
    lowPlanes(piece, scan.path_at, n0, n1);
  } else {
    n0 = upper(0);
    n1 = upper(1);
  }
  vuint8m1_t n2 = upper(scan.path ? 0 : 2);
  vuint8m1_t n3 = upper(scan.path ? 1 : 3);
  toNibbles(n0, n1, n2, n3, piece.bytes);
  sink(n0, 0);
  sink(n1, 1);
  sink(n2, 2);
  sink(n3, 3);
}

// Calls sink(piece, low, high, g) with the values of the coordinates g and g + 4, for the bytes
// that have the choice plane and then for the others.
template <typename Sink>
RVE_INLINE void forEachValue(const TrellisScan& scan, const std::byte* code, Sink sink) {
  const vint8m1_t zero = __riscv_vle8_v_i8m1(scan.zero, 16);
  const vint8m1_t one = __riscv_vle8_v_i8m1(scan.one, 16);
  const vint8m1_t rest = __riscv_vle8_v_i8m1(scan.rest, 16);
  const auto each = [&](size_t first, size_t stop, auto valuesOf)
                        __attribute__((always_inline)) {
    forEachPiece(scan.plane_bytes, code, first, stop,
                 [&](const Piece& piece) __attribute__((always_inline)) {
      const size_t vl = piece.bytes;
      pieceIndices(scan, piece, [&](vuint8m1_t indices, size_t g) __attribute__((always_inline)) {
        sink(piece, valuesOf(piece, __riscv_vand_vx_u8m1(indices, 15, vl), g),
             valuesOf(piece, __riscv_vsrl_vx_u8m1(indices, 4, vl), g + 4), g);
      });
    });
  };
  each(0, scan.choice_bytes,
       [&](const Piece& piece, vuint8m1_t index, size_t g) __attribute__((always_inline)) {
    const size_t vl = piece.bytes;
    const vuint8m1_t bit =
        __riscv_vand_vx_u8m1(piece.plane(scan.choice_at), static_cast<uint8_t>(1u << g), vl);
    const vint8m1_t value = __riscv_vrgather_vv_i8m1(zero, index, vl);
    return __riscv_vrgather_vv_i8m1_mu(__riscv_vmsne_vx_u8m1_b8(bit, 0, vl), value, one, index, vl);
  });
  each(scan.choice_bytes, scan.plane_bytes,
       [&](const Piece& piece, vuint8m1_t index, size_t) __attribute__((always_inline)) {
    return __riscv_vrgather_vv_i8m1(rest, index, piece.bytes);
  });
}

void integerDots(const TrellisScan& scan, const int8_t* query, const std::byte* const* codes,
                 size_t count, int32_t* out) {
  const size_t lanes = __riscv_vsetvlmax_e32m4();
  for (size_t i = 0; i < count; ++i) {
    vint32m4_t sum = __riscv_vmv_v_x_i32m4(0, lanes);
    forEachValue(scan, codes[i], [&](const Piece& piece, vint8m1_t low, vint8m1_t high, size_t g)
                                     __attribute__((always_inline)) {
      const size_t vl = piece.bytes;
      const int8_t* at = query + piece.slot + g * piece.stride;
      // Two products are at most 2 * 127^2, within 16 bits.
      vint16m2_t products = __riscv_vwmul_vv_i16m2(low, __riscv_vle8_v_i8m1(at, vl), vl);
      products = __riscv_vwmacc_vv_i16m2(
          products, high, __riscv_vle8_v_i8m1(at + 4 * piece.stride, vl), vl);
      sum = __riscv_vwadd_wv_i32m4_tu(sum, sum, products, vl);
    });
    const vint32m1_t zero = __riscv_vmv_s_x_i32m1(0, 1);
    out[i] = __riscv_vmv_x_s_i32m1_i32(__riscv_vredsum_vs_i32m4_i32m1(sum, zero, lanes));
  }
}

RVE_INLINE vfloat32m4_t floatsOf(vint8m1_t values, size_t vl) {
  return __riscv_vfwcvt_f_x_v_f32m4(__riscv_vsext_vf2_i16m2(values, vl), vl);
}

void floatDots(const TrellisScan& scan, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  const size_t lanes = __riscv_vsetvlmax_e32m4();
  for (size_t i = 0; i < count; ++i) {
    vfloat32m4_t sum = __riscv_vfmv_v_f_f32m4(0.0f, lanes);
    forEachValue(scan, codes[i], [&](const Piece& piece, vint8m1_t low, vint8m1_t high, size_t g)
                                     __attribute__((always_inline)) {
      const size_t vl = piece.bytes;
      const float* at = query + piece.slot + g * piece.stride;
      sum = __riscv_vfmacc_vv_f32m4_tu(sum, floatsOf(low, vl), __riscv_vle32_v_f32m4(at, vl), vl);
      sum = __riscv_vfmacc_vv_f32m4_tu(
          sum, floatsOf(high, vl), __riscv_vle32_v_f32m4(at + 4 * piece.stride, vl), vl);
    });
    out[i] = sumOf(sum, lanes);
  }
}

// Calls sink(levels, g) with the levels of each coordinate: amplitude, then the bit of the lower
// plane if fine, then z1 and z0; 5 to 10 bits.
template <bool kFine, typename Sink>
RVE_INLINE void pieceLevels(const TrellisCurve& curve, const Piece& piece, Sink sink) {
  const size_t vl = piece.bytes;
  const size_t plane_bytes = curve.plane_bytes;
  const size_t planes = curve.amplitude_planes;
  const size_t path_at = planes * plane_bytes;
  const auto above = [&](size_t k) __attribute__((always_inline)) {  // bit k of the level, 2..9
    if (kFine && k == 2) return piece.plane(path_at + plane_bytes);
    const size_t bit = k - (kFine ? 3 : 2);
    return piece.planeIf(bit < planes, (planes - 1 - bit) * plane_bytes);
  };
  vuint8m1_t l0;
  vuint8m1_t l1;
  lowPlanes(piece, path_at, l0, l1);
  vuint8m1_t l2 = above(2);
  vuint8m1_t l3 = above(3);
  toNibbles(l0, l1, l2, l3, vl);
  vuint8m1_t m0 = above(4);
  vuint8m1_t m1 = above(5);
  vuint8m1_t m2 = above(6);
  vuint8m1_t m3 = above(7);
  toNibbles(m0, m1, m2, m3, vl);
  // Fields of two bits: coordinates 0, 2, 4 and 6, and the odd ones.
  vuint8m1_t even = above(8);
  vuint8m1_t odd = above(9);
  swapBits(1, 0x55, odd, even, vl);
  const auto both = [&](vuint8m1_t& low, vuint8m1_t& middle, vuint8m1_t fields, size_t g)
                        __attribute__((always_inline)) {
    swapBits(4, 0x0F, middle, low, vl);
    const auto widen = [&](vuint8m1_t bytes, size_t shift) __attribute__((always_inline)) {
      const vuint8m1_t high =
          __riscv_vand_vx_u8m1(__riscv_vsrl_vx_u8m1(fields, shift, vl), 3, vl);
      // low + high + 255 high: 256 is no byte.
      return __riscv_vwmaccu_vx_u16m2(__riscv_vwaddu_vv_u16m2(bytes, high, vl), 255, high, vl);
    };
    sink(widen(low, g & 2), g);
    sink(widen(middle, 4 + (g & 2)), g + 4);
  };
  both(l0, m0, even, 0);
  both(l1, m1, odd, 1);
  both(l2, m2, even, 2);
  both(l3, m3, odd, 3);
}

// Over the bytes [first, stop). Its terms are 16 y / sqrt(t) with t = 1 - y^2: the estimate of the
// inverse root has 7 bits, and two steps of Newton, both without their halves, bring them past 23.
template <bool kFine>
RVE_INLINE void addCurve(const TrellisCurve& curve, const float* query, const std::byte* code,
                         size_t first, size_t stop, vfloat32m4_t& sum) {
  const auto levels = static_cast<float>((kFine ? 8u : 4u) << curve.amplitude_planes);
  const float middle = (levels - 1) / 2;
  const float slope = 2 * curve.edge / levels;
  forEachPiece(curve.plane_bytes, code, first, stop,
               [&](const Piece& piece) __attribute__((always_inline)) {
    const size_t vl = piece.bytes;
    pieceLevels<kFine>(curve, piece, [&](vuint16m2_t level, size_t g)
                                         __attribute__((always_inline)) {
      const vfloat32m4_t y = __riscv_vfmul_vf_f32m4(
          __riscv_vfsub_vf_f32m4(__riscv_vfwcvt_f_xu_v_f32m4(level, vl), middle, vl), slope, vl);
      const vfloat32m4_t t =
          __riscv_vfnmsac_vv_f32m4(__riscv_vfmv_v_f_f32m4(1.0f, vl), y, y, vl);
      const auto newton = [&](vfloat32m4_t r, float three) __attribute__((always_inline)) {
        const vfloat32m4_t square = __riscv_vfmul_vv_f32m4(__riscv_vfmul_vv_f32m4(t, r, vl), r, vl);
        return __riscv_vfmul_vv_f32m4(r, __riscv_vfrsub_vf_f32m4(square, three, vl), vl);
      };
      // The first result is twice the root, so the second bracket has four times the three.
      const vfloat32m4_t root = newton(newton(__riscv_vfrsqrt7_v_f32m4(t, vl), 3.0f), 12.0f);
      const float* at = query + piece.slot + g * piece.stride;
      sum = __riscv_vfmacc_vv_f32m4_tu(sum, __riscv_vfmul_vv_f32m4(y, root, vl),
                                       __riscv_vle32_v_f32m4(at, vl), vl);
    });
  });
}

void curveDots(const TrellisCurve& curve, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  const size_t lanes = __riscv_vsetvlmax_e32m4();
  for (size_t i = 0; i < count; ++i) {
    vfloat32m4_t sum = __riscv_vfmv_v_f_f32m4(0.0f, lanes);
    addCurve<true>(curve, query, codes[i], 0, curve.fine_bytes, sum);
    addCurve<false>(curve, query, codes[i], curve.fine_bytes, curve.plane_bytes, sum);
    out[i] = curve.units / 16 * sumOf(sum, lanes);
  }
}

}  // namespace

extern constinit const TrellisKernels kTrellisRvv = {
    .dotI8 = integerDots,
    .dotF32 = floatDots,
    .curveF32 = curveDots,
};

}  // namespace rve
#endif
