#include "codecs/trellis.hpp"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "kernels/split_mix.hpp"

namespace rve {
namespace {

// Four lanes, in the vector extension that g++ and clang share: SSE2 and NEON take it as it is,
// other machines lane by lane.
using Float4 = float __attribute__((vector_size(16)));
using Int4 = int32_t __attribute__((vector_size(16)));

Float4 all(float x) { return Float4{x, x, x, x}; }
#if defined(__SSE2__)
// The same, which the compiler does not see where the comparison has another use.
Float4 smaller(Float4 a, Float4 b) { return _mm_min_ps(a, b); }
#else
Float4 smaller(Float4 a, Float4 b) { return a < b ? a : b; }
#endif
Float4 larger(Float4 a, Float4 b) { return a > b ? a : b; }

constexpr uint32_t kStates = 8;

// The best grids for a gaussian, by planes: the compression, and the outer end of the grid in
// standard deviations. Found by search in steps of 0.05 and 0.2; the optimum is flat.
struct Shape {
  float compression;
  float half_width;
};
constexpr Shape kShapes[kTrellisPlanesMax + 2] = {{0, 0},        {0.10f, 1.6f}, {0.40f, 2.2f},
                                                  {0.50f, 2.8f}, {0.55f, 3.2f}, {0.55f, 3.8f},
                                                  {0.55f, 4.4f}, {0.55f, 4.4f}, {0.55f, 4.4f},
                                                  {0.55f, 4.4f}};
// Up to so many levels the values are i8, else i16.
constexpr uint32_t kByteLevelsMax = 32;

// What noise2() is measured on. Stored noise codes depend on both: they may never change.
constexpr uint64_t kCalibrationSeed = 0x7E11;
constexpr uint32_t kCalibrationValues = 1024;

// How a companded value -1..1 becomes a level.
struct Scale {
  float levels_per_y;
  float offset;      // the level of zero
  float amplitudes;  // 2^bits
  float weight;      // squared width of a level, in fine ones

