// The best-first walk of one level, shared by search and construction. Private to graph/.
//
// The pool is one array sorted by distance; the nearest entry that was not expanded is expanded
// next, and the walk ends when there is none. Rows that a filter rejects stay in the pool as
// stepping stones but do not count towards ef, so the walk goes on until the nearest ef accepted
// rows are all expanded.
#pragma once
#include <algorithm>
#include <cfloat>
#include <cstring>

#include "base/assert.hpp"
#include "base/prefetch.hpp"
#include "graph/search.hpp"

namespace rve {

// The links of a node: at most `count`, fewer where one is kNoRow. `at` is null where they may not
// be read, and good until the next list is asked for.
struct LinkList {
  const uint32_t* at;
  uint32_t count;
};

// What a walk reads: `count` nodes, and for each its links, record and verdict.
//   LinkList links(uint32_t node)
//   void distances(const uint32_t* nodes, size_t count, float* out)
//   bool accept(uint32_t node)
//   void prefetchLinks(uint32_t node), void prefetchRecords(const uint32_t* nodes, size_t count)
class GraphWalk {
 public:
  using Entry = GraphScratch::Entry;
  static constexpr uint32_t kExpanded = 1u << 30;
  static constexpr uint32_t kRejected = 1u << 31;
  static constexpr uint32_t kNodeMask = kGraphRowsMax - 1;

  // Requires: the scratch holds `count` nodes and pool_max entries; pool_max >= ef >= 1.
  GraphWalk(GraphScratch* scratch, uint32_t count, uint32_t ef, uint32_t pool_max)
      : visited_(scratch->visited_.get()),
        pool_(scratch->pool_.get()),
        count_(count),
        ef_(ef),
        pool_max_(pool_max) {
    RVE_ASSERT(count <= scratch->rows_max_ && pool_max <= scratch->pool_max_ && ef <= pool_max);
    if (++scratch->epoch_ == 0) {
      std::memset(visited_, 0, scratch->rows_max_);
      scratch->epoch_ = 1;
    }
    epoch_ = scratch->epoch_;
  }

  // Once `sure` entries are expanded, none that is farther than `bound` is. Requires that every
  // node is accepted.
  void stopBeyond(float bound, uint32_t sure) {
    bound_ = bound;
    sure_ = sure;
  }

  // Takes a node out of the walk, or says that it is already in it (or no node at all).
  bool visit(uint32_t node) {
    if (node >= count_) [[unlikely]] {
      ++skipped;
      return false;
    }
    if (visited_[node] == epoch_) return false;
    visited_[node] = epoch_;
    return true;
  }

  // Puts visited nodes, at most kGraphLinks0Max, into the pool where they are near enough.
  template <typename Source>
  void offer(Source& source, const uint32_t* nodes, const float* distances_of, uint32_t count) {
    const float limit = full() ? pool_[size_ - 1].distance : FLT_MAX;
    const bool any = !full();
    Entry fresh[kGraphLinks0Max];
    uint32_t fresh_count = 0;
    for (uint32_t i = 0; i < count; ++i) {
      // Hostile factors may be NaN or Inf: the farthest possible, and never a broken order.
      const float distance = distances_of[i] < FLT_MAX ? distances_of[i] : FLT_MAX;
      fresh[fresh_count] = {distance, nodes[i]};
      fresh_count += static_cast<uint32_t>(any | (distance < limit));
    }
    if (fresh_count > 0) insert(source, fresh, fresh_count);
  }

  // Walks from what was offered until nothing nearer is left to expand. Two expansions overlap, so
  // that memory is waited for seldom: while a node's links are on their way, the distances of the
  // batch before are taken; while its neighbours' records are, those distances are put in order.
  template <typename Source>
  void run(Source& source) {
    Batch batches[2];
    float distances_of[kGraphLinks0Max];
    uint32_t pending = 0;  // the batch that waits for its distances, if it has any
    uint32_t node = choose();
    while (true) {
      Batch& batch = batches[pending];
      if (node == kNoRow && batch.count == 0) return;
      if (batch.count > 0) source.distances(batch.nodes, batch.count, distances_of);
      pending ^= 1;
      if (node != kNoRow) open(source, node, &batches[pending]);
      offer(source, batch.nodes, distances_of, batch.count);
      distances += batch.count;
      batch.count = 0;
      node = choose();
    }
  }

