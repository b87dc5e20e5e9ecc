#include "kernels/nav.hpp"

namespace rve {

NavQueryView navQueryFromRow(const NavSpace& space, uint32_t row, int8_t* values) {
  const size_t half = space.padded_dims / 2;
  const auto* code = viewAs<uint8_t>(space.record(row));
  for (size_t i = 0; i < half; ++i) {
    values[i] = static_cast<int8_t>(2 * (code[i] & 15) - 15);
    values[half + i] = static_cast<int8_t>(2 * (code[i] >> 4) - 15);
  }
  const NavFactors factors = navFactors(space, row);
  // sum(values) = 2 code_sum - 15 D, hence <values / 2, u - 7.5> = dot / 2 - 3.75 sum(values).
  const float sum = 2.0f * static_cast<float>(factors.code_sum) -
                    15.0f * static_cast<float>(space.padded_dims);
  const float scale = space.pair_scale * factors.scale;
  return {.values = values,
          .padded_dims = space.padded_dims,
          .base = space.pair_base + factors.add,
          .step = 0.5f * scale,
          .shift = -3.75f * scale * sum};
}

}  // namespace rve
