#include "codecs/kmeans.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/assert.hpp"
#include "codecs/columns.hpp"
#include "kernels/kernels.hpp"
#include "kernels/split_mix.hpp"

namespace rve {
namespace {

struct Task {
  const float* points;
  size_t count;
  uint32_t stride;
  uint32_t probe;  // leading coordinates that are compared
  uint32_t k;
  SplitMix random;
  std::vector<float> probes;  // those coordinates of all points: a pass reads no more than it needs

  const float* point(size_t i) const { return points + i * stride; }
  const float* probeOf(size_t i) const { return probes.data() + i * probe; }
};

// k-means++: each next centroid is a point drawn with probability ~ its squared distance to the
// nearest centroid so far. Points that coincide with centroids are not drawn again while others
// remain.
void start(Task* task, float* centroids) {
  std::vector<float> nearest2(task->count, std::numeric_limits<float>::max());
  size_t chosen = task->random.next() % task->count;
  for (uint32_t c = 0; c < task->k; ++c) {
    std::memcpy(centroids + size_t{c} * task->stride, task->point(chosen),
                task->stride * sizeof(float));
    double total = 0;
    for (size_t i = 0; i < task->count; ++i) {
      const float d = kernels().l2F32(task->probeOf(i), task->probeOf(chosen), task->probe);
      nearest2[i] = std::min(nearest2[i], d);
      total += nearest2[i];
    }
    if (!(total > 0)) {
      chosen = task->random.next() % task->count;
      continue;
    }
    double left = task->random.uniform() * total;
    chosen = task->count - 1;
    for (size_t i = 0; i < task->count; ++i) {
      left -= nearest2[i];
      if (left < 0) {
        chosen = i;
        break;
      }
    }
  }
}

// One Lloyd round in place. An empty cluster takes a random point.
void round(Task* task, float* centroids, uint32_t* owner) {
  std::vector<float> half_norm2(task->k);
  for (uint32_t c = 0; c < task->k; ++c) {
    const float* centroid = centroids + size_t{c} * task->stride;
    half_norm2[c] = 0.5f * kernels().dotF32(centroid, centroid, task->probe);
  }
  FloatColumns columns;
  columns.assign(centroids, task->k, task->stride, task->probe);
  std::vector<float> dots(columns.dotCount());
  for (size_t i = 0; i < task->count; ++i) {
    columns.dots(task->probeOf(i), dots.data());
    float best = std::numeric_limits<float>::max();
    uint32_t best_at = 0;
    for (uint32_t c = 0; c < task->k; ++c) {
      const float score = half_norm2[c] - dots[c];
      if (score < best) {
        best = score;
        best_at = c;
      }
    }
    owner[i] = best_at;
  }
  std::vector<uint32_t> members(task->k, 0);
  std::fill_n(centroids, size_t{task->k} * task->stride, 0.0f);
  for (size_t i = 0; i < task->count; ++i) {
    ++members[owner[i]];
    float* centroid = centroids + size_t{owner[i]} * task->stride;
    const float* point = task->point(i);
    for (uint32_t j = 0; j < task->stride; ++j) centroid[j] += point[j];
  }
  for (uint32_t c = 0; c < task->k; ++c) {
    float* centroid = centroids + size_t{c} * task->stride;
    if (members[c] == 0) {
      const size_t at = task->random.next() % task->count;
      std::memcpy(centroid, task->point(at), task->stride * sizeof(float));
      continue;
    }
    const float scale = 1.0f / static_cast<float>(members[c]);
    for (uint32_t j = 0; j < task->stride; ++j) centroid[j] *= scale;
  }
}

}  // namespace

std::vector<float> kmeans(const float* points, size_t count, uint32_t stride, uint32_t k,
                          uint64_t seed) {
  RVE_ASSERT(k >= 1 && k <= count && stride % 8 == 0);
  Task task{points, count, stride, std::min(stride, kKmeansProbeDims), k, SplitMix(seed), {}};
  task.probes.resize(count * task.probe);
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(task.probes.data() + i * task.probe, task.point(i), task.probe * sizeof(float));
  }
  std::vector<float> centroids(size_t{k} * stride);
  std::vector<uint32_t> owner(count);
  start(&task, centroids.data());
  for (uint32_t i = 0; i < kKmeansRounds; ++i) round(&task, centroids.data(), owner.data());
  return centroids;
}

}  // namespace rve
