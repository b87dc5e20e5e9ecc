// The candidates of one query over all places of a Version, by estimated distance.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace rve {

struct Candidate {
  float distance;
  uint32_t row;    // of the segment; tail: ordinal less the Version's first
  uint32_t place;  // 0: the tail; i: segments[i - 1] of the Version
  float least;     // nearer than this it hardly is: the estimate less its error bound
  bool operator<(const Candidate& other) const { return distance < other.distance; }
};

// The `keep` nearest of a stream, in amortised constant time: a buffer of twice as many is halved
// by selection whenever it is full. A heap of hundreds costs three times as much here.
class Nearest {
 public:
  void reset(size_t keep) {
    keep_ = keep;
    rows_.clear();
    rows_.reserve(2 * keep);
    threshold_ = std::numeric_limits<float>::max();
  }
  size_t keep() const { return keep_; }
  // What is not nearer cannot enter. Not-a-number never enters.
  float threshold() const { return threshold_; }
  void add(const Candidate& candidate) {
    if (!(candidate.distance < threshold_)) return;
    rows_.push_back(candidate);
    if (rows_.size() == 2 * keep_) halve();
  }
  // The n-th nearest so far; the largest number if there are fewer.
  float nth(size_t n) {
    if (n == 0 || rows_.size() < n) return std::numeric_limits<float>::max();
    const auto at = rows_.begin() + static_cast<std::ptrdiff_t>(n - 1);
    std::nth_element(rows_.begin(), at, rows_.end());
    return at->distance;
  }
  // In no order; call reset before the next add.
  std::vector<Candidate>& rows() {
    if (rows_.size() > keep_) halve();
    return rows_;
  }

 private:
  void halve() {
    const auto middle = rows_.begin() + static_cast<std::ptrdiff_t>(keep_);
    std::nth_element(rows_.begin(), middle, rows_.end());
    threshold_ = middle->distance;
    rows_.resize(keep_);
  }

  size_t keep_ = 0;
  float threshold_ = 0;
  std::vector<Candidate> rows_;
};

}  // namespace rve
