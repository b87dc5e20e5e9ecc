#include "codecs/tier_codec.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/assert.hpp"
#include "base/limits.hpp"
#include "codecs/tier_side.hpp"
#include "kernels/kernels.hpp"

namespace rve {
namespace {

constexpr float kFloatMax = std::numeric_limits<float>::max();
// Residuals shorter than this a coordinate are taken as zero: their squares are below any float.
constexpr float kDeviationMin = 1e-36f;

// Of a factor; times a grid's largest value and the sums of a transform it is still a float.
constexpr float kHugeScale = 1e22f;
constexpr float kShrink = 0x1p-40f;
// From here on a coordinate beyond the grid's end costs more than a grid widened to hold it: one
// in 5,000 vectors at d = 104 had ten times the error.
constexpr uint32_t kWidenPlanesMin = 5;
// Turns of code and least-squares step. The second gains 0.1 dB, three more another 0.1.
constexpr uint32_t kFitTurns = 2;

// The float nearest to x whose low `dropped` bits are zero; never infinite.
float rounded(float x, uint32_t dropped) {
  const float bounded = std::max(-kFloatMax, std::min(kFloatMax, x));  // NaN: kFloatMax
  const uint32_t bits = std::bit_cast<uint32_t>(bounded);
  const uint32_t mask = (1u << dropped) - 1;
  const uint32_t up = (bits + (1u << (dropped - 1))) & ~mask;  // A carry into the exponent is right
  const bool infinite = (up & 0x7F800000u) == 0x7F800000u;     // but not into the last one.
  return std::bit_cast<float>(infinite ? bits & ~mask : up);
}

uint32_t noiseCode(double times) {
  uint32_t code = 0;
  while (code < kTierNoiseCodeMax && times > double{tierNoiseTimes(code)}) ++code;
  return code;
}

void storeSide(std::byte* record, uint32_t noise_code, float factor, uint32_t centroid,
               float add) {
  // The factor has no sign: its 20 bits are exponent and mantissa.
  const uint32_t word = (std::bit_cast<uint32_t>(factor) >> kTierFactorDropped << 12) |
                        (noise_code << 8) | centroid;
  const uint32_t add_bits = std::bit_cast<uint32_t>(add) >> kTierAddDropped;
  std::memcpy(record, &word, 4);
  std::memcpy(record + 4, &add_bits, 3);
}

// 2^exponent as two factors: a float holds -149..127, the exponents of records -163..163.
struct PowerOfTwo {
  float first;
  float second;
  explicit PowerOfTwo(int exponent)
      : first(std::ldexp(1.0f, exponent / 2)), second(std::ldexp(1.0f, exponent - exponent / 2)) {}
  float times(float x) const { return x * first * second; }
};

// Sums of the fit, in double: a float cannot hold the squares of the largest and smallest vectors.
struct Fit {
  double code2 = 0;   // <u, u>
  double code_r = 0;  // <u, r>
};

Fit fitOf(const float* code, const float* residual, size_t n) {
  double code2[2] = {};
  double code_r[2] = {};
  for (size_t i = 0; i < n; i += 2) {
    for (size_t lane = 0; lane < 2; ++lane) {
      const double u = code[i + lane];
      code2[lane] += u * u;
      code_r[lane] += u * double{residual[i + lane]};
    }
  }
  return {code2[0] + code2[1], code_r[0] + code_r[1]};
}

double dotDouble(const float* a, const float* b, size_t n) {
  double sum[2] = {};
  for (size_t i = 0; i < n; i += 2) {
    for (size_t lane = 0; lane < 2; ++lane) sum[lane] += double{a[i + lane]} * b[i + lane];
  }
  return sum[0] + sum[1];
}

// One preserved outlier: u16 coordinate, i8 correction. It pays from here on: taking the worst
// error of a gaussian away gains 0.37 dB at d = 784 and 0.66 at d = 128, its 3 bytes cost 0.18 and
// 1.1; a second one costs more than it gains at every size.
constexpr uint32_t kOutlierDimsMin = 256;
constexpr uint32_t kOutlierBytes = 3;

uint32_t outlierBytesOf(Tier tier, uint32_t dims) {
  return tier == Tier::kCold && dims >= kOutlierDimsMin ? kOutlierBytes : 0;
}

// The shape that fills the record as well as 8-coordinate pieces of a plane can.
TrellisShape shapeOf(Tier tier, uint32_t dims, uint32_t padded, float bits) {
  RVE_ASSERT(tier != Tier::kHot);
  const TrellisShape smallest{padded, 1, 0};
  if (tier == Tier::kWarm || tier == Tier::kArchive) return smallest;
  const bool cool = tier == Tier::kCool;
  const float wanted = bits != 0 ? bits : cool ? kTierCoolBits : kTierColdBits;
  RVE_ASSERT(wanted >= (cool ? 4.5f : 2.0f) && wanted <= (cool ? 8.0f : 4.5f));
  const auto bytes = static_cast<size_t>(wanted * static_cast<float>(dims) / 8);
  const size_t plane_bytes = padded / 8;
  const size_t side_bytes = kTierSideBytes + outlierBytesOf(tier, dims);
  if (bytes < side_bytes + plane_bytes) return smallest;
  const size_t code_bytes = bytes - side_bytes;
  const auto planes = static_cast<uint32_t>(code_bytes / plane_bytes);
  if (planes >= kTrellisPlanesMax) return {padded, kTrellisPlanesMax, 0};
  return {padded, planes, static_cast<uint32_t>(8 * (code_bytes - planes * plane_bytes))};
}

}  // namespace

void prepareTierQuery(const TierCodebook& codebook, const float* plain, const float* rotated,
                      TierQuery* out) {
  const size_t dims = codebook.dims();
  const size_t padded = codebook.paddedDims();
  out->plain.assign(plain, plain + dims);
  out->centred.resize(padded);
  const float* mean = codebook.mean();
  for (size_t i = 0; i < padded; ++i) out->centred[i] = rotated[i] - mean[i];
  out->base.assign(codebook.centroidCount(), std::numeric_limits<float>::quiet_NaN());
  out->reach.resize(codebook.centroidCount());
  out->plain_norm = std::sqrt(kernels().dotF32(plain, plain, dims));
  out->mean_part =
      kernels().dotF32(out->centred.data(), mean, padded) + codebook.meanNorm2();
}

void reachCentroid(const TierCodebook& codebook, uint32_t centroid, TierQuery* query) {
  if (!std::isnan(query->base[centroid])) return;
  const size_t padded = codebook.paddedDims();
  const float* c = codebook.centroid(centroid);
  const float reach2 = kernels().l2F32(query->centred.data(), c, padded);
  query->reach[centroid] = std::sqrt(reach2);
  switch (codebook.kind()) {
    case DistanceKind::kL2: query->base[centroid] = reach2; return;
    case DistanceKind::kCosine: query->base[centroid] = 0.5f * reach2 - 1.0f; return;
    case DistanceKind::kIp: break;
  }
  query->base[centroid] = -(query->mean_part + codebook.meanDot(centroid) +
                            kernels().dotF32(query->centred.data(), c, padded));
}

TierCodec::TierCodec(std::shared_ptr<const TierCodebook> codebook, Tier tier, float bits)
    : codebook_(std::move(codebook)),
      tier_(tier),
      grid_(shapeOf(tier, codebook_->dims(), codebook_->paddedDims(), bits)),
      outlier_at_(outlierBytesOf(tier, codebook_->dims()) == 0
                      ? 0
                      : kTierSideBytes + grid_.shape().codeBytes()) {
  record_bytes_ = tier == Tier::kWarm ? 2 + 2 * size_t{codebook_->dims()}
                                      : kTierSideBytes + grid_.shape().codeBytes() +
                                            outlierBytesOf(tier, codebook_->dims());
}

// Two units of an i8 table: the correction reaches about 8 standard deviations, and its rounding is
// a tenth of the grid's noise.
float TierCodec::outlierUnit() const { return grid_.byteValues() ? 2.0f : 512.0f; }

void TierCodec::storeOutlier(const float* residual, float per_unit, float* code,
                             std::byte* record) const {
  uint16_t worst = 0;
  float worst_off = 0;
  for (uint32_t i = 0; i < grid_.shape().dims; ++i) {
    const float off = residual[i] * per_unit - code[i];
    if (std::abs(off) <= std::abs(worst_off)) continue;
    worst = static_cast<uint16_t>(i);
    worst_off = off;
  }
  const float steps = std::max(-127.0f, std::min(127.0f, worst_off / outlierUnit()));
  const auto correction = static_cast<int8_t>(std::lrint(steps));
  code[worst] += outlierUnit() * static_cast<float>(correction);
  std::memcpy(record + outlier_at_, &worst, 2);
  std::memcpy(record + outlier_at_ + 2, &correction, 1);
}

TierCodec::Outlier TierCodec::outlierOf(const std::byte* record) const {
  if (outlier_at_ == 0) return {0, 0};
  uint16_t coordinate;
  int8_t correction;
  std::memcpy(&coordinate, record + outlier_at_, 2);
  std::memcpy(&correction, record + outlier_at_ + 2, 1);
  if (coordinate >= grid_.shape().dims) return {0, 0};
  return {coordinate, outlierUnit() * static_cast<float>(correction)};
}

void TierCodec::encode(const float* plain, const float* rotated, std::byte* record) const {
  if (tier_ == Tier::kWarm) {
    encodeHalf(plain, record);
    return;
  }
  const TierCodebook& book = *codebook_;
  const size_t padded = book.paddedDims();
  float residual[kDimensionsMax];
  residual[0] = 0;  // the compiler cannot know that dimensions are 1 or more
  const float* mean = book.mean();
  for (size_t i = 0; i < padded; ++i) residual[i] = rotated[i] - mean[i];
  const uint32_t centroid = book.nearest(residual);
  const float* c = book.centroid(centroid);
  for (size_t i = 0; i < padded; ++i) residual[i] -= c[i];
  const double norm2 = dotDouble(residual, residual, padded);
  const double deviation = std::sqrt(norm2 / static_cast<double>(padded));
  double unit = deviation / grid_.unitsPerDeviation();
  if (grid_.shape().planes >= kWidenPlanesMin) {
    float largest = 0;
    for (size_t i = 0; i < padded; ++i) largest = std::max(largest, std::abs(residual[i]));
    unit = std::max(unit, double{largest} / grid_.coarseEnd());
  }
  uint16_t levels[kDimensionsMax];
  uint8_t path[kDimensionsMax];
  float code[kDimensionsMax];
  if (!(deviation >= kDeviationMin) || !std::isfinite(deviation)) {
    // On the centroid, or beyond floats: no direction. Factor 0 makes its estimate the centroid's.
    std::fill_n(levels, padded, uint16_t{0});
    std::fill_n(path, padded, uint8_t{0});
    grid_.pack(levels, path, record + kTierSideBytes);
    if (outlier_at_ != 0) std::memset(record + outlier_at_, 0, kOutlierBytes);
    const bool none = book.kind() == DistanceKind::kIp || norm2 == 0;
    storeSide(record, 0, 0, centroid, none ? 0.0f : rounded(kFloatMax, kTierAddDropped));
    return;
  }
  Fit fit;
  for (uint32_t turn = 0; turn < kFitTurns; ++turn) {
    grid_.quantise(residual, static_cast<float>(1 / unit), levels, path);
    grid_.valuesOf(levels, code);
    if (turn + 1 == kFitTurns && outlier_at_ != 0) {
      storeOutlier(residual, static_cast<float>(1 / unit), code, record);
    }
    fit = fitOf(code, residual, padded);
    if (fit.code_r > 0) unit = fit.code_r / fit.code2;
  }
  grid_.pack(levels, path, record + kTierSideBytes);
  const bool aligned = fit.code_r > 0;
  const double exact_factor = aligned ? norm2 / fit.code_r : 0.0;
  const float factor = rounded(static_cast<float>(exact_factor), kTierFactorDropped);
  const double f = factor;
  // |f u - r|^2, of which the part along r is rounding only.
  const double error2 = std::max(0.0, f * f * fit.code2 - 2 * f * fit.code_r + norm2);
  const double usual2 = f * f * double{grid_.noise2()} * static_cast<double>(padded);
  const uint32_t noise_code = f > 0 ? noiseCode(std::sqrt(error2 / usual2)) : 0;
  const double code_c = f * dotDouble(code, c, padded);
  double add = norm2 + 2 * code_c;
  if (book.kind() == DistanceKind::kCosine) add *= 0.5;
  if (book.kind() == DistanceKind::kIp) {
    add = code_c - dotDouble(mean, residual, padded) - dotDouble(c, residual, padded);
  }
  storeSide(record, noise_code, factor, centroid,
            rounded(static_cast<float>(add), kTierAddDropped));
}

void TierCodec::decode(const std::byte* record, float* out) const {
  if (tier_ == Tier::kWarm) {
    decodeHalf(record, out);
    return;
  }
  const TierCodebook& book = *codebook_;
  const size_t padded = book.paddedDims();
  const TierSide side = loadTierSide(record, book.centroidCount());
  float rotated[kDimensionsMax];
  grid_.unpack(record + kTierSideBytes, rotated);
  const Outlier outlier = outlierOf(record);
  rotated[outlier.coordinate] += outlier.correction;
  // f is right for inner products; the nearest point to r on u is shorter by sin^2 of their angle.
  const float code2 = kernels().dotF32(rotated, rotated, padded);
  const float times = tierNoiseTimes(side.noise_code);
  const float sin2 = times * times * grid_.noise2() * static_cast<float>(padded) / code2;
  const float scale = side.factor * std::max(0.0f, 1.0f - sin2);
  const float* mean = book.mean();
  const float* c = book.centroid(side.centroid);
  // The transforms add up to 4,096 numbers; far from the end of the floats' range they cannot
  // overflow.
  const float down = std::abs(scale) > kHugeScale ? kShrink : 1.0f;
  for (size_t i = 0; i < padded; ++i) {
    rotated[i] = (mean[i] + c[i]) * down + scale * down * rotated[i];
  }
  book.rotation().applyInverse(rotated, out);
  if (down == 1.0f) return;
  for (size_t i = 0; i < book.dims(); ++i) {
    out[i] = std::max(-kFloatMax, std::min(kFloatMax, out[i] / down));
  }
}

float TierCodec::distance(TierQuery* query, const std::byte* record) const {
  if (tier_ == Tier::kWarm) {
    float x[kDimensionsMax];
    decodeHalf(record, x);
    const size_t dims = codebook_->dims();
    const float* q = query->plain.data();
    return codebook_->kind() == DistanceKind::kL2 ? kernels().l2F32(q, x, dims)
                                                  : -kernels().dotF32(q, x, dims);
  }
  const TierSide side = loadTierSide(record, codebook_->centroidCount());
  reachCentroid(*codebook_, side.centroid, query);
  const Outlier outlier = outlierOf(record);
  const float dot = grid_.dot(record + kTierSideBytes, query->centred.data()) +
                    outlier.correction * query->centred[outlier.coordinate];
  return query->base[side.centroid] + side.add + sign() * side.factor * dot;
}

float TierCodec::errorBound(TierQuery* query, const std::byte* record) const {
  const size_t dims = codebook_->dims();
  if (tier_ == Tier::kWarm) {
    // Each coordinate is off by at most 2^-11 of itself or 2^-25 of the vector's scale.
    float x[kDimensionsMax];
    decodeHalf(record, x);
    const float off = kernels().dotF32(x, x, dims);
    const float e = std::sqrt(off) * 0x1p-10f;
    if (codebook_->kind() != DistanceKind::kL2) return query->plain_norm * e;
    return e * (2 * std::sqrt(kernels().l2F32(query->plain.data(), x, dims)) + e);
  }
  const TierSide side = loadTierSide(record, codebook_->centroidCount());
  reachCentroid(*codebook_, side.centroid, query);
  const auto padded = static_cast<float>(codebook_->paddedDims());
  const float error = tierNoiseTimes(side.noise_code) * std::sqrt(grid_.noise2()) * side.factor *
                      std::sqrt(padded / (padded - 1));
  // The short factor and `add`, and the float sums, add a rounding of their own.
  const float rounding = 0x1p-13f * (std::abs(side.add) + std::abs(query->base[side.centroid]));
  return kErrorSigmas * std::abs(sign()) * query->reach[side.centroid] * error + rounding;
}

void TierCodec::signWords(const std::byte* record, uint64_t* out) const {
  const size_t plane_bytes = grid_.shape().planeBytes();
  const std::byte* code = record + kTierSideBytes;
  std::fill_n(out, divideUp(plane_bytes, 8), uint64_t{0});
  uint32_t before = 0;
  for (size_t j = 0; j < plane_bytes; ++j) {
    auto bits = static_cast<uint32_t>(code[j]);
    if (grid_.shape().planes == 1) {
      // The one plane is the path: the level is 2 z1 + z0 - 1.5, whose sign is z1
      // (codecs/trellis.hpp). A fine coordinate has its sign as the only bit of its amplitude.
      const uint32_t window = (bits << 3) | (before >> 5);
      before = bits;
      bits = (bits ^ (window >> 2) ^ window) & 255;
      if (j < grid_.shape().fine_dims / 8) bits = static_cast<uint32_t>(code[plane_bytes + j]);
    }
    out[j / 8] |= uint64_t{bits} << (8 * (j % 8));
  }
}

uint32_t TierCodec::centroidOf(const std::byte* record) const {
  return loadTierSide(record, codebook_->centroidCount()).centroid;
}

void TierCodec::encodeHalf(const float* plain, std::byte* record) const {
  const size_t dims = codebook_->dims();
  float largest = 0;
  for (size_t i = 0; i < dims; ++i) largest = std::max(largest, std::abs(plain[i]));
  // The largest becomes 2^14 up to 2^15: no overflow, and 29 binary orders before underflow.
  int exponent = 0;
  if (largest > 0 && std::isfinite(largest)) exponent = std::ilogb(largest) - 14;
  const auto stored = static_cast<int16_t>(exponent);
  std::memcpy(record, &stored, 2);
  const PowerOfTwo scale(-exponent);
  float scaled[kDimensionsMax];
  uint16_t halves[kDimensionsMax];
  for (size_t i = 0; i < dims; ++i) scaled[i] = scale.times(plain[i]);
  kernels().halfFromFloat(scaled, halves, dims);
  std::memcpy(record + 2, halves, 2 * dims);
}

void TierCodec::decodeHalf(const std::byte* record, float* out) const {
  const size_t dims = codebook_->dims();
  int16_t exponent;
  std::memcpy(&exponent, record, 2);
  uint16_t halves[kDimensionsMax];
  std::memcpy(halves, record + 2, 2 * dims);
  kernels().floatFromHalf(halves, out, dims);
  const PowerOfTwo scale(exponent);
  for (size_t i = 0; i < dims; ++i) out[i] = scale.times(out[i]);
}

}  // namespace rve
