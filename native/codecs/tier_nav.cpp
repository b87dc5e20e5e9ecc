#include "codecs/tier_nav.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bytes.hpp"
#include "base/limits.hpp"
#include "codecs/tier_side.hpp"
#include "kernels/kernels.hpp"
#include "kernels/split_mix.hpp"

namespace rve {
namespace {

// Records a call of a kernel: their dots stay in the first-level cache.
constexpr size_t kBatch = 32;
constexpr float kQueryMax = 127;
constexpr uint32_t kIndexBits = 4;
constexpr uint32_t kIndexCount = 1u << kIndexBits;
// Codes drawn to measure what leading planes lack. The scale found varies by 0.2 % between draws.
constexpr uint64_t kMeasureSeed = 0x7E12;
constexpr uint32_t kMeasureValues = 4096;

// The nearest of -127..127, ties up; NaN becomes -127. lrint would be a library call for each.
int8_t toByte(float x) {
  const float bounded = x > -kQueryMax ? std::min(x, kQueryMax) : -kQueryMax;
  return static_cast<int8_t>(static_cast<int>(bounded + 128.5f) - 128);
}

// Calls put(slot, coordinate) for each coordinate.
template <typename Put>
void forEachSlot(size_t plane_bytes, Put put) {
  for (size_t j = 0; j < plane_bytes; ++j) {
    const TrellisSlot slot = trellisSlot(plane_bytes, j);
    for (size_t g = 0; g < 8; ++g) put(slot.first + g * slot.stride, 8 * j + g);
  }
}

float largestOf(const float* x, size_t n) {
  float largest[8] = {};  // chains that do not wait for each other
  for (size_t i = 0; i < n; ++i) largest[i % 8] = std::max(largest[i % 8], std::abs(x[i]));
  return *std::max_element(largest, largest + 8);
}

const float* slotsOf(TierNavQuery* query) {
  if (query->slots.empty()) {
    const size_t plane_bytes = query->exact.centred.size() / 8;
    query->slots.resize(trellisSlots(plane_bytes));
    forEachSlot(plane_bytes, [&](size_t slot, size_t i) {
      query->slots[slot] = query->exact.centred[i];
    });
  }
  return query->slots.data();
}

// Means of what falls into each of `count` cells of equally many levels, for a gaussian.
void cellMeans(const float* values, uint32_t levels, uint32_t count, float deviation, float* out) {
  const uint32_t span = levels / count;
  for (uint32_t cell = 0; cell < count; ++cell) {
    double weights = 0;
    double sum = 0;
    for (uint32_t level = cell * span; level < (cell + 1) * span; ++level) {
      const float below = values[level == 0 ? 0 : level - 1];
      const float above = values[level + 1 == levels ? level : level + 1];
      const double x = double{values[level]} / deviation;
      const double weight = std::exp(-0.5 * x * x) * double{above - below};
      weights += weight;
      sum += weight * values[level];
    }
    out[cell] = static_cast<float>(sum / weights);
  }
}

}  // namespace

void prepareTierNavQuery(const TierCodebook& codebook, const float* plain, const float* rotated,
                         TierNavQuery* out) {
  prepareTierQuery(codebook, plain, rotated, &out->exact);
  const size_t padded = codebook.paddedDims();
  const float* centred = out->exact.centred.data();
  const float largest = largestOf(centred, padded);
  out->norm = std::sqrt(kernels().dotF32(centred, centred, padded));
  const bool usable = std::isnormal(largest / kQueryMax) && std::isfinite(largest);
  out->step = usable ? largest / kQueryMax : 0.0f;
  const float per_step = usable ? kQueryMax / largest : 0.0f;
  out->values.assign(trellisSlots(padded / 8), 0);
  int8_t* values = out->values.data();  // by value below: bytes could be any object's, so the
  forEachSlot(padded / 8, [=](size_t slot, size_t i) {  // compiler would load it each time
    values[slot] = toByte(centred[i] * per_step);
  });
  out->slots.clear();
  out->largest = largestOf(plain, codebook.dims());
  for (TierNavQuery::Scaled& scaled : out->scaled) scaled.plain.clear();
}

TierNav::TierNav(const TierCodec& codec, NavDepth depth) : codec_(codec) {
  nav_bytes_ = codec.recordBytes();
  if (codec.tier() == Tier::kWarm) return;
  const TrellisGrid& grid = codec.grid();
  const TrellisShape& shape = grid.shape();
  outlier_ = nav_bytes_ > kTierSideBytes + shape.codeBytes();
  looked_up_ = grid.byteValues();
  if (looked_up_) {
    scanWhole();
    nav_ = whole_;
  } else {
    curve_ = {.plane_bytes = static_cast<uint32_t>(shape.planeBytes()),
              .amplitude_planes = shape.planes - 1,
              .fine_bytes = shape.fine_dims / 8,
              .edge = grid.edge(),
              .units = grid.units()};
  }
  if (shape.planes > 1 && (!looked_up_ || depth == NavDepth::kLeading)) {
    scanLeading();
    measureLeading();
  }
}

void TierNav::scanWhole() {
  const TrellisGrid& grid = codec_.grid();
  const TrellisShape& shape = grid.shape();
  const auto plane_bytes = static_cast<uint32_t>(shape.planeBytes());
  const uint32_t full = shape.planes - 1;
  whole_.plane_bytes = plane_bytes;
  whole_.path = true;
  whole_.path_at = full * plane_bytes;
  // 32 levels have an index of five bits: the lowest of the amplitude makes the choice. It is the
  // fine plane or, in a grid of four planes, the third.
  const bool third = full == 3;
  whole_.index_planes = third ? 2 : full;
  whole_.choice_at = (third ? 2 : full + 1) * plane_bytes;
  whole_.choice_bytes = third ? plane_bytes : shape.fine_dims / 8;
  const float* chosen = third ? grid.coarseValues() : grid.fineValues();
  const uint32_t count = 4u << whole_.index_planes;
  for (uint32_t index = 0; index < count; ++index) {
    const uint32_t level = 8 * (index / 4) + index % 4;
    whole_.zero[index] = toByte(chosen[level]);
    whole_.one[index] = toByte(chosen[level + 4]);
    whole_.rest[index] = third ? int8_t{0} : toByte(grid.coarseValues()[index]);
  }
}

void TierNav::scanLeading() {
  const TrellisGrid& grid = codec_.grid();
  const TrellisShape& shape = grid.shape();
  const auto plane_bytes = static_cast<uint32_t>(shape.planeBytes());
  const uint32_t full = shape.planes - 1;
  nav_ = {};
  nav_.plane_bytes = plane_bytes;
  nav_.index_planes = std::min(full, kIndexBits);
  // Where all full planes are read, the fine coordinates have one bit more.
  const bool finer = nav_.index_planes == full && shape.fine_dims > 0;
  nav_.choice_at = (full + 1) * plane_bytes;
  nav_.choice_bytes = finer ? shape.fine_dims / 8 : 0;
  nav_bytes_ = finer ? codec_.recordBytes()
                     : kTierSideBytes + size_t{nav_.index_planes} * plane_bytes;
  const uint32_t cells = 1u << nav_.index_planes;
  float fine[2 * kIndexCount];
  float coarse[kIndexCount];
  const float deviation = grid.unitsPerDeviation();
  cellMeans(grid.fineValues(), 4u << shape.planes, 2 * cells, deviation, fine);
  // Without the fine bit one table serves all: a fine cell is a coarse one but for its levels.
  cellMeans(grid.coarseValues(), 2u << shape.planes, cells, deviation, coarse);
  float largest = coarse[cells - 1];
  if (finer) largest = std::max(largest, fine[2 * cells - 1]);
  nav_scale_ = largest / kQueryMax;
  for (uint32_t cell = 0; cell < cells; ++cell) {
    nav_.zero[cell] = toByte(fine[2 * cell] / nav_scale_ * (finer ? 1.0f : 0.0f));
    nav_.one[cell] = toByte(fine[2 * cell + 1] / nav_scale_ * (finer ? 1.0f : 0.0f));
    nav_.rest[cell] = toByte(coarse[cell] / nav_scale_);
  }
}

// The record's factor makes <u, r> right on average; <u', r> of the leading planes wants its own.
// Their ratio is the same for all vectors but for noise, so it is measured once.
void TierNav::measureLeading() {
  const TrellisGrid& grid = codec_.grid();
  const TrellisShape& shape = grid.shape();
  SplitMix random(kMeasureSeed);
  float values[kDimensionsMax];
  float code[kDimensionsMax];
  float lead[kDimensionsMax];
  uint16_t levels[kDimensionsMax];
  uint8_t path[kDimensionsMax];
  double code_r = 0;
  double lead_r = 0;
  double code2 = 0;
  double lead2 = 0;
  double both = 0;
  uint32_t done = 0;
  for (; done < kMeasureValues; done += shape.dims) {
    for (uint32_t i = 0; i < shape.dims; ++i) {
      double sum = -6;  // twelve uniform numbers less six are gaussian enough
      for (int part = 0; part < 12; ++part) sum += random.uniform();
      values[i] = grid.unitsPerDeviation() * static_cast<float>(sum);
    }
    grid.quantise(values, 1, levels, path);
    grid.valuesOf(levels, code);
    for (uint32_t i = 0; i < shape.dims; ++i) {
      const uint32_t bits = shape.planes - 1 + (i < shape.fine_dims ? 1 : 0);
      const uint32_t amplitude = levels[i] / 4u;
      if (i < 8 * nav_.choice_bytes) {
        lead[i] = (amplitude & 1) != 0 ? nav_.one[amplitude / 2] : nav_.zero[amplitude / 2];
      } else {
        lead[i] = nav_.rest[amplitude >> (bits - nav_.index_planes)];
      }
      lead[i] *= nav_scale_;
      code_r += double{code[i]} * values[i];
      lead_r += double{lead[i]} * values[i];
      code2 += double{code[i]} * code[i];
      lead2 += double{lead[i]} * lead[i];
      both += double{code[i]} * lead[i];
    }
  }
  const double unbiased = code_r / lead_r;
  nav_scale_ *= static_cast<float>(unbiased);
  const double extra2 = unbiased * unbiased * lead2 - 2 * unbiased * both + code2;
  nav_extra2_ = static_cast<float>(extra2 / done);
}

void TierNav::finish(TierNavQuery* query, const std::byte* const* records, size_t count,
                     const float* dots, bool outlier, float* out) const {
  const TierCodebook& book = codec_.codebook();
  const uint32_t centroids = book.centroidCount();
  const float sign = codec_.sign();
  const float* base = query->exact.base.data();
  for (size_t i = 0; i < count; ++i) {
    const TierSide side = loadTierSide(records[i], centroids);
    if (std::isnan(base[side.centroid])) reachCentroid(book, side.centroid, &query->exact);
    float dot = dots[i];
    if (outlier) {
      const TierCodec::Outlier one = codec_.outlierOf(records[i]);
      dot += one.correction * query->exact.centred[one.coordinate];
    }
    out[i] = base[side.centroid] + side.add + sign * side.factor * dot;
  }
}

void TierNav::navDistances(TierNavQuery* query, const std::byte* const* records, size_t count,
                           float* out) const {
  if (codec_.tier() == Tier::kWarm) {
    fullDistances(query, records, count, out);
    return;
  }
  const float scale = query->step * nav_scale_;
  const bool outlier = outlier_ && navReadsWhole();
  for (size_t done = 0; done < count; done += kBatch) {
    const size_t batch = std::min(kBatch, count - done);
    const std::byte* codes[kBatch];
    int32_t dots[kBatch];
    for (size_t i = 0; i < batch; ++i) codes[i] = records[done + i] + kTierSideBytes;
    kernels().trellis->dotI8(nav_, query->values.data(), codes, batch, dots);
    float scaled[kBatch];
    for (size_t i = 0; i < batch; ++i) scaled[i] = scale * static_cast<float>(dots[i]);
    finish(query, records + done, batch, scaled, outlier, out + done);
  }
}

void TierNav::fullDistances(TierNavQuery* query, const std::byte* const* records, size_t count,
                            float* out) const {
  if (codec_.tier() == Tier::kWarm) {
    for (size_t i = 0; i < count; ++i) out[i] = warmDistance(query, records[i]);
    return;
  }
  const float* slots = slotsOf(query);
  for (size_t done = 0; done < count; done += kBatch) {
    const size_t batch = std::min(kBatch, count - done);
    const std::byte* codes[kBatch];
    float dots[kBatch];
    for (size_t i = 0; i < batch; ++i) codes[i] = records[done + i] + kTierSideBytes;
    if (looked_up_) {
      kernels().trellis->dotF32(whole_, slots, codes, batch, dots);
    } else {
      kernels().trellis->curveF32(curve_, slots, codes, batch, dots);
    }
    finish(query, records + done, batch, dots, outlier_, out + done);
  }
}

float TierNav::navDeviation(const TierNavQuery& query, const std::byte* record) const {
  if (codec_.tier() == Tier::kWarm) return 0;
  const TierSide side = loadTierSide(record, codec_.codebook().centroidCount());
  const TrellisGrid& grid = codec_.grid();
  const float units = grid.unitsPerDeviation();
  // A rounding error is a twelfth of the step's square; it meets the whole code.
  const auto padded = static_cast<float>(grid.shape().dims);
  const float rounding2 = query.step * query.step / 12 * padded * units * units;
  const float lacking2 = query.norm * query.norm * nav_extra2_;
  return std::abs(codec_.sign()) * side.factor * std::sqrt(rounding2 + lacking2);
}

float TierNav::warmDistance(TierNavQuery* query, const std::byte* record) const {
  int16_t exponent;
  std::memcpy(&exponent, record, 2);
  const size_t dims = codec_.codebook().dims();
  // Where powers of two and squares stay far within floats. Halves are below 2^17.
  constexpr int kExponentMax = 40;
  constexpr float kLargestMax = 0x1p40f;
  if (exponent < -kExponentMax || exponent > kExponentMax || !(query->largest < kLargestMax)) {
    return codec_.distance(&query->exact, record);
  }
  const auto power = [](int e) {
    return std::bit_cast<float>(static_cast<uint32_t>(127 + e) << 23);
  };
  const float scale = power(exponent);
  // Kernels take halves where halves may lie.
  uint16_t even[kDimensionsMax];
  const uint16_t* halves = even;
  if (std::bit_cast<uintptr_t>(record) % alignof(uint16_t) == 0) {
    halves = viewAs<uint16_t>(record + 2);
  } else {
    std::memcpy(even, record + 2, 2 * dims);
  }
  if (codec_.codebook().kind() != DistanceKind::kL2) {
    return -scale * kernels().dotF16(query->exact.plain.data(), halves, dims);
  }
  const auto which = static_cast<uint32_t>(exponent) % TierNavQuery::kScaledCount;
  TierNavQuery::Scaled& scaled = query->scaled[which];
  if (scaled.plain.empty() || scaled.exponent != exponent) {
    scaled.exponent = exponent;
    scaled.plain.resize(dims);
    const float down = power(-exponent);
    for (size_t i = 0; i < dims; ++i) scaled.plain[i] = query->exact.plain[i] * down;
  }
  return scale * scale * kernels().l2F16(scaled.plain.data(), halves, dims);
}

}  // namespace rve
