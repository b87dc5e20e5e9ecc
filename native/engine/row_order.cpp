#include "engine/row_order.hpp"

#include <algorithm>
#include <thread>

namespace rve {
namespace {

// Fewer centroids tell too little: most rows would share one.
constexpr uint32_t kCentroidsMin = 32;

struct Keyed {
  uint32_t key;
  RowRef ref;
};

class Windows {
 public:
  Windows(const TierCodebook& codebook, const VectorOf& vector_of)
      : codebook_(codebook), vector_of_(vector_of) {}

  void order(RowRef* rows, uint32_t count, uint32_t threads) {
    keyed_.resize(count);
    const auto share = static_cast<uint32_t>(divideUp(count, threads));
    std::vector<std::thread> helpers;
    for (uint32_t at = 0; at < count; at += share) {
      const auto work = [this, rows, at, end = std::min(count, at + share)] {
        keysOf(rows, at, end);
      };
      if (at + share < count) {
        helpers.emplace_back(work);
      } else {
        work();
      }
    }
    for (std::thread& helper : helpers) helper.join();
    std::stable_sort(keyed_.begin(), keyed_.end(),
                     [](const Keyed& a, const Keyed& b) { return a.key < b.key; });
    for (uint32_t i = 0; i < count; i++) rows[i] = keyed_[i].ref;
  }

 private:
  void keysOf(const RowRef* rows, uint32_t from, uint32_t to) {
    std::vector<float> floats(codebook_.dims()), rotated(codebook_.paddedDims());
    for (uint32_t i = from; i < to; i++) keyed_[i] = {keyOf(rows[i], &floats, &rotated), rows[i]};
  }

  uint32_t keyOf(const RowRef& ref, std::vector<float>* floats, std::vector<float>* rotated) const {
    if (!vector_of_(ref, floats->data())) return 0;
    codebook_.rotation().apply(floats->data(), rotated->data());
    for (size_t d = 0; d < rotated->size(); d++) (*rotated)[d] -= codebook_.mean()[d];
    uint32_t nearest[kTierProbeKept];
    codebook_.nearestByProbe(rotated->data(), nearest);
    return nearest[0] << 8 | nearest[1];
  }

  const TierCodebook& codebook_;
  const VectorOf& vector_of_;
  std::vector<Keyed> keyed_;
};
static_assert(kTierCentroidsMax <= 256 && kTierProbeKept >= 2);

}  // namespace

Status orderByNearness(const TierCodebook& codebook, const VectorOf& vector_of, uint32_t window,
                       uint32_t threads, const std::function<bool()>& keep_going,
                       std::vector<RowRef>* rows) {
  if (window == 0 || codebook.centroidCount() < kCentroidsMin) return {};
  Windows windows(codebook, vector_of);
  const auto count = static_cast<uint32_t>(rows->size());
  for (uint32_t first = 0; first < count;) {
    uint32_t end = first;
    while (end < count && (*rows)[end].tier == (*rows)[first].tier) end++;
    for (uint32_t at = first; end - first >= kRowWindowsMin * window && at < end; at += window) {
      if (!keep_going()) return Status(Code::kAborted, "stopped");
      windows.order(rows->data() + at, std::min(window, end - at), threads);
    }
    first = end;
  }
  return {};
}

}  // namespace rve
