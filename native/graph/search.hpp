// Search of one graph (Malkov & Yashunin 2018, algorithm 2), as one sorted-array pool instead of
// two heaps. Entry: the nodes of one sparse level (about n/256, at most a few hundred) are scanned
// flat, which beats walking down the levels (SEARCH.md, and README.md here). Safe on hostile
// bytes: every id is compared with its bound, every loop is bounded by the rows; a bad id is
// skipped.
#pragma once
#include <cfloat>
#include <memory>
#include <vector>

#include "graph/page_guard.hpp"
#include "graph/view.hpp"
#include "kernels/nav.hpp"
#include "kernels/top_rows.hpp"

namespace rve {

// Which rows a search may return. Rows that are not accepted are walked through all the same.
struct RowFilter {
  bool (*accept)(const void* context, uint32_t row) = nullptr;  // null: all
  const void* context = nullptr;
};

// One per thread; reused by every search of every segment. Allocates only when it meets a larger
// graph or pool than before: 1 byte a row and 8 bytes a pool entry.
class GraphScratch {
 public:
  // kNoMemory; the scratch stays usable for what it held before. Call before search, which asserts
  // it.
  Status reserve(uint32_t rows, uint32_t pool_max);

 private:
  friend class GraphWalk;
  struct Entry {
    float distance;
    uint32_t row;  // low 28 bits the row; flags above
  };
  std::unique_ptr<uint8_t[]> visited_;  // == epoch_: seen in this search
  std::unique_ptr<Entry[]> pool_;
  uint32_t rows_max_ = 0;
  uint32_t pool_max_ = 0;
  uint8_t epoch_ = 0;
};

// What a search compares the rows of a graph with, whatever their records are. Calls are per batch
// of at most kGraphDistancesMax rows, all below `rows`; `context` is the caller's, so that one
// object per thread may prepare things on the way. The callee guards its own bytes: a row that
// cannot be read is FLT_MAX away, and the callee counts it. NaN is taken as FLT_MAX.
struct GraphDistances {
  void* context = nullptr;
  uint32_t rows = 0;
  void (*distances)(void* context, const uint32_t* rows, size_t count, float* out) = nullptr;
  // Asks for the cache lines of records whose distances come soon. Never null.
  void (*prefetch)(void* context, const uint32_t* rows, size_t count) = nullptr;
};
inline constexpr size_t kGraphDistancesMax = kGraphLinks0Max;

inline constexpr uint32_t kGraphEntriesMax = 16;

struct GraphSearchParams {
  uint32_t ef = 64;  // accepted rows to keep, 1..kEfMax
  // Entries the pool may hold, rows that are not accepted included; at least ef. 0 means ef
  // without a filter, 4 * ef with one. Bounds the work of a search whose filter accepts little.
  uint32_t pool_max = 0;
  RowFilter filter;
  // Where to begin, if the caller knows rows near the query: at most kGraphEntriesMax, bad ones are
  // skipped. None: the entry level is scanned.
  const uint32_t* entries = nullptr;
  uint32_t entry_count = 0;
  // Once `sure` rows are expanded, none farther than this is: the caller has enough that are
  // nearer. Not with a filter.
  float bound = FLT_MAX;
  uint32_t sure = 0;
  PageGuard links_guard;    // over the graph's bytes
  PageGuard records_guard;  // over space.records; unused with GraphDistances

  uint32_t poolMax() const {
    const uint32_t fallback = filter.accept == nullptr ? ef : 4 * ef;
    return pool_max == 0 ? fallback : pool_max;
  }
};

struct GraphSearchStats {
  uint32_t distances = 0;
  uint32_t expanded = 0;
  uint32_t skipped = 0;  // bad ids, and pages that failed verification: > 0 means degraded
};

// The nearest accepted rows, nearest first, at most params.ef, to out[0..]. Returns their number.
// Requires: space.rows == view.rows(), scratch reserved for view.rows() and the pool, out holds ef
// entries. No allocation. Thread-safe with a scratch per thread.
uint32_t searchGraph(const GraphView& view, const NavSpace& space, const NavQueryView& query,
                     const GraphSearchParams& params, GraphScratch* scratch, Scored* out,
                     GraphSearchStats* stats = nullptr);

// The same over any records. Requires: distances.rows == view.rows(). stats->skipped does not count
// what the callee could not read.
uint32_t searchGraph(const GraphView& view, const GraphDistances& distances,
                     const GraphSearchParams& params, GraphScratch* scratch, Scored* out,
                     GraphSearchStats* stats = nullptr);

// Flat scan of rows [first, first + count): offers every accepted row's estimated distance to
// `top`. For unlinked segments and for narrow filters. Returns the number of rows skipped by the
// guard.
uint32_t scanRecords(const NavSpace& space, const NavQueryView& query, uint32_t first,
                     uint32_t count, const RowFilter& filter, const PageGuard& guard,
                     TopRows* top);

// The same over a list of rows (a filter that matches little: the engine lists the rows).
uint32_t scanRows(const NavSpace& space, const NavQueryView& query, const uint32_t* rows,
                  size_t count, const PageGuard& guard, TopRows* top);

}  // namespace rve
