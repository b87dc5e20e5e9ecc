// The scalar twins of the trellis kernels.
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/tables.hpp"

namespace rve {
namespace {

// Bit b of the index as the value of byte b.
constexpr std::array<uint64_t, 256> kSpread = [] {
  std::array<uint64_t, 256> table{};
  for (uint32_t value = 0; value < 256; ++value) {
    for (uint32_t bit = 0; bit < 8; ++bit) {
      table[value] |= uint64_t{(value >> bit) & 1} << (8 * bit);
    }
  }
  return table;
}();

inline uint64_t spread(std::byte bits) { return kSpread[static_cast<uint32_t>(bits)]; }

// 2 z1 + z0 of the eight coordinates of a path byte, a byte each.
inline uint64_t residues(const std::byte* path, size_t j) {
  const uint32_t before = j == 0 ? 0 : static_cast<uint32_t>(path[j - 1]);
  const auto bits = static_cast<uint32_t>(path[j]);
  const uint32_t window = (bits << 3) | (before >> 5);  // bit b + 3: path bit of coordinate b
  return kSpread[(window >> 1) & 255] + 2 * kSpread[(bits ^ (window >> 2) ^ window) & 255];
}

// Byte g: the index of coordinate 8 j + g.
inline uint64_t indices(const TrellisScan& scan, const std::byte* code, size_t j) {
  uint64_t index = 0;
  for (uint32_t k = 0; k < scan.index_planes; ++k) {
    index = 2 * index + spread(code[k * scan.plane_bytes + j]);
  }
  return !scan.path ? index : 4 * index + residues(code + scan.path_at, j);
}

template <typename Sum, typename Query>
void lookUpDots(const TrellisScan& scan, const Query* query, const std::byte* const* codes,
                size_t count, Sum* out) {
  for (size_t i = 0; i < count; ++i) {
    const std::byte* code = codes[i];
    Sum sums[8] = {};
    for (size_t j = 0; j < scan.plane_bytes; ++j) {
      const bool chosen = j < scan.choice_bytes;
      const uint64_t choice = chosen ? spread(code[scan.choice_at + j]) : 0;
      const uint64_t index = indices(scan, code, j);
      const TrellisSlot slot = trellisSlot(scan.plane_bytes, j);
      for (size_t g = 0; g < 8; ++g) {
        const int8_t* table =
            !chosen ? scan.rest : ((choice >> (8 * g)) & 1) != 0 ? scan.one : scan.zero;
        const auto value = static_cast<Sum>(table[(index >> (8 * g)) & 15]);
        sums[g] += value * static_cast<Sum>(query[slot.first + g * slot.stride]);
      }
    }
    out[i] = ((sums[0] + sums[4]) + (sums[1] + sums[5])) +
             ((sums[2] + sums[6]) + (sums[3] + sums[7]));
  }
}

void curveDots(const TrellisCurve& curve, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  const uint32_t fine_levels = 8u << curve.amplitude_planes;
  // y of level l: (2 l - (L - 1)) * slope; a level of the others is twice as wide.
  const float fine_slope = curve.edge / static_cast<float>(fine_levels);
  for (size_t i = 0; i < count; ++i) {
    const std::byte* code = codes[i];
    const std::byte* path = code + size_t{curve.amplitude_planes} * curve.plane_bytes;
    float sums[8] = {};
    for (size_t j = 0; j < curve.plane_bytes; ++j) {
      const bool fine = j < curve.fine_bytes;
      const uint64_t low = fine ? spread(path[curve.plane_bytes + j]) : 0;
      const uint64_t residue = residues(path, j);
      uint64_t amplitudes = 0;
      for (uint32_t k = 0; k < curve.amplitude_planes; ++k) {
        amplitudes = 2 * amplitudes + spread(code[k * curve.plane_bytes + j]);
      }
      const uint32_t levels = fine ? fine_levels : fine_levels / 2;
      const float slope = fine ? fine_slope : 2 * fine_slope;
      const TrellisSlot slot = trellisSlot(curve.plane_bytes, j);
      for (size_t g = 0; g < 8; ++g) {
        auto level = static_cast<uint32_t>((amplitudes >> (8 * g)) & 255);
        if (fine) level = 2 * level + static_cast<uint32_t>((low >> (8 * g)) & 1);
        level = 4 * level + static_cast<uint32_t>((residue >> (8 * g)) & 3);
        const int place = static_cast<int>(2 * level) - static_cast<int>(levels - 1);
        const float y = static_cast<float>(place) * slope;
        sums[g] += y / std::sqrt(1 - y * y) * query[slot.first + g * slot.stride];
      }
    }
    out[i] = curve.units * (((sums[0] + sums[4]) + (sums[1] + sums[5])) +
                            ((sums[2] + sums[6]) + (sums[3] + sums[7])));
  }
}

}  // namespace

constinit const TrellisKernels kTrellisScalar = {
    .dotI8 = lookUpDots<int32_t, int8_t>,
    .dotF32 = lookUpDots<float, float>,
    .curveF32 = curveDots,
};

}  // namespace rve
