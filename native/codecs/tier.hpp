// Precision classes of a stored vector, finest first.
#pragma once
#include <cstdint>

namespace rve {

// The numbers are stored.
enum class Tier : uint8_t { kHot = 0, kWarm = 1, kCool = 2, kCold = 3, kArchive = 4 };
inline constexpr uint32_t kTierCount = 5;

constexpr const char* nameOf(Tier tier) {
  constexpr const char* kNames[kTierCount] = {"hot", "warm", "cool", "cold", "archive"};
  return kNames[static_cast<uint32_t>(tier)];
}

}  // namespace rve
