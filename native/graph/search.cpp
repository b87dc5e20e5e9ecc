#include "graph/search.hpp"

#include <new>

#include "graph/walk.hpp"

namespace rve {
namespace {

// Rows that a flat scan hands to the kernel at once: enough to hide the call, small on the stack.
constexpr uint32_t kScanBatch = 64;

// Level 0 of a finished graph, as GraphWalk reads it.
struct Level0 {
  const GraphView& view;
  const NavSpace& space;
  const NavQueryView& query;
  const GraphSearchParams& params;
  const Kernels& k;
  size_t record_bytes;
  uint32_t slots;
  uint32_t unreadable = 0;

  const uint32_t* links(uint32_t row) {
    if (!params.links_guard.ok(view.linksOffset(row), uint64_t{slots} * 4)) return nullptr;
    return view.linksOf(row);
  }

  // Rows whose page fails become infinitely far. The guard is asked for all rows at once: one call
  // of the kernel for a batch overlaps the loads of its records, one a row does not.
  void distances(const uint32_t* rows, size_t count, float* out) {
    if (params.records_guard.allVerified(rows, count, record_bytes)) [[likely]] {
      k.navDistances(query, space.records, record_bytes, rows, count, out);
      return;
    }
    for (size_t i = 0; i < count; ++i) {
      const uint64_t at = uint64_t{rows[i]} * record_bytes;
      if (params.records_guard.ok(at, record_bytes)) {
        k.navDistances(query, space.records, record_bytes, rows + i, 1, out + i);
      } else {
        out[i] = FLT_MAX;
        ++unreadable;
      }
    }
  }

  // Whether bytes of the graph may be read.
  bool readable(const void* at, uint64_t bytes) const {
    return params.links_guard.ok(addressOf(at) - addressOf(view.data()), bytes);
  }
  bool accept(uint32_t row) const {
    return params.filter.accept == nullptr || params.filter.accept(params.filter.context, row);
  }
  void prefetchLinks(uint32_t row) const {
    const std::byte* at = view.data() + view.linksOffset(row);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
  }
  void prefetchRecord(uint32_t row) const { rve::prefetchRecord(space.record(row), record_bytes); }
};

// The way down to level 0: the nearest node of the entry level by flat scan, then downhill on each
// level below it. Every index and id is checked before it is used.
class Descent {
 public:
  Descent(const GraphView& view, Level0& source, GraphWalk& walk)
      : view_(view), source_(source), walk_(walk), level_(view.entryLevel()) {}

  // A row, or kNoRow if no id was good.
  uint32_t run() {
    for (uint32_t index = 0; index < view_.level(level_).count; ++index) add(index);
    flush();
    for (--level_; best_ != kNoRow && level_ > 0; --level_) {
      const uint32_t* down = view_.down(level_ + 1) + best_;
      best_ = source_.readable(down, 4) && *down < view_.level(level_).count ? *down : kNoRow;
      if (best_ == kNoRow) break;
      // Each round is strictly nearer, so it ends; the bound is for hostile NaN distances.
      for (uint32_t hop = 0; hop < view_.level(level_).count; ++hop) {
        if (!stepDown()) break;
      }
    }
    walk_.skipped += best_ == kNoRow;
    return best_ == kNoRow ? kNoRow : best_row_;
  }

 private:
  // Looks at the links of the best node; says whether one of them is nearer.
  bool stepDown() {
    const uint32_t before = best_;
    const uint32_t* links = view_.linksOf(level_, best_);
    if (!source_.readable(links, uint64_t{view_.links()} * 4)) {
      ++walk_.skipped;
      return false;
    }
    for (uint32_t slot = 0; slot < view_.links() && links[slot] != kNoRow; ++slot) add(links[slot]);
    flush();
    return best_ != before;
  }

  void add(uint32_t index) {
    const uint32_t* node = view_.nodes(level_) + index;
    if (index >= view_.level(level_).count || !source_.readable(node, 4) ||
        *node >= view_.rows()) {
      ++walk_.skipped;
      return;
    }
    indices_[count_] = index;
    rows_[count_] = *node;
    source_.prefetchRecord(*node);
    if (++count_ == kScanBatch) flush();
  }

  void flush() {
    float distances[kScanBatch];
    source_.distances(rows_, count_, distances);
    walk_.distances += count_;
    for (uint32_t i = 0; i < count_; ++i) {
      if (best_ != kNoRow && !(distances[i] < best_distance_)) continue;
      best_distance_ = distances[i];
      best_ = indices_[i];
      best_row_ = rows_[i];
    }
    count_ = 0;
  }

