// HNSW construction (Malkov & Yashunin 2018, algorithms 1 and 4) over navigation records, in short
// steps, straight into the serialised form of view.hpp: levels are drawn from (seed, row), so
// every size is known before the first insert, and finish() copies nothing.
//
// Memory beside the caller's records: the graph itself (4 * M0 bytes a row, 128 at M = 16, plus
// about 5.2 of higher levels), 4 bytes a row of scratch, and a few hundred KiB. bytesNeeded()
// states it.
#pragma once
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "base/large_bytes.hpp"
#include "graph/search.hpp"
#include "graph/view.hpp"
#include "kernels/nav.hpp"

namespace rve {

struct GraphParams {
  uint32_t links = 16;            // M, 2..64; level 0 has 2 M slots
  uint32_t ef_construction = 100; // candidates per insert, 1..kEfMax
  uint64_t seed = 0;              // draws the levels: same seed and records, same bytes
};

class GraphBuilder {
 public:
  GraphBuilder();
  ~GraphBuilder();
  GraphBuilder(const GraphBuilder&) = delete;
  GraphBuilder& operator=(const GraphBuilder&) = delete;

  // Bytes that a build of `rows` rows allocates at its peak, by that many threads.
  static uint64_t bytesNeeded(uint32_t rows, const GraphParams& params, uint32_t threads = 1);

  // Begins a build of all rows of `space` (1..kGraphRowsMax). The records must outlive the builder.
  // kNoMemory, kArgument.
  Status begin(const NavSpace& space, const GraphParams& params);

  // As begin, but takes over the link lists of a finished graph of some of the rows: row i of
  // `old` is row old_to_new[i] here, or kNoRow if it died. Links of the dead are dropped and
  // bridged: who lost one is linked again with the dead row's neighbours by the usual heuristic.
  // The other rows wait for step(). `old` need not outlive the call; its M must equal params.links
  // (else kArgument). Old ids are checked (kCorrupt). Cost: about 1 us a row that lost no link, an
  // eighth of an insert for one that did.
  Status beginFrom(const NavSpace& space, const GraphParams& params, const GraphView& old,
                   std::span<const uint32_t> old_to_new);

  // Inserts up to rows_max waiting rows, in row order; returns how many. Looks at `stop` (may be
  // null) between rows. One row costs 10 to 30 us at d = 128.
  uint32_t step(uint32_t rows_max, const std::atomic<bool>* stop);

  // The same by up to `threads` threads (the calling one and threads - 1 that live for the call; at
  // most kThreadsMax, fewer where memory does not suffice). They insert side by side, so the graph
  // depends on who was faster: as good, not the same bytes. With one thread it is step(). Beginning
  // costs 20 to 50 us a thread: hand it thousands of rows.
  static constexpr uint32_t kThreadsMax = 64;
  uint32_t stepParallel(uint32_t rows_max, uint32_t threads, const std::atomic<bool>* stop);

  uint32_t rowsWaiting() const;
  bool done() const { return rowsWaiting() == 0; }

  // Hands over the bytes and leaves the builder empty. Requires: done().
  LargeBytes finish();

 private:
  class Impl;
  Status beginAny(const NavSpace& space, const GraphParams& params, const GraphView* old,
                  std::span<const uint32_t> old_to_new);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rve
