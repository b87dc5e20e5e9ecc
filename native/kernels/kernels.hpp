// The inner loops, one table per instruction set, chosen once at run time. Every SIMD kernel has a
// scalar twin of the same name in kernels_scalar.cpp; kernels_test.cpp compares them, bit for bit
// where the result is an integer or a pure sum of the same tree (fht), within a stated bound where
// it is a float sum.
//
// Buffers need no alignment (64 bytes is fastest) and may be of any length unless said otherwise.
// Kernels never allocate, never fail, and may be called from any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "kernels/trellis_scan.hpp"

namespace rve {

// Rows in one block of 1-bit codes (codecs/binary.hpp).
inline constexpr uint32_t kBinaryBlockRows = 32;

// What turns a row's look-up sum into a distance: base + add[row] + scale[row] * (step * sum +
// shift).
struct BinaryScan {
  const uint8_t* table;  // code_bytes * 32: a code byte has 16 entries for its low nibble, then 16
  uint32_t code_bytes;   // per row: a multiple of 8, 8..512
  float base;
  float step;
  float shift;
};

// A query against 4-bit records (kernels/nav.hpp): base + add + scale * (step * dot(values, code)
// + shift).
struct NavQueryView {
  const int8_t* values;  // padded_dims values in -127..127
  uint32_t padded_dims;  // a multiple of 64
  float base;
  float step;
  float shift;
};

struct Kernels {
  const char* name;  // "scalar", "avx2", "avx512", "neon", "dotprod" or "rvv"

  // <a, b> and |a - b|^2. Error against exact arithmetic: at most n * 2^-23 times the sum of the
  // absolute terms (a plain chain of n additions); the SIMD twins sum in parallel lanes and do
  // better.
  float (*dotF32)(const float* a, const float* b, size_t n);
  float (*l2F32)(const float* a, const float* b, size_t n);
  // The same with x in IEEE binary16.
  float (*dotF16)(const float* q, const uint16_t* x, size_t n);
  float (*l2F16)(const float* q, const uint16_t* x, size_t n);
  // Conversions, round to nearest even; see codecs/half.hpp for NaN and Inf. Identical bits in
  // every table.
  void (*halfFromFloat)(const float* in, uint16_t* out, size_t n);
  void (*floatFromHalf)(const uint16_t* in, float* out, size_t n);

  // Unnormalised Walsh-Hadamard transform in place. n: a power of two, 64..4096. Every table adds
  // in the same order, so the bits are the same on every CPU (codes on disk do not depend on who
  // wrote them).
  void (*fht)(float* data, size_t n);

  // Number of differing bits.
  uint64_t (*hamming)(const uint8_t* a, const uint8_t* b, size_t bytes);

  // 4-bit codes: byte j holds dimension j in its low and dimension j + dims/2 in its high nibble.
  // dims: a multiple of 64, at most 4096. dotI8U4: values in -127..127 against code 0..15. Exact.
  int32_t (*dotI8U4)(const int8_t* values, const uint8_t* code, size_t dims);
  int32_t (*dotU4U4)(const uint8_t* a, const uint8_t* b, size_t dims);
  // Distances of `count` records, rows[i] * record_bytes from `records`. Any count.
  void (*navDistances)(const NavQueryView& query, const std::byte* records, size_t record_bytes,
                       const uint32_t* rows, size_t count, float* out);

  // 1-bit codes: distances of all 32 rows of each of `block_count` consecutive blocks; see
  // BinaryScan and the block layout in codecs/binary.hpp. out: 32 * block_count floats.
  void (*binaryBlocks)(const BinaryScan& scan, const std::byte* blocks, size_t block_count,
                       float* out);

  // Dots with the codes of the tiers.
  const TrellisKernels* trellis;
};

// The fastest table that this CPU and OS can run (cpu.hpp), or a lower one if the environment
// variable RVE_KERNELS names it (scalar; avx2, avx512; neon, dotprod; rvv). Never a higher one; an
// unknown name is ignored. Decided at the first call, then constant.
const Kernels& kernels();

// One table by name, or null where it is not built in or this CPU cannot run it. For tests that
// compare.
const Kernels* kernelsNamed(std::string_view name);

}  // namespace rve
