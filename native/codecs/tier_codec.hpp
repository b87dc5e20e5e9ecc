// The tiers of a vector: one record of fixed size, from which it is decoded and its distance to a
// full-precision query is taken.
//
// | tier | code | bytes, all side data included |
// | --- | --- | --- |
// | warm | binary16 with a power of two a vector | 2 d + 2 |
// | cool | residual to a centroid, `bits` = 8 | d |
// | cold | the same, `bits` = 4 | d / 2 |
// | archive | the same, 1 bit a coordinate | P / 8 + 7 |
//
// (Hot is the f32 vector itself. P = d rounded up to a multiple of 8.) `bits` of cool (4.5 to 8)
// and cold (2 to 4.5) is the size of the *whole* record in bits a dimension, so a ratio to raw is a
// promise; 7 bytes of side data and at least a bit a coordinate it always has, which small
// dimensions notice.
//
// Cool, cold and archive. With r = R(x) - mean - c, c the nearest centroid (IVFADC, Jegou et al.
// 2011): r ~ f u, u a trellis code (codecs/trellis.hpp). The step is fitted to each vector by least
// squares, in turns with the code (as LVQ, Aguerrebere et al. 2023, and extended RaBitQ, Gao et al.
// 2025, fit theirs). Then f = |r|^2 / <u, r>, so that over the random rotation <v, f u> estimates
// <v, r> without bias (RaBitQ, Gao & Long 2024), and with q' = R(q) - mean, C = mean + c
//
//   distance = base(q, c) + add(x) + m f <q', u>
//
// | metric | m | base(q, c) | add(x) |
// | --- | ---: | --- | --- |
// | l2 | -2 | |q' - c|^2 | |r|^2 + 2 f <c, u> |
// | cosine | -1 | |q' - c|^2 / 2 - 1 | |r|^2 / 2 + f <c, u> |
// | ip | -1 | -<q' + mean, C> | f <c, u> - <C, r> |
//
// The error is m <q' - c, e>, e = f u - r orthogonal to r: over the rotation its standard deviation
// is at most |m| |q' - c| |e| / sqrt(P - 1). The record keeps |e|; errorBound states 1.9 of them.
//
// Record (little-endian); the warm record is i16 exponent, u16[d].
//
// | Offset | Bytes | Name | Meaning |
// | ---: | ---: | --- | --- |
// | 0 | 1 | `centroid` | u8; one that the codebook lacks is taken as 0 |
// | 1 | 3 | `factor` | bits 0..3: noise k, |e| <= f sqrt(P noise2) 2^(k / 8 - 1/2), 15: anything; |
// | | | | bits 4..23: bits 11..30 of the f32 f, which has no sign |
// | 4 | 3 | `add` | high 24 bits of the f32 add(x) |
// | 7 | | `code` | TrellisGrid::pack |
// | | 3 | `outlier` | cold of 256 dimensions and more: u16 coordinate, i8 correction of its value |
#pragma once
#include <memory>
#include <vector>

#include "codecs/tier.hpp"
#include "codecs/tier_codebook.hpp"
#include "codecs/trellis.hpp"

namespace rve {

inline constexpr float kTierCoolBits = 8.0f;
inline constexpr float kTierColdBits = 4.0f;
inline constexpr uint32_t kTierSideBytes = 7;

// A query prepared once for all tiers of one codebook. Reuse one object per thread: no allocation
// after its first use. `distance` fills it in, so threads may not share one.
struct TierQuery {
  std::vector<float> plain;
  std::vector<float> centred;  // q' = R(q) - mean
  std::vector<float> base;     // a centroid's base(q, c); NaN until it is asked for
  std::vector<float> reach;    // |q' - c|
  float plain_norm = 0;
  float mean_part = 0;  // <q', mean> + |mean|^2
};

// plain: dims floats; rotated: codebook.rotation().apply of it. For cosine a unit vector.
void prepareTierQuery(const TierCodebook& codebook, const float* plain, const float* rotated,
                      TierQuery* out);

// Fills in base and reach of one centroid, once.
void reachCentroid(const TierCodebook& codebook, uint32_t centroid, TierQuery* query);

class TierCodec {
 public:
  static constexpr float kErrorSigmas = 1.9f;

  // bits: 4.5..8 for cool, 2..4.5 for cold, 0 for the default; no meaning for others. Not kHot.
  TierCodec(std::shared_ptr<const TierCodebook> codebook, Tier tier, float bits = 0);

  Tier tier() const { return tier_; }
  size_t recordBytes() const { return record_bytes_; }
  const TierCodebook& codebook() const { return *codebook_; }
  // The code after the side data; for kernels. Not for warm.
  const TrellisGrid& grid() const { return grid_; }

  // plain and rotated as for prepareTierQuery; warm reads the plain vector, others the rotated one,
  // and the other pointer may be null. Every finite vector is accepted. Thread-safe.
  void encode(const float* plain, const float* rotated, std::byte* record) const;

  // The best reconstruction, dims floats of the original space. Any bytes: no undefined behaviour.
  void decode(const std::byte* record, float* out) const;

  // Estimated distance (smaller is nearer), as in kernels/distance_kind.hpp.
  float distance(TierQuery* query, const std::byte* record) const;

  // Half width of an interval around `distance`: for warm certain but for float rounding, else of
  // kErrorSigmas, which holds for about 94 % of pairs.
  float errorBound(TierQuery* query, const std::byte* record) const;

  // Signs of the code as bits (1: not negative), for Hamming search: ceil(P / 64) words, the rest
  // zero. Signs are those of R(x) - mean - c. Not for warm.
  void signWords(const std::byte* record, uint64_t* out) const;
  // m of the table above.
  float sign() const { return codebook_->kind() == DistanceKind::kL2 ? -2.0f : -1.0f; }
  // A correction to one value of the code; 0 where the record has none. Not for warm.
  struct Outlier {
    uint32_t coordinate;
    float correction;  // in table units
  };
  Outlier outlierOf(const std::byte* record) const;
  // The centroid a record refers to. Not for warm.
  uint32_t centroidOf(const std::byte* record) const;

 private:
  void encodeHalf(const float* plain, std::byte* record) const;
  void decodeHalf(const std::byte* record, float* out) const;
  float outlierUnit() const;
  void storeOutlier(const float* residual, float per_unit, float* code, std::byte* record) const;

  std::shared_ptr<const TierCodebook> codebook_;
  Tier tier_;
  TrellisGrid grid_;
  size_t outlier_at_;  // 0: none
  size_t record_bytes_ = 0;
};

}  // namespace rve
