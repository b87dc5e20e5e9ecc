// The trellis kernels that the NEON and the dot-product tables share, in pieces of 16 bytes of a
// plane. All in an unnamed namespace, as neon_nav.hpp and for its reason.
#pragma once
#include <arm_neon.h>

#include "kernels/trellis_scan.hpp"

// Left to itself the compiler passes arrays of registers through memory.
#define RVE_INLINE inline __attribute__((always_inline))

namespace rve {
namespace {

inline const uint8_t* bytesAt(const std::byte* at) {
  return static_cast<const uint8_t*>(static_cast<const void*>(at));
}

// 0 to 15, then 16 bytes that make a table look-up give zero.
alignas(32) constexpr uint8_t kSlide[32] = {0,   1,   2,   3,   4,   5,   6,   7,    //
                                            8,   9,   10,  11,  12,  13,  14,  15,   //
                                            255, 255, 255, 255, 255, 255, 255, 255,  //
                                            255, 255, 255, 255, 255, 255, 255, 255};
alignas(32) constexpr uint8_t kOnesThenZeros[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                    255, 255, 255, 255, 255, 255, 255, 255};

// The first `bytes`, 1..16, the rest zero. Reads up to seven bytes before `at`, none behind.
RVE_INLINE uint8x16_t loadFirst(const std::byte* at, size_t bytes) {
  const uint8_t* first = bytesAt(at);
  if (bytes == 16) return vld1q_u8(first);
  if (bytes > 8) return vqtbl1q_u8(vld1q_u8(first + bytes - 16), vld1q_u8(kSlide + 16 - bytes));
  const int64x1_t down = vdup_n_s64(8 * static_cast<int64_t>(bytes) - 64);
  const uint64x1_t eight = vshl_u64(vreinterpret_u64_u8(vld1_u8(first + bytes - 8)), down);
  return vcombine_u8(vreinterpret_u8_u64(eight), vdup_n_u8(0));
}

// Up to 16 bytes of each plane of one code, and where their values meet the query.
struct Piece {
  const std::byte* code;
  size_t first;
  size_t bytes;   // 1..16
  size_t slot;    // of bit 0 of the first byte
  size_t stride;  // slots from bit to bit

