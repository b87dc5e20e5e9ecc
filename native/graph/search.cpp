#include "graph/search.hpp"

#include <new>

#include "graph/walk.hpp"

namespace rve {
namespace {

// Rows that a flat scan hands to the kernel at once: enough to hide the call, small on the stack.
constexpr uint32_t kScanBatch = 64;

// The lists of level 0, flat and packed. `Links` below is one of the two.
struct FlatLinks {
  FlatLinks(const GraphView& graph, const PageGuard& pages) : view(graph), guard(pages) {}

  LinkList list(uint32_t row) {
    const uint32_t slots = view.links0();
    if (!guard.ok(view.flatOffset(0, row), uint64_t{slots} * 4)) return {nullptr, 0};
    return {view.flatLinks(0, row), slots};
  }
  void prefetch(uint32_t row) const {
    const uint64_t offset = view.flatOffset(0, row);
    const std::byte* at = view.data() + offset;
    guard.fetchAhead(offset, uint64_t{view.links0()} * 4);
    prefetchLine(at);
    prefetchLine(at + 64);
  }

  const GraphView& view;
  const PageGuard& guard;
};

struct UnpackedLinks {
  UnpackedLinks(const GraphView& graph, const PageGuard& pages) : view(graph), guard(pages) {}

  LinkList list(uint32_t row) {
    const uint32_t count = view.packedLinks(0).read(row, guard, view.data(), links);
    if (count == GraphView::kUnreadable) return {nullptr, 0};
    return {links, count};
  }
  void prefetch(uint32_t row) const { view.packedLinks(0).prefetch(row, guard, view.data()); }

  const GraphView& view;
  const PageGuard& guard;
  uint32_t links[kGraphLinks0Max];  // of the list read last
};

// The distances of 4-bit records. `Records` below is this or AnyRecords.
struct NavRecords {
  const NavSpace& space;
  const NavQueryView& query;
  const PageGuard& guard;
  const Kernels& k;
  size_t record_bytes;
  uint32_t unreadable = 0;

  // Rows whose page fails become infinitely far. The guard is asked for all rows at once: one call
  // of the kernel for a batch overlaps the loads of its records, one a row does not.
  void distances(const uint32_t* rows, size_t count, float* out) {
    if (guard.allVerified(rows, count, record_bytes)) [[likely]] {
      k.navDistances(query, space.records, record_bytes, rows, count, out);
      return;
    }
    for (size_t i = 0; i < count; ++i) {
      guard.fetchAhead(uint64_t{rows[i]} * record_bytes, record_bytes);
    }
    for (size_t i = 0; i < count; ++i) {
      const uint64_t at = uint64_t{rows[i]} * record_bytes;
      if (guard.ok(at, record_bytes)) {
        k.navDistances(query, space.records, record_bytes, rows + i, 1, out + i);
      } else {
        out[i] = FLT_MAX;
        ++unreadable;
      }
    }
  }
  void prefetch(const uint32_t* rows, size_t count) const {
    for (size_t i = 0; i < count; ++i) prefetchRecord(space.record(rows[i]), record_bytes);
  }
};

struct AnyRecords {
  const GraphDistances& from;
  uint32_t unreadable = 0;

  void distances(const uint32_t* rows, size_t count, float* out) {
    from.distances(from.context, rows, count, out);
  }
  void prefetch(const uint32_t* rows, size_t count) const {
    from.prefetch(from.context, rows, count);
  }
};

// Level 0 of a finished graph, as GraphWalk reads it.
template <typename Links, typename Records>
struct Level0 {
  const GraphSearchParams& params;
  Links lists;
  Records records;

  LinkList links(uint32_t row) { return lists.list(row); }
  void distances(const uint32_t* rows, size_t count, float* out) {
    records.distances(rows, count, out);
  }
  bool accept(uint32_t row) const {
    return params.filter.accept == nullptr || params.filter.accept(params.filter.context, row);
  }
  void prefetchLinks(uint32_t row) const { lists.prefetch(row); }
  void prefetchRecords(const uint32_t* rows, size_t count) const { records.prefetch(rows, count); }
};

// The way down to level 0: the nearest node of the entry level by flat scan, then downhill on each
// level below it. Every index and id is checked before it is used.
template <typename Records>
class Descent {
 public:
  Descent(const GraphView& view, const PageGuard& guard, Records& records, GraphWalk& walk)
      : view_(view), guard_(guard), records_(records), walk_(walk), level_(view.entryLevel()) {}

