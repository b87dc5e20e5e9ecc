#include "codecs/quant4.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.hpp"
#include "base/limits.hpp"

namespace rve {
namespace {

// Width of the grid's step in standard deviations of the residual: the best uniform 16-level step
// for a gaussian (Max 1960), which the coordinates of a rotated vector nearly are. Trying up to
// six widths per vector gained 0.001 of recall at four times the cost, so there is one.
constexpr float kStep = 0.335f;

// u = the cell of r / step, 0..15, whose centre is u - 7.5.
inline float cellOf(float scaled) { return std::min(15.0f, std::max(0.0f, scaled)); }

// <u - 7.5, r>.
float fitOf(const float* residual, size_t dims, float per_step) {
  float dot[4] = {};
  for (size_t i = 0; i < dims; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) {
      const float value = residual[i + lane];
      const auto cell = static_cast<float>(static_cast<int32_t>(cellOf(value * per_step + 8.0f)));
      dot[lane] += (cell - 7.5f) * value;
    }
  }
  return (dot[0] + dot[1]) + (dot[2] + dot[3]);
}

}  // namespace

NavCodec::NavCodec(DistanceKind kind, const Rotation& rotation, std::span<const float> centre)
    : frame_(kind, rotation, centre) {}

void NavCodec::encode(const float* rotated, std::byte* record) const {
  float residual[kDimensionsMax];
  frame_.subtract(rotated, residual);
  const size_t dims = frame_.padded;
  const size_t half = dims / 2;
  const float norm2 = kernels().dotF32(residual, residual, dims);
  const float deviation = std::sqrt(norm2 / static_cast<float>(dims));
  const float per_step = norm2 > 0 ? 1.0f / (kStep * deviation) : 0.0f;
  const float dot = norm2 > 0 ? fitOf(residual, dims, per_step) : 0.0f;
  uint32_t code_sum = 0;
  for (size_t i = 0; i < half; ++i) {
    const auto low = static_cast<uint32_t>(cellOf(residual[i] * per_step + 8.0f));
    const auto high = static_cast<uint32_t>(cellOf(residual[half + i] * per_step + 8.0f));
    record[i] = static_cast<std::byte>(low | (high << 4));
    code_sum += low + high;
  }
  const float factor = dot > 0 ? norm2 / dot : 0.0f;
  const NavFactors factors{.add = frame_.add(residual, norm2),
                           .scale = frame_.sign() * factor,
                           .code_sum = code_sum,
                           .reserved = 0};
  std::memcpy(record + half, &factors, sizeof factors);
}

void NavCodec::prepare(const float* rotated, NavQuery* out) const {
  const size_t dims = frame_.padded;
  out->residual.resize(dims);
  out->values.resize(dims);
  float* v = out->residual.data();
  frame_.subtract(rotated, v);
  float largest = 0;
  for (size_t i = 0; i < dims; ++i) largest = std::max(largest, std::abs(v[i]));
  const float per_step = largest > 0 ? 127.0f / largest : 0.0f;
  int32_t sum = 0;
  for (size_t i = 0; i < dims; ++i) {
    // Adding 127.5 before the truncation rounds to nearest without a call.
    const int32_t value = static_cast<int32_t>(v[i] * per_step + 127.5f) - 127;
    out->values[i] = static_cast<int8_t>(value);
    sum += value;
  }
  const float step = largest / 127.0f;
  out->base = frame_.base(v, kernels().dotF32(v, v, dims));
  out->step = step;
  out->shift = -7.5f * step * static_cast<float>(sum);
}

NavSpace NavCodec::space(const std::byte* records, uint32_t rows) const {
  return {.records = records,
          .rows = rows,
          .padded_dims = frame_.padded,
          .pair_base = frame_.baseOfRow(),
          .pair_scale = 1.0f / frame_.sign()};
}

void NavCodec::decode(const std::byte* record, float* rotated) const {
  const size_t half = frame_.padded / 2;
  NavFactors factors;
  std::memcpy(&factors, record + half, sizeof factors);
  const float scale = factors.scale / frame_.sign();
  for (size_t i = 0; i < half; ++i) {
    const auto code = static_cast<uint32_t>(record[i]);
    rotated[i] = scale * (static_cast<float>(code & 15) - 7.5f);
    rotated[half + i] = scale * (static_cast<float>(code >> 4) - 7.5f);
  }
  if (frame_.centre.empty()) return;
  for (size_t i = 0; i < frame_.padded; ++i) rotated[i] += frame_.centre[i];
}

}  // namespace rve
