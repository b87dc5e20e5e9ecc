// 4-bit navigation codes: what the graph walks. Rotated, about a per-segment centre, on a
// symmetric grid with a step per vector (extended RaBitQ, Gao et al., SIGMOD 2025): r = R(x - c),
// code u = 0..15, u - 7.5 ~ r / step; <v, r> is estimated by f * <v, u - 7.5> with f = |r|^2 / <u
// - 7.5, r>, which is unbiased over the rotation. The metric formulas are those of
// codecs/binary.hpp; the record is in kernels/nav.hpp. The query is quantised once per search to 8
// bits, so one distance is one integer dot product.
#pragma once
#include <span>
#include <vector>

#include "codecs/residual.hpp"
#include "codecs/rotation.hpp"
#include "kernels/distance_kind.hpp"
#include "kernels/nav.hpp"

namespace rve {

// A prepared query. Reuse one object per thread: no allocation after its first use.
struct NavQuery {
  std::vector<int8_t> values;
  std::vector<float> residual;  // R(q - c)
  float base = 0;
  float step = 0;
  float shift = 0;

  NavQueryView view() const {
    return {values.data(), static_cast<uint32_t>(values.size()), base, step, shift};
  }
};

class NavCodec {
 public:
  // centre: dims floats (of the original space), or empty for zero; copied. The rotation must
  // outlive it.
  NavCodec(DistanceKind kind, const Rotation& rotation, std::span<const float> centre);

  DistanceKind kind() const { return frame_.kind; }
  size_t recordBytes() const { return navRecordBytes(frame_.padded); }

  // Writes one record from the rotated vector (Rotation::apply). Thread-safe. About 0.5 us at d =
  // 128.
  void encode(const float* rotated, std::byte* record) const;

  // `rotated` is Rotation::apply of the query; one rotation serves all segments. Thread-safe.
  void prepare(const float* rotated, NavQuery* out) const;

  // Estimated distance of one record (smaller is nearer).
  float distance(const NavQuery& query, const std::byte* record) const {
    return navDistance(kernels(), query.view(), record);
  }

  // The space that graph/ builds and searches over. Records: rows * recordBytes(), 16-byte aligned.
  NavSpace space(const std::byte* records, uint32_t rows) const;

  // The decoded vector, still rotated (paddedDims floats): centre + best reconstruction.
  void decode(const std::byte* record, float* rotated) const;

 private:
  ResidualFrame frame_;
};

}  // namespace rve
