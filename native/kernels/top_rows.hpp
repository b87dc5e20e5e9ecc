// The k nearest of a stream of (distance, row): a bounded max-heap with a cheap threshold test,
// for flat scans and for merging candidates. Ties go to the smaller row, so the result does not
// depend on order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace rve {

struct Scored {
  float distance;
  uint32_t row;
};

inline bool operator<(const Scored& a, const Scored& b) {
  return a.distance < b.distance || (a.distance == b.distance && a.row < b.row);
}

class TopRows {
 public:
  // Empties it and sets the bound. k: 1 or more. Allocates only when k grows beyond any earlier
  // one.
  void reset(size_t k) {
    k_ = k;
    heap_.clear();
    heap_.reserve(k);
    threshold_ = std::numeric_limits<float>::max();
  }

  // Rows farther than this cannot enter. Not-a-number and infinite distances never enter.
  float threshold() const { return threshold_; }
  size_t size() const { return heap_.size(); }

  void offer(float distance, uint32_t row) {
    if (!(distance <= threshold_)) return;
    const Scored entry{distance, row};
    if (heap_.size() == k_) {
      if (!(entry < heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.back() = entry;
    } else {
      heap_.push_back(entry);
    }
    std::push_heap(heap_.begin(), heap_.end());
    if (heap_.size() == k_) threshold_ = heap_.front().distance;
  }

  // Nearest first. May be called again; but call reset before the next offer.
  const std::vector<Scored>& sorted() {
    std::sort(heap_.begin(), heap_.end());
    return heap_;
  }

 private:
  size_t k_ = 0;
  float threshold_ = 0;
  std::vector<Scored> heap_;
};

}  // namespace rve
