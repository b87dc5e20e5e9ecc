// 4-bit navigation records: what the graph compares. codecs/quant4.hpp writes them and says why the
// formulas hold; here is only what is needed to walk them.
//
// | Offset | Bytes | Name | Type | Meaning |
// | ---: | ---: | --- | --- | --- |
// | 0 | D/2 | `code` | u4[D] | byte j: dimension j low nibble, dimension j + D/2 high nibble |
// | D/2 | 4 | `add` | f32 | the row's own part of the distance |
// | D/2+4 | 4 | `scale` | f32 | factor of <q - c, code - 7.5>; holds the metric's sign |
// | D/2+8 | 4 | `code_sum` | u32 | sum of the D codes |
// | D/2+12 | 4 | reserved | u32 | zero |
//
// D = padded dimensions, a multiple of 64; so a record is a multiple of 16 bytes (80 at d = 128).
#pragma once
#include "base/bytes.hpp"
#include "kernels/kernels.hpp"

namespace rve {

struct NavFactors {
  float add;
  float scale;
  uint32_t code_sum;
  uint32_t reserved;
};
static_assert(sizeof(NavFactors) == 16);

constexpr size_t navRecordBytes(uint32_t padded_dims) {
  return padded_dims / 2 + sizeof(NavFactors);
}

// A read-only array of records and how two of them compare. Plain data; the records outlive it.
struct NavSpace {
  const std::byte* records;  // rows * record_bytes
  uint32_t rows;
  uint32_t padded_dims;
  // distance(a, b) = pair_base + add_a + add_b + pair_scale * scale_a * scale_b * dot, where
  // dot = <code_a - 7.5, code_b - 7.5>
  float pair_base;
  float pair_scale;

  size_t recordBytes() const { return navRecordBytes(padded_dims); }
  const std::byte* record(uint32_t row) const { return records + row * recordBytes(); }
};

inline NavFactors navFactors(const NavSpace& space, uint32_t row) {
  NavFactors factors;
  std::memcpy(&factors, space.record(row) + space.padded_dims / 2, sizeof factors);
  return factors;
}

// Distance between two stored rows, from their codes alone. Both below space.rows.
inline float navPairDistance(const Kernels& k, const NavSpace& space, uint32_t a, uint32_t b) {
  const NavFactors fa = navFactors(space, a);
  const NavFactors fb = navFactors(space, b);
  const auto* code_a = viewAs<uint8_t>(space.record(a));
  const auto* code_b = viewAs<uint8_t>(space.record(b));
  // (a - 7.5)(b - 7.5) summed, times 4, is an exact integer below 2^23; of a damaged record any
  // number, so unsigned, which may wrap.
  const uint32_t dot4 = 4 * static_cast<uint32_t>(k.dotU4U4(code_a, code_b, space.padded_dims)) -
                        30 * (fa.code_sum + fb.code_sum) + 225 * space.padded_dims;
  return space.pair_base + fa.add + fb.add +
         space.pair_scale * fa.scale * fb.scale * 0.25f *
             static_cast<float>(static_cast<int32_t>(dot4));
}

// Turns a stored row into a query, exactly: values = 2 * code - 15. `values`: padded_dims, the
// caller's.
NavQueryView navQueryFromRow(const NavSpace& space, uint32_t row, int8_t* values);

// Distance of one record by its query.
inline float navDistance(const Kernels& k, const NavQueryView& query, const std::byte* record) {
  float out;
  const uint32_t row = 0;
  k.navDistances(query, record, 0, &row, 1, &out);
  return out;
}

}  // namespace rve
