// The trellis kernels in NEON as every ARMv8.0-A CPU has it.
#if defined(__aarch64__)
#include "kernels/neon_trellis.hpp"
#include "kernels/tables.hpp"

namespace rve {
namespace {

// Two products are at most 2 * 127^2, within 16 bits.
RVE_INLINE int32x4_t addProducts(int32x4_t sum, int8x16_t values, int8x16_t query) {
  const int16x8_t low = vmull_s8(vget_low_s8(values), vget_low_s8(query));
  return vpadalq_s16(sum, vmlal_high_s8(low, values, query));
}

RVE_INLINE float32x4_t addFour(float32x4_t sum, int16x4_t values, const float* query) {
  return vfmaq_f32(sum, vcvtq_f32_s32(vmovl_s16(values)), vld1q_f32(query));
}

void floatDots(const TrellisScan& scan, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    float32x4_t sums[4] = {};
    forEachPiece(scan.plane_bytes, codes[i], [&](const Piece& piece) {
      pieceValues(scan, piece, [&](int8x16_t values, size_t g) {
        const float* at = query + piece.slot + g * piece.stride;
        const int16x8_t low = vmovl_s8(vget_low_s8(values));
        const int16x8_t high = vmovl_high_s8(values);
        sums[0] = addFour(sums[0], vget_low_s16(low), at);
        sums[1] = addFour(sums[1], vget_high_s16(low), at + 4);
        sums[2] = addFour(sums[2], vget_low_s16(high), at + 8);
        sums[3] = addFour(sums[3], vget_high_s16(high), at + 12);
      });
    });
    out[i] = vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]), vaddq_f32(sums[2], sums[3])));
  }
}

// Calls sink(low, high, g) with the bytes of a number W of each coordinate. With a the amplitude
// and L the levels of a fine coordinate, W - (L - 1) = L y / edge:
//   fine   W = 16 a + 8 f + 4 z1 + 2 z0        others   W = 16 a + 8 z1 + 4 z0 + 1
template <typename Sink>
RVE_INLINE void pieceNumbers(const TrellisCurve& curve, const Piece& piece, Sink sink) {
  const size_t plane_bytes = curve.plane_bytes;
  const size_t path_at = curve.amplitude_planes * plane_bytes;
  const LowPlanes z(piece.plane(path_at), piece.before(path_at));
  const size_t fine_bytes = piece.bytesOf(curve.fine_bytes);
  const uint8x16_t fine = vld1q_u8(kOnesThenZeros + 16 - fine_bytes);
  const uint8x16_t fine_bits = piece.planeFirst(path_at + plane_bytes, fine_bytes);
  const uint8x16_t low_bits[4] = {vmvnq_u8(fine), vandq_u8(fine, z.z0), vbslq_u8(fine, z.z1, z.z0),
                                  vbslq_u8(fine, fine_bits, z.z1)};
  uint8x16_t amplitude[8];
  for (uint32_t k = 0; k < 8; ++k) amplitude[k] = vdupq_n_u8(0);
  for (uint32_t k = 0; k < curve.amplitude_planes; ++k) {
    amplitude[curve.amplitude_planes - 1 - k] = piece.plane(k * plane_bytes);
  }
  uint8x16_t low[4];
  uint8x16_t middle[4];
  uint8x16_t high[4];
  nibblesOf(low_bits, low);
  nibblesOf(amplitude, middle);
  nibblesOf(amplitude + 4, high);
#pragma GCC unroll 4
  for (size_t g = 0; g < 4; ++g) {
    swapBits<4, 0x0F>(&middle[g], &low[g]);
    sink(low[g], vandq_u8(high[g], vdupq_n_u8(15)), g);
    sink(middle[g], vshrq_n_u8(high[g], 4), g + 4);
  }
}

// One over the square root; two steps of Newton bring the estimate's 8 bits to 23.
RVE_INLINE float32x4_t inverseRoot(float32x4_t t) {
  float32x4_t r = vrsqrteq_f32(t);
  r = vmulq_f32(r, vrsqrtsq_f32(vmulq_f32(t, r), r));
  return vmulq_f32(r, vrsqrtsq_f32(vmulq_f32(t, r), r));
}

void curveDots(const TrellisCurve& curve, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  const auto levels = static_cast<float>(8u << curve.amplitude_planes);
  const float32x4_t middle = vdupq_n_f32(levels - 1);
  const float32x4_t slope = vdupq_n_f32(curve.edge / levels);
  for (size_t i = 0; i < count; ++i) {
    float32x4_t sums[4] = {};
    forEachPiece(curve.plane_bytes, codes[i], [&](const Piece& piece) {
      pieceNumbers(curve, piece, [&](uint8x16_t low, uint8x16_t high, size_t g) {
        const float* at = query + piece.slot + g * piece.stride;
        const uint16x8_t numbers[2] = {vreinterpretq_u16_u8(vzip1q_u8(low, high)),
                                       vreinterpretq_u16_u8(vzip2q_u8(low, high))};
#pragma GCC unroll 4
        for (size_t k = 0; k < 4; ++k) {
          const uint16x8_t eight = numbers[k / 2];
          const uint32x4_t four =
              k % 2 == 0 ? vmovl_u16(vget_low_u16(eight)) : vmovl_high_u16(eight);
          const float32x4_t y = vmulq_f32(vsubq_f32(vcvtq_f32_u32(four), middle), slope);
          const float32x4_t t = vfmsq_f32(vdupq_n_f32(1), y, y);
          sums[k] = vfmaq_f32(sums[k], vmulq_f32(y, inverseRoot(t)), vld1q_f32(at + 4 * k));
        }
      });
    });
    out[i] = curve.units * vaddvq_f32(vaddq_f32(vaddq_f32(sums[0], sums[1]),
                                                vaddq_f32(sums[2], sums[3])));
  }
}

}  // namespace

extern constinit const TrellisKernels kTrellisNeon = {
    .dotI8 = integerDotsBy<addProducts>,
    .dotF32 = floatDots,
    .curveF32 = curveDots,
};

}  // namespace rve
#endif