  const GraphView& view_;
  Level0& source_;
  GraphWalk& walk_;
  uint32_t level_;
  uint32_t best_ = kNoRow;  // an index in level_
  uint32_t best_row_ = kNoRow;
  float best_distance_ = FLT_MAX;
  uint32_t count_ = 0;
  uint32_t indices_[kScanBatch];
  uint32_t rows_[kScanBatch];
};

}  // namespace

Status GraphScratch::reserve(uint32_t rows, uint32_t pool_max) {
  if (rows > rows_max_) {
    auto* visited = new (std::nothrow) uint8_t[rows]();
    if (visited == nullptr) return Status(Code::kNoMemory, "graph scratch: visited rows");
    visited_.reset(visited);
    rows_max_ = rows;
    epoch_ = 0;
  }
  if (pool_max > pool_max_) {
    // A batch to spare: its entries are put in before the last are dropped.
    auto* pool = new (std::nothrow) Entry[size_t{pool_max} + kGraphLinks0Max];
    if (pool == nullptr) return Status(Code::kNoMemory, "graph scratch: pool");
    pool_.reset(pool);
    pool_max_ = pool_max;
  }
  return {};
}

uint32_t searchGraph(const GraphView& view, const NavSpace& space, const NavQueryView& query,
                     const GraphSearchParams& params, GraphScratch* scratch, Scored* out,
                     GraphSearchStats* stats) {
  RVE_ASSERT(space.rows == view.rows());
  GraphWalk walk(scratch, view.rows(), params.ef, params.poolMax());
  Level0 source{.view = view,
                .space = space,
                .query = query,
                .params = params,
                .k = kernels(),
                .record_bytes = space.recordBytes(),
                .slots = view.links0()};
  if (view.entryLevel() == 0) {
    for (uint32_t row = 0; row < view.rows(); ++row) {
      float distance;
      walk.visit(row);
      source.distances(&row, 1, &distance);
      walk.offer(source, &row, &distance, 1);
    }
    walk.distances += view.rows();
  } else {
    const uint32_t entry = Descent(view, source, walk).run();
    if (entry != kNoRow && walk.visit(entry)) {
      float distance;
      source.distances(&entry, 1, &distance);
      walk.offer(source, &entry, &distance, 1);
    }
  }
  walk.run(source);
  if (stats != nullptr) {
    *stats = {.distances = walk.distances,
              .expanded = walk.expanded,
              .skipped = walk.skipped + source.unreadable};
  }
  return walk.take(out);
}

namespace {

// Offers a batch of rows to `top`; returns how many the guard withheld.
uint32_t offerBatch(const NavSpace& space, const NavQueryView& query, uint32_t* rows,
                    uint32_t count, const PageGuard& guard, TopRows* top) {
  const size_t record_bytes = space.recordBytes();
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (guard.ok(uint64_t{rows[i]} * record_bytes, record_bytes)) rows[kept++] = rows[i];
  }
  float distances[kScanBatch];
  kernels().navDistances(query, space.records, record_bytes, rows, kept, distances);
  for (uint32_t i = 0; i < kept; ++i) top->offer(distances[i], rows[i]);
  return count - kept;
}

}  // namespace

uint32_t scanRecords(const NavSpace& space, const NavQueryView& query, uint32_t first,
                     uint32_t count, const RowFilter& filter, const PageGuard& guard,
                     TopRows* top) {
  RVE_ASSERT(first <= space.rows && count <= space.rows - first);
  uint32_t rows[kScanBatch];
  uint32_t withheld = 0;
  uint32_t batch = 0;
  for (uint32_t row = first; row < first + count; ++row) {
    if (filter.accept != nullptr && !filter.accept(filter.context, row)) continue;
    rows[batch++] = row;
    if (batch < kScanBatch) continue;
    withheld += offerBatch(space, query, rows, batch, guard, top);
    batch = 0;
  }
  return withheld + offerBatch(space, query, rows, batch, guard, top);
}

uint32_t scanRows(const NavSpace& space, const NavQueryView& query, const uint32_t* list,
                  size_t count, const PageGuard& guard, TopRows* top) {
  uint32_t rows[kScanBatch];
  uint32_t withheld = 0;
  for (size_t i = 0; i < count;) {
    uint32_t batch = 0;
    for (; i < count && batch < kScanBatch; ++i) {
      RVE_ASSERT(list[i] < space.rows);
      rows[batch++] = list[i];
    }
    withheld += offerBatch(space, query, rows, batch, guard, top);
  }
  return withheld;
}

}  // namespace rve
