// Trellis-coded quantisation (Marcellin & Fischer, IEEE Trans. Comm. 1990) of a rotated residual,
// with the 8-state code of Ungerboeck (1982; parity check 13, 04 octal) in its feed-forward form.
//
// A scalar grid of R bits has 2^R levels. Here the grid has 2^(R+1) levels, twice as fine, of which
// each coordinate may use a half; which half depends on the choices made for the three coordinates
// before it. The Viterbi algorithm finds the best sequence. What makes it cheap to read: with p[i]
// the path bit of coordinate i (p = 0 before the first),
//   level[i] = 4 * amplitude[i] + 2 * z1[i] + z0[i],
//   z0[i] = p[i-2],   z1[i] = p[i] ^ p[i-1] ^ p[i-3],
// so in bit planes the two low planes are shifts and exclusive-ors of the stored path plane, and
// nothing is sequential.
//
// Levels stand closer in the middle, as the coordinates of a rotated vector do (Max 1960): level y
// of -1..1 means y / sqrt(1 - y^2), the inverse of the compander x / sqrt(1 + x^2). Values are
// whole numbers in a table: i8 up to 32 levels, so that a kernel may look them up in a register
// and sum in integers, else i16.
//
// Signal to noise of a gaussian in dB, by bits (20 x 1,024 numbers, the grid's own best width):
//
// | bits | best uniform grid | trellis | trellis, companded | limit 6.02 R |
// | ---: | ---: | ---: | ---: | ---: |
// | 1 | 4.4 | 5.2 | 5.2 | 6.0 |
// | 2 | 9.3 | 10.3 | 10.5 | 12.0 |
// | 3 | 14.3 | 15.3 | 16.2 | 18.1 |
// | 4 | 19.4 | 20.6 | 21.8 | 24.1 |
// | 5 | 24.6 | 25.6 | 28.0 | 30.1 |
// | 8 | 40.6 | 41.9 | 46.0 | 48.2 |
//
// Rates between whole bits: the first `fine_dims` coordinates have one bit more, over the same
// range.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace rve {

inline constexpr uint32_t kTrellisPlanesMax = 8;

struct TrellisShape {
  uint32_t dims;       // a multiple of 8
  uint32_t planes;     // bits of every coordinate, the path bit among them: 1..kTrellisPlanesMax
  uint32_t fine_dims;  // leading coordinates with one more; a multiple of 8, < dims

  size_t planeBytes() const { return dims / 8; }
  size_t codeBytes() const { return planes * planeBytes() + fine_dims / 8; }
};

class TrellisGrid {
 public:
  explicit TrellisGrid(const TrellisShape& shape);

  const TrellisShape& shape() const { return shape_; }
  // Table units for each standard deviation of what is coded: the scale the grid is made for.
  float unitsPerDeviation() const { return units_per_deviation_; }

  // Mean squared error of a gaussian in table units, of one seeded draw.
  float noise2() const { return noise2_; }
  // The largest value.
  float coarseEnd() const { return coarse_.back(); }
  // The curve of the levels, before rounding: level l of L has the value units * y / sqrt(1 - y^2),
  // y = edge() * (2 l - (L - 1)) / L.
  float edge() const { return edge_; }
  float units() const { return units_per_deviation_ / compression_; }
  // Whether all values fit i8.
  bool byteValues() const { return byte_values_; }
  // Value of each level, whole numbers: 4 << planes of the fine coordinates, 2 << planes of the
  // others.
  const float* fineValues() const { return fine_.data(); }
  const float* coarseValues() const { return coarse_.data(); }

  // Quantises values[i] * per_unit (in table units) to levels[0..dims) and the path bits, one byte
  // each. Deterministic. Cost: about 30 ns a coordinate on a busy core. NaN is taken as some level.
  void quantise(const float* values, float per_unit, uint16_t* levels, uint8_t* path) const;

  // The values of levels, dims floats.
  void valuesOf(const uint16_t* levels, float* values) const;

  // Levels and path as bit planes: codeBytes() bytes. Full amplitude planes, the highest bit first
  // (the leading planes alone are a coarser code), then the path, then the lowest amplitude bit of
  // the fine coordinates. Bit b of byte j is coordinate 8 j + b.
  void pack(const uint16_t* levels, const uint8_t* path, std::byte* code) const;

  // Values, dims floats. Any bytes are a valid code.
  void unpack(const std::byte* code, float* values) const;

  // <query, values of the code>, without storing them.
  float dot(const std::byte* code, const float* query) const;

 private:
  void calibrate();

  TrellisShape shape_;
  bool byte_values_ = false;
  float noise2_ = 0;
  float units_per_deviation_ = 1;
  float compression_ = 0;  // x of the compander for each standard deviation
  float edge_ = 0;         // y of the outer end of the grid, below 1
  std::vector<float> fine_;
  std::vector<float> coarse_;
};

}  // namespace rve