  RVE_INLINE uint8x16_t plane(size_t offset) const {
    return loadFirst(code + offset + first, bytes);
  }
  // Each byte's predecessor in its plane.
  RVE_INLINE uint8x16_t before(size_t offset) const {
    if (first > 0) return loadFirst(code + offset + first - 1, bytes);
    return vextq_u8(vdupq_n_u8(0), plane(offset), 15);
  }
  // A plane that has only `n` of these bytes.
  RVE_INLINE uint8x16_t planeFirst(size_t offset, size_t n) const {
    return n == 0 ? vdupq_n_u8(0) : loadFirst(code + offset + first, n);
  }
  // How many bytes of a plane of `plane_bytes` lie here.
  RVE_INLINE size_t bytesOf(size_t plane_bytes) const {
    const size_t left = plane_bytes > first ? plane_bytes - first : 0;
    return left < bytes ? left : bytes;
  }
};

template <typename Use>
RVE_INLINE void forEachPiece(size_t plane_bytes, const std::byte* code, Use use) {
  const size_t wide = plane_bytes - plane_bytes % kTrellisWideBytes;
  for (size_t first = 0; first < plane_bytes; first += 16) {
    if (first < wide) {
      use(Piece{code, first, 16, 8 * (first / 32 * 32) + first % 32, 32});
    } else {
      const size_t left = plane_bytes - first;
      use(Piece{code, first, left < 16 ? left : 16, 8 * first, 16});
    }
  }
}

// z0 and z1, from path bits and those of the bytes before.
struct LowPlanes {
  uint8x16_t z0;
  uint8x16_t z1;
  RVE_INLINE LowPlanes(uint8x16_t path, uint8x16_t before)
      : z0(vsriq_n_u8(vshlq_n_u8(path, 2), before, 6)),
        z1(veorq_u8(path, veorq_u8(vsriq_n_u8(vshlq_n_u8(path, 1), before, 7),
                                   vsriq_n_u8(vshlq_n_u8(path, 3), before, 5)))) {}
};

// Swaps the masked bits of `high` with those kBits above them in `low`.
template <int kBits, int kMask>
RVE_INLINE void swapBits(uint8x16_t* high, uint8x16_t* low) {
  const uint8x16_t both =
      vandq_u8(veorq_u8(vshrq_n_u8(*low, kBits), *high), vdupq_n_u8(kMask));
  *high = veorq_u8(*high, both);
  *low = veorq_u8(*low, vshlq_n_u8(both, kBits));
}

// Planes of bits to numbers: bytes of n[j] hold the numbers of coordinate j in the low and of
// j + 4 in the high half. p[0] is the lowest bit.
RVE_INLINE void nibblesOf(const uint8x16_t* p, uint8x16_t* n) {
  n[0] = p[0];
  n[1] = p[1];
  n[2] = p[2];
  n[3] = p[3];
  swapBits<1, 0x55>(&n[1], &n[0]);
  swapBits<1, 0x55>(&n[3], &n[2]);
  swapBits<2, 0x33>(&n[2], &n[0]);
  swapBits<2, 0x33>(&n[3], &n[1]);
}

// Calls sink(values, g) for bit g of the bytes of a piece.
template <typename Sink>
RVE_INLINE void pieceValues(const TrellisScan& scan, const Piece& piece, Sink sink) {
  uint8x16_t planes[4] = {vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0), vdupq_n_u8(0)};
  uint32_t bit = scan.index_planes;
  if (scan.path) {
    const LowPlanes low(piece.plane(scan.path_at), piece.before(scan.path_at));
    planes[0] = low.z0;
    planes[1] = low.z1;
    if (bit > 0) planes[bit + 1] = piece.plane(0);
    if (bit > 1) planes[2] = piece.plane(scan.plane_bytes);
  } else {
    for (size_t k = 0; bit > 0; ++k) planes[--bit] = piece.plane(k * scan.plane_bytes);
  }
  uint8x16_t nibbles[4];
  nibblesOf(planes, nibbles);
  const size_t choice_bytes = piece.bytesOf(scan.choice_bytes);
  const uint8x16_t choice = piece.planeFirst(scan.choice_at, choice_bytes);
  const uint8x16_t chosen = vld1q_u8(kOnesThenZeros + 16 - choice_bytes);
  const int8x16_t zero = vld1q_s8(scan.zero);
  const int8x16_t one = vld1q_s8(scan.one);
  const int8x16_t rest = vld1q_s8(scan.rest);
#pragma GCC unroll 8
  for (size_t g = 0; g < 8; ++g) {
    const uint8x16_t index =
        g < 4 ? vandq_u8(nibbles[g], vdupq_n_u8(15)) : vshrq_n_u8(nibbles[g - 4], 4);
    const uint8x16_t bits = vtstq_u8(choice, vdupq_n_u8(static_cast<uint8_t>(1u << g)));
    const int8x16_t value =
        vbslq_s8(bits, vqtbl1q_s8(one, index), vqtbl1q_s8(zero, index));
    sink(vbslq_s8(chosen, value, vqtbl1q_s8(rest, index)), g);
  }
}

// kAdd(sum, values, query): the sum plus 16 products.
template <int32x4_t (*kAdd)(int32x4_t, int8x16_t, int8x16_t)>
void integerDotsBy(const TrellisScan& scan, const int8_t* query, const std::byte* const* codes,
                   size_t count, int32_t* out) {
  for (size_t i = 0; i < count; ++i) {
    int32x4_t sums[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    forEachPiece(scan.plane_bytes, codes[i], [&](const Piece& piece) {
      pieceValues(scan, piece, [&](int8x16_t values, size_t g) {
        sums[g & 1] = kAdd(sums[g & 1], values, vld1q_s8(query + piece.slot + g * piece.stride));
      });
    });
    out[i] = vaddvq_s32(vaddq_s32(sums[0], sums[1]));
  }
}

}  // namespace
}  // namespace rve
