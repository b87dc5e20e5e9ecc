// The side data of a record of cool, cold and archive, unpacked (the record: tier_codec.hpp).
#pragma once
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace rve {

// Bits of an f32 that are not stored.
inline constexpr uint32_t kTierFactorDropped = 11;
inline constexpr uint32_t kTierAddDropped = 8;
inline constexpr uint32_t kTierNoiseCodeMax = 15;

struct TierSide {
  uint32_t noise_code;
  float factor;
  uint32_t centroid;
  float add;
};

inline TierSide loadTierSide(const std::byte* record, uint32_t centroid_count) {
  uint32_t word;
  uint32_t add_bits;  // The byte before `add` is its low one here.
  std::memcpy(&word, record, 4);
  std::memcpy(&add_bits, record + 3, 4);
  const uint32_t centroid = word & 255;
  return {.noise_code = (word >> 8) & 15,
          .factor = std::bit_cast<float>(word >> 12 << kTierFactorDropped),
          .centroid = centroid < centroid_count ? centroid : 0,
          .add = std::bit_cast<float>(add_bits >> kTierAddDropped << kTierAddDropped)};
}

// How many times the grid's usual noise a code stands for. The last one is for vectors that do not
// fit the grid at all.
inline float tierNoiseTimes(uint32_t code) {
  return code == kTierNoiseCodeMax ? 64.0f : std::exp2(static_cast<float>(code) / 8 - 0.5f);
}

}  // namespace rve
