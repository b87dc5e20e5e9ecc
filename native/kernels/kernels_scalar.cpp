// The scalar twins: what every other table must agree with, and what boards without SIMD run.
#include <bit>
#include <cstring>

#include "base/bytes.hpp"
#include "kernels/half_scalar.hpp"
#include "kernels/tables.hpp"

namespace rve {
namespace {

float dotF32(const float* a, const float* b, size_t n) {
  // Four chains hide the latency of the adds.
  float sum[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) sum[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < n; ++i) sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

float l2F32(const float* a, const float* b, size_t n) {
  float sum[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t lane = 0; lane < 4; ++lane) {
      const float difference = a[i + lane] - b[i + lane];
      sum[lane] += difference * difference;
    }
  }
  for (; i < n; ++i) sum[0] += (a[i] - b[i]) * (a[i] - b[i]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void halvesFromFloats(const float* in, uint16_t* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = halfFromFloat(in[i]);
}

void floatsFromHalves(const uint16_t* in, float* out, size_t n) {
  for (size_t i = 0; i < n; ++i) out[i] = floatFromHalf(in[i]);
}

// Widens 64 halves at a time, so that one loop serves both sums.
template <float (*kSum)(const float*, const float*, size_t)>
float overHalves(const float* q, const uint16_t* x, size_t n) {
  float wide[64];
  float sum = 0;
  for (size_t i = 0; i < n; i += 64) {
    const size_t count = n - i < 64 ? n - i : 64;
    floatsFromHalves(x + i, wide, count);
    sum += kSum(q + i, wide, count);
  }
  return sum;
}

void fht(float* data, size_t n) {
  for (size_t half = 1; half < n; half *= 2) {
    for (size_t start = 0; start < n; start += 2 * half) {
      for (size_t i = start; i < start + half; ++i) {
        const float a = data[i];
        const float b = data[i + half];
        data[i] = a + b;
        data[i + half] = a - b;
      }
    }
  }
}

uint64_t hamming(const uint8_t* a, const uint8_t* b, size_t bytes) {
  uint64_t bits = 0;
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8) {
    uint64_t word_a;
    uint64_t word_b;
    std::memcpy(&word_a, a + i, 8);
    std::memcpy(&word_b, b + i, 8);
    bits += static_cast<uint64_t>(std::popcount(word_a ^ word_b));
  }
  for (; i < bytes; ++i) {
    bits += static_cast<uint64_t>(std::popcount(static_cast<uint8_t>(a[i] ^ b[i])));
  }
  return bits;
}

int32_t dotI8U4(const int8_t* values, const uint8_t* code, size_t dims) {
  const size_t half = dims / 2;
  int32_t low = 0;
  int32_t high = 0;
  for (size_t i = 0; i < half; ++i) {
    low += values[i] * (code[i] & 15);
    high += values[half + i] * (code[i] >> 4);
  }
  return low + high;
}

int32_t dotU4U4(const uint8_t* a, const uint8_t* b, size_t dims) {
  int32_t sum = 0;
  for (size_t i = 0; i < dims / 2; ++i) {
    sum += (a[i] & 15) * (b[i] & 15) + (a[i] >> 4) * (b[i] >> 4);
  }
  return sum;
}

void navDistances(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                  const uint32_t* rows, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) {
    const std::byte* record = records + rows[i] * record_bytes;
    float factors[2];  // add, scale
    std::memcpy(factors, record + query.padded_dims / 2, sizeof factors);
    const int32_t dot = dotI8U4(query.values, viewAs<uint8_t>(record), query.padded_dims);
    out[i] = query.base + factors[0] +
             factors[1] * (query.step * static_cast<float>(dot) + query.shift);
  }
}

// Code bytes whose tables are widened at once: 16 * 256 * 2 bytes fit a small first-level cache.
constexpr size_t kWideBytes = 16;

// One table of 256 sums for each code byte in place of two of 16: half the look-ups, for 4,096
// additions.
void widen(const uint8_t* table, size_t count, uint16_t (*wide)[256]) {
  for (size_t m = 0; m < count; ++m) {
    for (size_t code = 0; code < 256; ++code) {
      wide[m][code] = static_cast<uint16_t>(table[32 * m + (code & 15)] +
                                            table[32 * m + 16 + (code >> 4)]);
    }
  }
}

void binaryBlocks(const BinaryScan& scan, const std::byte* blocks, size_t block_count,
                  float* out) {
  const size_t code_bytes = size_t{scan.code_bytes} * kBinaryBlockRows;
  const size_t block_bytes = code_bytes + 8 * kBinaryBlockRows;
  uint16_t wide[kWideBytes][256];
  for (size_t first = 0; first < scan.code_bytes; first += kWideBytes) {
    const size_t left = scan.code_bytes - first;
    const size_t count = left < kWideBytes ? left : kWideBytes;
    const bool last = first + count == scan.code_bytes;
    widen(scan.table + 32 * first, count, wide);
    for (size_t block = 0; block < block_count; ++block) {
      const std::byte* at = blocks + block * block_bytes;
      const auto* code = viewAs<uint8_t>(at) + kBinaryBlockRows * first;
      float* sums = out + block * kBinaryBlockRows;  // integers below 2^24, so exact
      for (size_t i = 0; i < kBinaryBlockRows; ++i) {
        uint32_t sum = 0;
        for (size_t m = 0; m < count; ++m) sum += wide[m][code[kBinaryBlockRows * m + i]];
        sums[i] = static_cast<float>(sum) + (first > 0 ? sums[i] : 0.0f);
        if (!last) continue;
        float add;
        uint32_t scale_bits;
        std::memcpy(&add, at + code_bytes + 4 * i, 4);
        std::memcpy(&scale_bits, at + code_bytes + 4 * (kBinaryBlockRows + i), 4);
        const float scale = std::bit_cast<float>(scale_bits & 0xFFFFFF00u);
        sums[i] = scan.base + add + scale * (scan.step * sums[i] + scan.shift);
      }
    }
  }
}

}  // namespace

constinit const Kernels kKernelsScalar = {
    .name = "scalar",
    .dotF32 = dotF32,
    .l2F32 = l2F32,
    .dotF16 = overHalves<dotF32>,
    .l2F16 = overHalves<l2F32>,
    .halfFromFloat = halvesFromFloats,
    .floatFromHalf = floatsFromHalves,
    .fht = fht,
    .hamming = hamming,
    .dotI8U4 = dotI8U4,
    .dotU4U4 = dotU4U4,
    .navDistances = navDistances,
    .binaryBlocks = binaryBlocks,
    .trellis = &kTrellisScalar,
};

}  // namespace rve
