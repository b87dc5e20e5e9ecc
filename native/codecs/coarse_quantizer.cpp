#include "codecs/coarse_quantizer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/assert.hpp"
#include "codecs/kmeans.hpp"
#include "kernels/kernels.hpp"

namespace rve {
namespace {

constexpr size_t kRowsPerList = 64;
// A query that lies on a centroid has no other list within any factor of nothing.
constexpr uint32_t kChosenMin = 2;
// The reach is measured with these many rows as queries, and the nearest to each: those of a sample
// of thousands are farther apart than the ten nearest of a store.
constexpr size_t kMeasuredQueries = 256;
constexpr size_t kMeasuredNearest = 2;
constexpr double kCovered = 0.995;

}  // namespace

CoarseQuantizer::CoarseQuantizer(DistanceKind kind, const Rotation& rotation,
                                 std::vector<float> centroids)
    : padded_(rotation.paddedDims()), centroids_(std::move(centroids)) {
  const auto lists = static_cast<uint32_t>(centroids_.size() / padded_);
  codecs_.reserve(lists);
  for (uint32_t list = 0; list < lists; ++list) {
    codecs_.emplace_back(kind, rotation, RotatedCentre({centroid(list), padded_}));
  }
}

std::shared_ptr<const CoarseQuantizer> CoarseQuantizer::train(DistanceKind kind,
                                                              const Rotation& rotation,
                                                              const float* rotated, size_t count,
                                                              uint64_t seed) {
  RVE_ASSERT(count >= 1 && kind != DistanceKind::kIp);
  const size_t lists = std::clamp<size_t>(count / kRowsPerList, 1, kListsMax);
  std::shared_ptr<CoarseQuantizer> made(new CoarseQuantizer(
      kind, rotation,
      kmeans(rotated, count, rotation.paddedDims(), static_cast<uint32_t>(lists), seed)));
  made->measure(rotated, count);
  return made;
}

std::shared_ptr<const CoarseQuantizer> CoarseQuantizer::decode(DistanceKind kind,
                                                               const Rotation& rotation,
                                                               float reach, Bytes centroids) {
  std::vector<float> values(centroids.size() / sizeof(float));
  std::memcpy(values.data(), centroids.data(), values.size() * sizeof(float));
  const bool finite =
      std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  if (!finite || !(reach >= 1)) return nullptr;
  std::shared_ptr<CoarseQuantizer> made(
      new CoarseQuantizer(kind, rotation, std::move(values)));
  made->reach_ = reach;
  return made;
}

uint32_t CoarseQuantizer::nearest(const float* rotated) const {
  uint32_t best = 0;
  float best2 = std::numeric_limits<float>::max();
  for (uint32_t list = 0; list < lists(); ++list) {
    const float d2 = kernels().l2F32(rotated, centroid(list), padded_);
    if (!(d2 < best2)) continue;
    best2 = d2;
    best = list;
  }
  return best;
}

float CoarseQuantizer::distance2(const float* rotated) const {
  return kernels().l2F32(rotated, centroid(nearest(rotated)), padded_);
}

uint32_t CoarseQuantizer::choose(const float* rotated, std::vector<uint32_t>* out) const {
  float distances2[kListsMax];
  out->resize(lists());
  for (uint32_t list = 0; list < lists(); ++list) {
    (*out)[list] = list;
    distances2[list] = kernels().l2F32(rotated, centroid(list), padded_);
  }
  std::sort(out->begin(), out->end(),
            [&](uint32_t a, uint32_t b) { return distances2[a] < distances2[b]; });
  const float within = distances2[out->front()] * reach_ * reach_;
  uint32_t chosen = std::min(kChosenMin, lists());
  while (chosen < lists() && distances2[(*out)[chosen]] <= within) ++chosen;
  return chosen;
}

// The factor that takes in the lists of kCovered of all (row, one of its nearest rows).
void CoarseQuantizer::measure(const float* rotated, size_t count) {
  std::vector<uint32_t> list_of(count);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    list_of[i] = nearest(rotated + i * padded_);
    sum += double{kernels().l2F32(rotated + i * padded_, centroid(list_of[i]), padded_)};
  }
  distortion_ = static_cast<float>(sum / static_cast<double>(count));
  std::vector<float> factors;
  std::vector<std::pair<float, size_t>> near(count);
  const size_t step = std::max<size_t>(1, count / kMeasuredQueries);
  for (size_t q = 0; q < count; q += step) {
    const float* query = rotated + q * padded_;
    for (size_t i = 0; i < count; ++i) {
      const float d2 = kernels().l2F32(query, rotated + i * padded_, padded_);
      near[i] = {i == q ? std::numeric_limits<float>::max() : d2, i};
    }
    const size_t wanted = std::min(kMeasuredNearest, count - 1);
    std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(wanted),
                      near.end());
    const float own2 = kernels().l2F32(query, centroid(list_of[q]), padded_);
    for (size_t n = 0; n < wanted; ++n) {
      const uint32_t list = list_of[near[n].second];
      const float d2 = kernels().l2F32(query, centroid(list), padded_);
      // On the nearest centroid, or on two alike, no factor tells them apart.
      factors.push_back(own2 > 0 && d2 > own2 ? std::sqrt(d2 / own2) : 1.0f);
    }
  }
  if (factors.empty()) return;
  const auto at = static_cast<std::ptrdiff_t>(kCovered * static_cast<double>(factors.size() - 1));
  std::nth_element(factors.begin(), factors.begin() + at, factors.end());
  reach_ = std::max(1.0f, factors[static_cast<size_t>(at)]);
}

}  // namespace rve
