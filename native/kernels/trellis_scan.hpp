// Dots of a query with trellis codes (codecs/trellis.hpp) as they lie in a record: bit planes, of
// which bit b of byte j is coordinate 8 j + b.
//
// The stored code keeps its order; the *query* is brought into the order in which the kernels make
// values, once. Planes are read in wide columns of 32 bytes and, for the rest, one or two narrow
// ones of up to 16. Within a column of w bytes the slots run first over the w bytes, then over the
// bits: slot g w + b is coordinate 8 (first + b) + g. So a register of one bit of w bytes meets one
// row of the query. The last narrow column may be short: slots without a coordinate hold zero.
//
// Codes need no alignment, and only their own bytes and the seven before them (a record's side
// data) are read. Any bytes are a valid code.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rve {

inline constexpr size_t kTrellisWideBytes = 32;
inline constexpr size_t kTrellisNarrowBytes = 16;

// Slots of a query: a multiple of 128.
constexpr size_t trellisSlots(size_t plane_bytes) {
  const size_t rest = plane_bytes % kTrellisWideBytes;
  return 8 * (plane_bytes - rest) +
         (rest + kTrellisNarrowBytes - 1) / kTrellisNarrowBytes * 8 * kTrellisNarrowBytes;
}

// The slot of bit 0 of a byte, and how far on the slot of the next bit is.
struct TrellisSlot {
  size_t first;
  size_t stride;
};
constexpr TrellisSlot trellisSlot(size_t plane_bytes, size_t byte) {
  const size_t wide = plane_bytes - plane_bytes % kTrellisWideBytes;
  const size_t width = byte < wide ? kTrellisWideBytes : kTrellisNarrowBytes;
  const size_t within = byte & (width - 1);
  return {8 * (byte - within) + within, width};
}

// A code whose values are looked up. The index is the bits of `index_planes` planes, which begin
// the code, the first bit highest; then, with a path, z1 and z0 (codecs/trellis.hpp). The bit of
// the choice plane takes the value from `one` instead of `zero`; coordinates of bytes that this
// plane lacks have `rest`.
struct TrellisScan {
  uint32_t plane_bytes;
  uint32_t index_planes;  // with a path 0..2, else 1..4
  bool path;
  uint32_t path_at;       // offset of the path plane, if there is a path
  uint32_t choice_at;     // offset of the choice plane; no meaning where it has no bytes
  uint32_t choice_bytes;  // 0..plane_bytes
  int8_t zero[16];        // -127..127
  int8_t one[16];
  int8_t rest[16];
};

// A whole code of 64 levels and more, its values computed instead of looked up:
// units * y / sqrt(1 - y^2), where level l of L is y = edge * (2 l - (L - 1)) / L.
struct TrellisCurve {
  uint32_t plane_bytes;
  uint32_t amplitude_planes;  // 3..7, which begin the code; then the path
  uint32_t fine_bytes;        // of the plane of a lower bit, behind the path; 0..plane_bytes
  float edge;                 // below 1
  float units;
};

struct TrellisKernels {
  // Exact. query: trellisSlots() values in -127..127.
  void (*dotI8)(const TrellisScan& scan, const int8_t* query, const std::byte* const* codes,
                size_t count, int32_t* out);
  // For codes with a path. Error as dotF32 of kernels.hpp.
  void (*dotF32)(const TrellisScan& scan, const float* query, const std::byte* const* codes,
                 size_t count, float* out);
  // Error as dotF32, and each value to 2^-20 of itself.
  void (*curveF32)(const TrellisCurve& curve, const float* query, const std::byte* const* codes,
                   size_t count, float* out);
};

}  // namespace rve