  // The accepted nodes, nearest first. Returns their number, at most ef.
  uint32_t take(Scored* out) const {
    uint32_t taken = 0;
    for (uint32_t i = 0; i < size_ && taken < ef_; ++i) {
      if ((pool_[i].row & kRejected) != 0) continue;
      out[taken++] = {pool_[i].distance, pool_[i].row & kNodeMask};
    }
    return taken;
  }

  uint32_t distances = 0;
  uint32_t expanded = 0;
  uint32_t skipped = 0;

 private:
  struct Batch {
    uint32_t count = 0;
    uint32_t nodes[kGraphLinks0Max];
  };

  // The nearest entry that was not expanded, which from now on it is; kNoRow if there is none. Its
  // links were asked for when it came into the pool.
  uint32_t choose() {
    while (cursor_ < size_ && (pool_[cursor_].row & kExpanded) != 0) ++cursor_;
    if (cursor_ == size_ || (cursor_ >= sure_ && pool_[cursor_].distance > bound_)) return kNoRow;
    pool_[cursor_].row |= kExpanded;
    ++expanded;
    return pool_[cursor_].row & kNodeMask;
  }

  // Collects the unvisited neighbours of a node and asks for their records.
  template <typename Source>
  void open(Source& source, uint32_t node, Batch* batch) {
    const LinkList links = source.links(node);
    if (links.at == nullptr) [[unlikely]] {
      ++skipped;
      return;
    }
    // Whether a neighbour was visited is a coin toss, so it is counted and not branched on.
    uint32_t fresh = 0;
    for (uint32_t slot = 0; slot < links.count && links.at[slot] != kNoRow; ++slot) {
      const uint32_t next = links.at[slot];
      if (next >= count_) [[unlikely]] {
        ++skipped;
        continue;
      }
      batch->nodes[fresh] = next;
      fresh += static_cast<uint32_t>(visited_[next] != epoch_);
      visited_[next] = epoch_;
    }
    source.prefetchRecords(batch->nodes, fresh);
    batch->count = fresh;
  }

  // Each at its place, behind its equals, and off the end with what no longer belongs. The few are
  // sorted first and then merged from the far end, so that the pool is moved once for all of them.
  template <typename Source>
  void insert(Source& source, Entry* fresh, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      Entry entry = fresh[i];
      source.prefetchLinks(entry.row);
      if (source.accept(entry.row)) {
        ++accepted_;
      } else {
        entry.row |= kRejected;
      }
      uint32_t at = i;
      for (; at > 0 && fresh[at - 1].distance > entry.distance; --at) fresh[at] = fresh[at - 1];
      fresh[at] = entry;
    }
    Entry* from = pool_ + size_;
    size_ += count;
    Entry* to = pool_ + size_;
    for (uint32_t left = count; left > 0; --left) {
      const Entry entry = fresh[left - 1];
      while (from > pool_ && from[-1].distance > entry.distance) *--to = *--from;
      *--to = entry;
    }
    cursor_ = std::min(cursor_, static_cast<uint32_t>(to - pool_));
    trim();
  }

  bool full() const { return accepted_ == ef_ || size_ == pool_max_; }

  // Restores accepted_ <= ef_ and size_ <= pool_max_, and drops rejected entries behind the last
  // accepted one once there are ef of those: nothing beyond it will be expanded.
  void trim() {
    while (accepted_ > ef_ || size_ > pool_max_) dropLast();
    if (accepted_ < ef_) return;
    while ((pool_[size_ - 1].row & kRejected) != 0) dropLast();
  }

  void dropLast() {
    --size_;
    accepted_ -= (pool_[size_].row & kRejected) == 0;
  }

  uint8_t* visited_;
  Entry* pool_;
  uint32_t count_;
  uint32_t ef_;
  uint32_t pool_max_;
  uint32_t size_ = 0;
  uint32_t accepted_ = 0;
  uint32_t cursor_ = 0;  // nothing before it is unexpanded
  float bound_ = FLT_MAX;
  uint32_t sure_ = 0;
  uint8_t epoch_ = 0;
};

// The cache lines of a record; those behind the fourth are left to the hardware's own prefetcher.
inline void prefetchRecord(const std::byte* record, size_t bytes) {
  prefetchLine(record);
  if (bytes > 64) prefetchLine(record + 64);
  if (bytes > 128) prefetchLine(record + 128);
  if (bytes > 192) prefetchLine(record + 192);
}

}  // namespace rve
