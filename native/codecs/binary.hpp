// 1-bit codes with the unbiased estimator and error bound of RaBitQ (Gao & Long, SIGMOD 2024,
// theorem 3.2).
//
// With r = R(x - c), D padded dimensions, s = sign(r): <v, r> is estimated by f * <v, s>, where
// f = |r|^2 / <s, r> makes it unbiased over the random rotation, and for v = R(q - c)
//   |error| <= e |v| f sqrt(D) sqrt(1 - cos^2) / sqrt(D - 1),   cos = <s, r> / (sqrt(D) |r|)
// with probability at least 1 - 2 exp(-c0 e^2); e = 1.9 (kErrorSigmas) holds for about 94 %
// two-sided. All three metrics are base(q) + add(x) + m * <q - c, x - c>:
//
// | metric | m | base(q) | add(x) |
// | --- | ---: | --- | --- |
// | l2 | -2 | |q - c|^2 | |x - c|^2 |
// | cosine | -1 | |q - c|^2 / 2 - 1 | |x - c|^2 / 2 |
// | ip | -1 | -<q, c> | -<c, x - c> |
//
// Layout: blocks of 32 rows, each 32 * (D/8 + 8) bytes. A byte belongs to exactly one row.
//
// | Offset | Bytes | Name | Type | Meaning |
// | ---: | ---: | --- | --- | --- |
// | 0 | 32*D/8 | `code` | u8[D/8][32] | byte m of row i at 32 m + i; bit b: dimension 8 m + b |
// | 32*D/8 | 128 | `add` | f32[32] | add(x) |
// | 32*D/8+128 | 128 | `scale` | u32[32] | m f (f32); low 8 bits: 255 sqrt(1 - cos^2), up |
#pragma once
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "codecs/residual.hpp"
#include "codecs/rotation.hpp"
#include "kernels/distance_kind.hpp"
#include "kernels/kernels.hpp"

namespace rve {

// A prepared query. Reuse one object per thread: no allocation after its first use.
struct BinaryQuery {
  std::vector<uint8_t> table;   // padded/8 * 32 entries of 0..127
  std::vector<float> residual;  // R(q - c)
  float base = 0;
  float step = 0;
  float shift = 0;
  float error_scale = 0;  // error bound of a row = |scale| * (slack / 255 * error_scale + rounding)
  float rounding = 0;     // from the 7-bit look-up table
};

class BinaryCodec {
 public:
  static constexpr float kErrorSigmas = 1.9f;

  // centre: dims floats, or empty for zero; copied.
  BinaryCodec(DistanceKind kind, const Rotation& rotation, std::span<const float> centre);
  BinaryCodec(DistanceKind kind, const Rotation& rotation, RotatedCentre centre);

  size_t blockBytes() const { return kBinaryBlockRows * (code_bytes_ + 8); }
  // Bytes of the blocks that hold `rows` rows.
  size_t bytesFor(uint32_t rows) const {
    return static_cast<size_t>(divideUp(rows, kBinaryBlockRows)) * blockBytes();
  }

  // Writes row `row` of `blocks` from the rotated vector (Rotation::apply). One writer; other
  // threads may scan rows whose `put` happened before (publish a count with release, read it with
  // acquire).
  void put(std::byte* blocks, uint32_t row, const float* rotated) const;

  // `rotated` is Rotation::apply of the query. For cosine the query is a unit vector.
  void prepare(const float* rotated, BinaryQuery* out) const;

  // Estimated distances of rows [first, first + rows) to out[0..rows). Reads no byte of any other
  // row, so it may run beside `put` of later rows. Fastest where first is a multiple of 32.
  void scan(const BinaryQuery& query, const std::byte* blocks, uint32_t first, uint32_t rows,
            float* out) const;

  // Half width of the confidence interval around one row's estimate (kErrorSigmas).
  float errorBound(const BinaryQuery& query, const std::byte* blocks, uint32_t row) const;
  // out[i] = estimates[i] less `factor` error bounds, of the kBinaryBlockRows rows from `first` on,
  // a multiple of that.
  void lowerBounds(const BinaryQuery& query, const std::byte* blocks, uint32_t first,
                   const float* estimates, float factor, float* out) const;

 private:
  float rowDistance(const BinaryQuery& query, const std::byte* block, uint32_t lane) const;

  ResidualFrame frame_;
  uint32_t code_bytes_;  // a row
};

}  // namespace rve
