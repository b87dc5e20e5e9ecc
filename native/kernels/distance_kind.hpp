// Which distance a codec computes. The engine's public Metric (include/rve/engine.hpp) is about
// scores; below the engine everything is a *distance*: smaller is nearer.
#pragma once
#include <cstdint>

namespace rve {

// Same numbers as Metric, so the engine converts with a static_cast.
enum class DistanceKind : uint8_t {
  kCosine = 1,  // -<q, x>; both are unit vectors
  kL2 = 2,      // |q - x|^2
  kIp = 3,      // -<q, x>
};

}  // namespace rve