  Scale(uint32_t levels, float edge, bool fine)
      : levels_per_y(0.5f * static_cast<float>(levels) / edge),
        offset(0.5f * static_cast<float>(levels - 1)),
        amplitudes(0.25f * static_cast<float>(levels)),
        weight(fine ? 1.0f : 4.0f) {
    // One bit: four levels, but a single amplitude.
    amplitudes = levels < 4 ? 1.0f : amplitudes;
  }
};

// One coordinate's survivors. State n holds p[i] in bit 0, p[i-1] in bit 1, p[i-2] in bit 2; its
// two predecessors are n >> 1, with p[i-3] = 0 or 1 in bit 2.
struct Costs {
  Float4 low;   // states 0..3
  Float4 high;  // states 4..7
};

// choice[n]: 0 or -1, the p[i-3] of the better predecessor of state n.
inline Costs advance(const Costs& from, Float4 d, int32_t* choice) {
  // d[j]: error of the nearest level j mod 4. State n asks for level 2 (n0 ^ n1 ^ p[i-3]) + n2.
  const Float4 d_even = __builtin_shufflevector(d, d, 0, 2, 2, 0);
  const Float4 d_odd = __builtin_shufflevector(d, d, 1, 3, 3, 1);
  const Float4 d_even_other = __builtin_shufflevector(d, d, 2, 0, 0, 2);
  const Float4 d_odd_other = __builtin_shufflevector(d, d, 3, 1, 1, 3);
  const Float4 low0 = __builtin_shufflevector(from.low, from.low, 0, 0, 1, 1) + d_even;
  const Float4 low1 = __builtin_shufflevector(from.high, from.high, 0, 0, 1, 1) + d_even_other;
  const Float4 high0 = __builtin_shufflevector(from.low, from.low, 2, 2, 3, 3) + d_odd;
  const Float4 high1 = __builtin_shufflevector(from.high, from.high, 2, 2, 3, 3) + d_odd_other;
  const Int4 low_choice = low1 < low0;
  const Int4 high_choice = high1 < high0;
  std::memcpy(choice, &low_choice, 16);
  std::memcpy(choice + 4, &high_choice, 16);
  return {smaller(low1, low0), smaller(high1, high0)};
}

// Levels y of the values [first, stop), both multiples of 4, and the weights of their errors: a
// level is stretch^3 as wide here as in the middle.
void compand(const float* values, float to_x, const Scale& scale, uint32_t first, uint32_t stop,
             float* y, float* weight) {
  for (uint32_t i = first; i < stop; i += 4) {
    Float4 x;
    std::memcpy(&x, values + i, sizeof x);
    x *= all(to_x);
    const Float4 stretch2 = all(1) + x * x;
    const Float4 stretch = {std::sqrt(stretch2[0]), std::sqrt(stretch2[1]),
                            std::sqrt(stretch2[2]), std::sqrt(stretch2[3])};
    const Float4 level = x / stretch * all(scale.levels_per_y) + all(scale.offset);
    const Float4 weights = all(scale.weight) * stretch2 * stretch2 * stretch2;
    std::memcpy(y + i, &level, sizeof level);
    std::memcpy(weight + i, &weights, sizeof weights);
  }
}

// Squared errors of the nearest level of each residue 0..3, times `weight`.
inline Float4 residueErrors(float y, float amplitudes, float weight) {
  const Float4 residue = {0, 1, 2, 3};
  const Float4 from_residue = all(y) - residue;
  const Float4 bounded =
      smaller(larger(from_residue * all(0.25f) + all(0.5f), all(0)), all(amplitudes - 0.5f));
  const Int4 amplitude = __builtin_convertvector(bounded, Int4);
  const Float4 off = from_residue - __builtin_convertvector(amplitude, Float4) * all(4);
  return off * off * all(weight);
}

inline uint16_t levelOf(float y, float amplitudes, uint32_t residue) {
  const float scaled = (y - static_cast<float>(residue)) * 0.25f + 0.5f;
  // Written so that NaN becomes 0.
  const float bounded = scaled > 0 ? std::min(scaled, amplitudes - 0.5f) : 0.0f;
  return static_cast<uint16_t>(4 * static_cast<uint32_t>(bounded) + residue);
}

// The two low planes of eight coordinates, from the path bits of these and of the three before.
struct LowPlanes {
  uint32_t z0;
  uint32_t z1;
  LowPlanes(uint32_t path, uint32_t before) {
    const uint32_t window = (path << 3) | (before >> 5);  // bit b + 3: path bit of coordinate b
    z0 = (window >> 1) & 255;
    z1 = (path ^ (window >> 2) ^ window) & 255;
  }
};

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

// Calls use(j, amplitudes, residues, fine) for each eight coordinates; both are eight bytes.
template <typename Use>
inline void forEachEight(const TrellisShape& shape, const std::byte* code, Use use) {
  const size_t plane_bytes = shape.planeBytes();
  const uint32_t full = shape.planes - 1;
  const size_t fine_bytes = shape.fine_dims / 8;
  const std::byte* path = code + full * plane_bytes;
  const std::byte* fine_plane = path + plane_bytes;
  uint32_t before = 0;
  for (size_t j = 0; j < plane_bytes; ++j) {
    uint64_t amplitudes = 0;
    for (uint32_t k = 0; k < full; ++k) {
      amplitudes =
          2 * amplitudes + kSpread[static_cast<uint32_t>(code[k * plane_bytes + j])];
    }
    const bool fine = j < fine_bytes;
    if (fine) amplitudes = 2 * amplitudes + kSpread[static_cast<uint32_t>(fine_plane[j])];
    const auto bits = static_cast<uint32_t>(path[j]);
    const LowPlanes low(bits, before);
    before = bits;
    use(j, amplitudes, kSpread[low.z0] + 2 * kSpread[low.z1], fine);
  }
}

// Eight values.
inline void eightValues(uint64_t amplitudes, uint64_t residues, const float* table, float* out) {
  uint8_t a[8];
  uint8_t r[8];
  std::memcpy(a, &amplitudes, 8);
  std::memcpy(r, &residues, 8);
  for (size_t lane = 0; lane < 8; ++lane) out[lane] = table[4u * a[lane] + r[lane]];
}

// In double, so that whether a compiler fuses multiply and add does not change a whole number.
std::vector<float> tableOf(uint32_t levels, float edge, float units) {
  std::vector<float> table(levels);
  for (uint32_t level = 0; level < levels; ++level) {
    const double place = (2.0 * level - (levels - 1.0)) / levels;
    const double y = place * double{edge};
    table[level] = static_cast<float>(std::round(double{units} * y / std::sqrt(1 - y * y)));
  }
  return table;
}

}  // namespace

TrellisGrid::TrellisGrid(const TrellisShape& shape) : shape_(shape) {
  RVE_ASSERT(shape.dims % 8 == 0 && shape.dims <= kDimensionsMax && shape.planes >= 1 &&
             shape.planes <= kTrellisPlanesMax && shape.fine_dims < shape.dims);
  // Between whole bits, between their grids.
  const Shape& low = kShapes[shape.planes];
  const Shape& high = kShapes[shape.planes + 1];
  const float share = static_cast<float>(shape.fine_dims) / static_cast<float>(shape.dims);
  compression_ = low.compression + share * (high.compression - low.compression);
  const float half_width = low.half_width + share * (high.half_width - low.half_width);
  const float x = compression_ * half_width;
  edge_ = x / std::sqrt(1 + x * x);
  const uint32_t levels = (shape.fine_dims > 0 ? 4u : 2u) << shape.planes;
  // The outermost level is half a level inside the end.
  const float y = edge_ * (1 - 1 / static_cast<float>(levels));
  const float largest = y / std::sqrt(1 - y * y);
  byte_values_ = levels <= kByteLevelsMax;
  const float units = (byte_values_ ? 127.0f : 32767.0f) / largest;
  units_per_deviation_ = units * compression_;
  fine_ = tableOf(4u << shape.planes, edge_, units);
  coarse_ = tableOf(2u << shape.planes, edge_, units);
  calibrate();
}

void TrellisGrid::calibrate() {
  SplitMix random(kCalibrationSeed);
  float values[kDimensionsMax];
  float code[kDimensionsMax];
  uint16_t levels[kDimensionsMax];
  uint8_t path[kDimensionsMax];
  double error = 0;
  for (uint32_t done = 0; done < kCalibrationValues; done += shape_.dims) {
    for (uint32_t i = 0; i < shape_.dims; ++i) {
      // Twelve uniform numbers less six are gaussian as far as the grid goes, in the same bits
      // everywhere, which a logarithm is not.
      double sum = -6;
      for (int part = 0; part < 12; ++part) sum += random.uniform();
      values[i] = units_per_deviation_ * static_cast<float>(sum);
    }
    quantise(values, 1, levels, path);
    valuesOf(levels, code);
    double squares = 0;
    for (uint32_t i = 0; i < shape_.dims; ++i) {
      squares += double{values[i] - code[i]} * (values[i] - code[i]);
    }
    error += squares / shape_.dims * std::min(shape_.dims, kCalibrationValues - done);
  }
  noise2_ = static_cast<float>(error / kCalibrationValues);
}

void TrellisGrid::quantise(const float* values, float per_unit, uint16_t* levels,
                           uint8_t* path) const {
  int32_t choices[kDimensionsMax][kStates];
  float y[kDimensionsMax];
  float weight[kDimensionsMax];
  const Scale fine(4u << shape_.planes, edge_, true);
  const Scale coarse(2u << shape_.planes, edge_, false);
  const float to_x = per_unit * compression_ / units_per_deviation_;
  compand(values, to_x, fine, 0, shape_.fine_dims, y, weight);
  compand(values, to_x, coarse, shape_.fine_dims, shape_.dims, y, weight);
  // All paths begin in state 0: nothing came before.
  constexpr float kNever = std::numeric_limits<float>::max() / 4;
  Costs costs{{0, kNever, kNever, kNever}, all(kNever)};
  for (uint32_t i = 0; i < shape_.dims; ++i) {
    const float amplitudes = i < shape_.fine_dims ? fine.amplitudes : coarse.amplitudes;
    costs = advance(costs, residueErrors(y[i], amplitudes, weight[i]), choices[i]);
  }
  float last[kStates];
  std::memcpy(last, &costs.low, 16);
  std::memcpy(last + 4, &costs.high, 16);
  auto state = static_cast<uint32_t>(std::min_element(last, last + kStates) - last);
  for (uint32_t i = shape_.dims; i-- > 0;) {
    const uint32_t oldest = choices[i][state] & 1;  // p[i-3]
    const uint32_t z1 = (state ^ (state >> 1) ^ oldest) & 1;
    const uint32_t z0 = state >> 2;
    path[i] = static_cast<uint8_t>(state & 1);
    levels[i] = static_cast<uint16_t>(2 * z1 + z0);
    state = (state >> 1) | (oldest << 2);
  }
  for (uint32_t i = 0; i < shape_.dims; ++i) {
    const Scale& scale = i < shape_.fine_dims ? fine : coarse;
    levels[i] = levelOf(y[i], scale.amplitudes, levels[i]);
  }
}

void TrellisGrid::valuesOf(const uint16_t* levels, float* values) const {
  uint32_t i = 0;
  for (; i < shape_.fine_dims; ++i) values[i] = fine_[levels[i]];
  for (; i < shape_.dims; ++i) values[i] = coarse_[levels[i]];
}

void TrellisGrid::pack(const uint16_t* levels, const uint8_t* path, std::byte* code) const {
  const size_t plane_bytes = shape_.planeBytes();
  const size_t fine_bytes = shape_.fine_dims / 8;
  const uint32_t full = shape_.planes - 1;
  for (size_t j = 0; j < plane_bytes; ++j) {
    const bool fine = j < fine_bytes;
    const uint32_t bits = full + (fine ? 1 : 0);  // of the amplitude
    uint64_t planes = 0;                          // byte k: plane k, the lowest bit first
    uint32_t steps = 0;
    for (uint32_t lane = 0; lane < 8; ++lane) {
      planes |= kSpread[(levels[8 * j + lane] / 4u) & 255] << lane;
      steps |= uint32_t{path[8 * j + lane]} << lane;
    }
    for (uint32_t k = 0; k < full; ++k) {
      code[k * plane_bytes + j] = static_cast<std::byte>((planes >> (8 * (bits - 1 - k))) & 255);
    }
    code[full * plane_bytes + j] = static_cast<std::byte>(steps);
    if (fine) code[(full + 1) * plane_bytes + j] = static_cast<std::byte>(planes & 255);
  }
}

void TrellisGrid::unpack(const std::byte* code, float* values) const {
  forEachEight(shape_, code, [&](size_t j, uint64_t amplitudes, uint64_t residues, bool fine) {
    eightValues(amplitudes, residues, fine ? fine_.data() : coarse_.data(), values + 8 * j);
  });
}

float TrellisGrid::dot(const std::byte* code, const float* query) const {
  float sums[8] = {};
  forEachEight(shape_, code, [&](size_t j, uint64_t amplitudes, uint64_t residues, bool fine) {
    float eight[8];
    eightValues(amplitudes, residues, fine ? fine_.data() : coarse_.data(), eight);
    for (size_t lane = 0; lane < 8; ++lane) sums[lane] += eight[lane] * query[8 * j + lane];
  });
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

}  // namespace rve