  // A row, or kNoRow if no id was good.
  uint32_t run() {
    for (uint32_t index = 0; index < view_.level(level_).count; ++index) add(index);
    flush();
    for (--level_; best_ != kNoRow && level_ > 0; --level_) {
      const uint32_t* down = view_.down(level_ + 1) + best_;
      best_ = readable(down) && *down < view_.level(level_).count ? *down : kNoRow;
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
  bool readable(const uint32_t* word) const {
    return guard_.ok(addressOf(word) - addressOf(view_.data()), sizeof *word);
  }

  // Looks at the links of the best node; says whether one of them is nearer.
  bool stepDown() {
    const uint32_t before = best_;
    uint32_t links[kGraphLinks0Max];
    const uint32_t count = view_.readLinks(level_, best_, guard_, links);
    if (count == GraphView::kUnreadable) {
      ++walk_.skipped;
      return false;
    }
    for (uint32_t i = 0; i < count; ++i) add(links[i]);
    flush();
    return best_ != before;
  }

  void add(uint32_t index) {
    const uint32_t* node = view_.nodes(level_) + index;
    if (index >= view_.level(level_).count || !readable(node) || *node >= view_.rows()) {
      ++walk_.skipped;
      return;
    }
    indices_[count_] = index;
    rows_[count_] = *node;
    ++count_;
    if (count_ % kPrefetchBatch == 0) {
      records_.prefetch(rows_ + count_ - kPrefetchBatch, kPrefetchBatch);
    }
    if (count_ == kScanBatch) flush();
  }

  void flush() {
    float distances[kScanBatch];
    records_.distances(rows_, count_, distances);
    walk_.distances += count_;
    for (uint32_t i = 0; i < count_; ++i) {
      if (best_ != kNoRow && !(distances[i] < best_distance_)) continue;
      best_distance_ = distances[i];
      best_ = indices_[i];
      best_row_ = rows_[i];
    }
    count_ = 0;
  }

  // A call may stand behind a prefetch, so it is made for several rows at once.
  static constexpr uint32_t kPrefetchBatch = 8;

  const GraphView& view_;
  const PageGuard& guard_;
  Records& records_;
  GraphWalk& walk_;
  uint32_t level_;
  uint32_t best_ = kNoRow;  // an index in level_
  uint32_t best_row_ = kNoRow;
  float best_distance_ = FLT_MAX;
  uint32_t count_ = 0;
  uint32_t indices_[kScanBatch];
  uint32_t rows_[kScanBatch];
};

// Offers every row: a graph too small for levels.
template <typename Source>
void offerAll(Source& source, uint32_t rows, GraphWalk& walk) {
  uint32_t batch[kScanBatch];
  float distances[kScanBatch];
  for (uint32_t first = 0; first < rows; first += kScanBatch) {
    const uint32_t count = std::min(kScanBatch, rows - first);
    for (uint32_t i = 0; i < count; ++i) {
      batch[i] = first + i;
      walk.visit(first + i);
    }
    source.distances(batch, count, distances);
    walk.offer(source, batch, distances, count);
  }
  walk.distances += rows;
}

// Offers the rows that the caller names; how many were good.
template <typename Source>
uint32_t offerEntries(Source& source, const GraphSearchParams& params, GraphWalk& walk) {
  uint32_t rows[kGraphEntriesMax];
  float distances[kGraphEntriesMax];
  uint32_t count = 0;
  for (uint32_t i = 0; i < std::min(params.entry_count, kGraphEntriesMax); ++i) {
    rows[count] = params.entries[i];
    count += walk.visit(params.entries[i]) ? 1 : 0;
  }
  source.prefetchRecords(rows, count);
  source.distances(rows, count, distances);
  walk.offer(source, rows, distances, count);
  walk.distances += count;
  return count;
}

template <typename Links, typename Records>
uint32_t searchWith(const GraphView& view, const Records& records, const GraphSearchParams& params,
                    GraphScratch* scratch, Scored* out, GraphSearchStats* stats) {
  GraphWalk walk(scratch, view.rows(), params.ef, params.poolMax());
  Level0<Links, Records> source{params, Links(view, params.links_guard), records};
  if (view.entryLevel() == 0) {
    offerAll(source, view.rows(), walk);
  } else if (params.entry_count == 0 || offerEntries(source, params, walk) == 0) {
    const uint32_t entry = Descent(view, params.links_guard, source.records, walk).run();
    if (entry != kNoRow && walk.visit(entry)) {
      float distance;
      source.distances(&entry, 1, &distance);
      walk.offer(source, &entry, &distance, 1);
    }
  }
  if (params.filter.accept == nullptr) walk.stopBeyond(params.bound, params.sure);
  walk.run(source);
  if (stats != nullptr) {
    *stats = {.distances = walk.distances,
              .expanded = walk.expanded,
              .skipped = walk.skipped + source.records.unreadable};
  }
  return walk.take(out);
}

template <typename Records>
uint32_t searchAny(const GraphView& view, const Records& records, const GraphSearchParams& params,
                   GraphScratch* scratch, Scored* out, GraphSearchStats* stats) {
  return view.packed()
             ? searchWith<UnpackedLinks>(view, records, params, scratch, out, stats)
             : searchWith<FlatLinks>(view, records, params, scratch, out, stats);
}

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
  const NavRecords records{.space = space,
                           .query = query,
                           .guard = params.records_guard,
                           .k = kernels(),
                           .record_bytes = space.recordBytes()};
  return searchAny(view, records, params, scratch, out, stats);
}

uint32_t searchGraph(const GraphView& view, const GraphDistances& distances,
                     const GraphSearchParams& params, GraphScratch* scratch, Scored* out,
                     GraphSearchStats* stats) {
  RVE_ASSERT(distances.rows == view.rows());
  return searchAny(view, AnyRecords{distances}, params, scratch, out, stats);
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
