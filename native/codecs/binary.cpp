#include "codecs/binary.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "base/prefetch.hpp"

namespace rve {
namespace {

// Asked for ahead: the processor's own prefetcher stops at each page.
constexpr uint32_t kBlocksAtOnce = 2;
constexpr uint32_t kSlackBits = 8;
constexpr uint32_t kSlackMask = (1u << kSlackBits) - 1;
// Largest table entry: two of them fit a byte.
constexpr float kTableMax = 127.0f;

// A row's place: its block and its lane inside it.
template <typename Block>
Block* blockOf(Block* blocks, uint32_t row, size_t block_bytes) {
  return blocks + row / kBinaryBlockRows * block_bytes;
}

}  // namespace

BinaryCodec::BinaryCodec(DistanceKind kind, const Rotation& rotation,
                         std::span<const float> centre)
    : frame_(kind, rotation, centre), code_bytes_(rotation.paddedDims() / 8) {}

BinaryCodec::BinaryCodec(DistanceKind kind, const Rotation& rotation, RotatedCentre centre)
    : frame_(kind, rotation, centre), code_bytes_(rotation.paddedDims() / 8) {}

void BinaryCodec::put(std::byte* blocks, uint32_t row, const float* rotated) const {
  float residual[kDimensionsMax];
  frame_.subtract(rotated, residual);
  const uint32_t dims = frame_.padded;
  const size_t lane = row % kBinaryBlockRows;
  std::byte* block = blockOf(blocks, row, blockBytes());
  float absolute = 0;  // <s, r>
  for (size_t m = 0; m < code_bytes_; ++m) {
    uint32_t code = 0;
    for (size_t bit = 0; bit < 8; ++bit) {
      const float value = residual[8 * m + bit];
      code |= static_cast<uint32_t>(value >= 0) << bit;
      absolute += std::abs(value);
    }
    block[kBinaryBlockRows * m + lane] = static_cast<std::byte>(code);
  }
  const float norm2 = kernels().dotF32(residual, residual, dims);
  const float add = frame_.add(residual, norm2);
  // A row on the centre has no direction: factor 0 makes its estimate exact.
  const float factor = absolute > 0 ? norm2 / absolute : 0.0f;
  const float cos2 =
      norm2 > 0 ? absolute * absolute / (norm2 * static_cast<float>(dims)) : 1.0f;
  const float slack = std::ceil(255.0f * std::sqrt(std::max(0.0f, 1.0f - cos2)));
  uint32_t scale = std::bit_cast<uint32_t>(frame_.sign() * factor);
  // Round the magnitude to the bits that stay; a carry into the exponent is right.
  scale = (scale + (1u << (kSlackBits - 1))) & ~kSlackMask;
  scale |= std::min(255u, static_cast<uint32_t>(slack));
  std::byte* factors = block + size_t{kBinaryBlockRows} * code_bytes_;
  std::memcpy(factors + 4 * lane, &add, 4);
  std::memcpy(factors + 4 * (kBinaryBlockRows + lane), &scale, 4);
}

void BinaryCodec::prepare(const float* rotated, BinaryQuery* out) const {
  const size_t dims = frame_.padded;
  out->residual.resize(dims);
  out->table.resize(size_t{code_bytes_} * 32);
  float* v = out->residual.data();
  frame_.subtract(rotated, v);
  const float norm2 = kernels().dotF32(v, v, dims);
  // A nibble's sum <v, s> over its 4 dimensions is -t + 2 * (sum of v where the bit is set), with
  // t = sum of v; between -a and +a, a = sum of |v|. The entry is (sum + a) / step, 0..127.
  const size_t groups = dims / 4;
  float widest = 0;
  float lowest = 0;  // sum of -a over all groups
  for (size_t g = 0; g < groups; ++g) {
    const float* part = v + 4 * g;
    const float a = std::abs(part[0]) + std::abs(part[1]) + std::abs(part[2]) + std::abs(part[3]);
    widest = std::max(widest, 2 * a);
    lowest -= a;
  }
  const float step = widest / kTableMax;
  const float per_step = widest > 0 ? kTableMax / widest : 0.0f;
  for (size_t g = 0; g < groups; ++g) {
    const float* part = v + 4 * g;
    // Entry 0 has no bit set: it gains 2 |v| of every negative value. Setting a bit adds 2 v.
    float sums[16];
    sums[0] = 0.5f;  // rounds to nearest at the truncation below
    for (size_t bit = 0; bit < 4; ++bit) sums[0] += std::max(0.0f, -2 * part[bit] * per_step);
    for (size_t bit = 0; bit < 4; ++bit) {
      const float gain = 2 * part[bit] * per_step;
      for (size_t code = 0; code < (size_t{1} << bit); ++code) {
        sums[(size_t{1} << bit) + code] = sums[code] + gain;
      }
    }
    for (size_t code = 0; code < 16; ++code) {
      const float entry = std::min(kTableMax, std::max(0.0f, sums[code]));
      out->table[16 * g + code] = static_cast<uint8_t>(static_cast<int32_t>(entry));
    }
  }
  out->base = frame_.base(v, norm2);
  out->step = step;
  out->shift = lowest;
  const auto d = static_cast<float>(dims);
  out->error_scale = kErrorSigmas * std::sqrt(norm2) * std::sqrt(d / (d - 1));
  // Each entry is off by at most step / 2, uniformly; their sum by step * sqrt(groups / 12) (1
  // sigma).
  out->rounding = kErrorSigmas * step * std::sqrt(static_cast<float>(groups) / 12.0f);
}

float BinaryCodec::rowDistance(const BinaryQuery& query, const std::byte* block,
                               uint32_t lane) const {
  uint32_t sum = 0;
  for (size_t m = 0; m < code_bytes_; ++m) {
    const auto code = static_cast<uint32_t>(block[kBinaryBlockRows * m + lane]);
    sum += query.table[32 * m + (code & 15)];
    sum += query.table[32 * m + 16 + (code >> 4)];
  }
  float add;
  uint32_t scale;
  const std::byte* factors = block + size_t{kBinaryBlockRows} * code_bytes_;
  std::memcpy(&add, factors + 4 * lane, 4);
  std::memcpy(&scale, factors + 4 * (kBinaryBlockRows + lane), 4);
  return query.base + add +
         std::bit_cast<float>(scale & ~kSlackMask) *
             (query.step * static_cast<float>(sum) + query.shift);
}

void BinaryCodec::scan(const BinaryQuery& query, const std::byte* blocks, uint32_t first,
                       uint32_t rows, float* out) const {
  RVE_ASSERT(query.table.size() == size_t{code_bytes_} * 32);
  const size_t block_bytes = blockBytes();
  const uint32_t end = first + rows;
  const BinaryScan scan{.table = query.table.data(),
                        .code_bytes = code_bytes_,
                        .base = query.base,
                        .step = query.step,
                        .shift = query.shift};
  uint32_t row = first;
  while (row < end) {
    if (row % kBinaryBlockRows == 0 && end - row >= kBinaryBlockRows) {
      const uint32_t left = (end - row) / kBinaryBlockRows;
      const uint32_t count = std::min(left, kBlocksAtOnce);
      const std::byte* from = blockOf(blocks, row, block_bytes);
      const size_t ahead = std::min(left - count, kBlocksAtOnce) * block_bytes;
      for (size_t at = 0; at < ahead; at += 64) prefetchLine(from + count * block_bytes + at);
      kernels().binaryBlocks(scan, from, count, out + (row - first));
      row += count * kBinaryBlockRows;
      continue;
    }
    // A part of a block: row by row, because its other rows may be in the making.
    out[row - first] =
        rowDistance(query, blockOf(blocks, row, block_bytes), row % kBinaryBlockRows);
    ++row;
  }
}

float BinaryCodec::errorBound(const BinaryQuery& query, const std::byte* blocks,
                              uint32_t row) const {
  const std::byte* block = blockOf(blocks, row, blockBytes());
  const size_t at = size_t{kBinaryBlockRows} * (code_bytes_ + 4) + 4 * (row % kBinaryBlockRows);
  uint32_t scale;
  std::memcpy(&scale, block + at, 4);
  const float slack = static_cast<float>(scale & kSlackMask) / 255.0f;
  return std::abs(std::bit_cast<float>(scale & ~kSlackMask)) *
         (slack * query.error_scale + query.rounding);
}

void BinaryCodec::lowerBounds(const BinaryQuery& query, const std::byte* blocks, uint32_t first,
                              const float* estimates, float factor, float* out) const {
  uint32_t scales[kBinaryBlockRows];
  const std::byte* block = blockOf(blocks, first, blockBytes());
  std::memcpy(scales, block + size_t{kBinaryBlockRows} * (code_bytes_ + 4), sizeof scales);
  const float slack_scale = query.error_scale / 255.0f * factor;
  const float rounding = query.rounding * factor;
  // No branch and no call: lanes are independent.
  for (uint32_t i = 0; i < kBinaryBlockRows; ++i) {
    const auto slack = static_cast<float>(static_cast<int32_t>(scales[i] & kSlackMask));
    const auto magnitude = std::bit_cast<float>(scales[i] & ~kSlackMask & 0x7FFFFFFFu);
    out[i] = estimates[i] - magnitude * (slack * slack_scale + rounding);
  }
}

}  // namespace rve
