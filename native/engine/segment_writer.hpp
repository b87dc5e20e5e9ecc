// Writes a segment: freeze and compaction differ only in the rows they give. The parts are synced
// before the call returns, and named by nobody yet (R4): the caller publishes them with SEAL or
// REPLACE.
#pragma once
#include <functional>

#include "codecs/coarse_quantizer.hpp"
#include "engine/segment_columns.hpp"
#include "engine/tier_writer.hpp"
#include "graph/builder.hpp"
#include "storage/store.hpp"

namespace rve {

// Polled every few hundred rows; false stops the job (kAborted). May itself do urgent work.
using KeepGoing = std::function<bool()>;

struct SegmentJob {
  uint64_t segment_id = 0;
  uint32_t epoch = 0;
  bool keep_adopted = false;   // leave rows that stand in the log where they are
  bool link = false;           // build the graph too
  GraphParams graph;
  uint32_t threads = 1;        // that build the graph and code the rows
  // Merge: the graph of the largest input and where its rows are now; null: from nothing.
  const GraphView* old_graph = nullptr;
  std::vector<uint32_t> old_to_new;
  // Not null: the output stands in tiers, rows in their order; linked, nothing adopted.
  const TierJob* tiers = nullptr;
  // Hears what columns and graph take, bytes, before `tiers` is read.
  std::function<void(uint64_t)> on_overhead;
  bool nav_records = true;  // its graph keeps 4-bit records of its own
  KeepGoing keep_going;
  std::function<void()> on_step;  // Tuning::on_step
  // Not null: codes of rows in pieces stand in its lists.
  std::shared_ptr<const CoarseQuantizer> quantizer;
};

struct WrittenSegment {
  SegmentEntry entry;
  std::vector<RunPin> pins;
  std::vector<RowRef> rows;    // what became row 0, 1, 2 ...; damaged rows are left out
  uint64_t lost = 0;           // rows left out
  uint64_t bytes_written = 0;
};

class SegmentWriter {
 public:
  SegmentWriter(Store* store, const SegmentContext& context) : store_(store), context_(context) {}

  // Requires at least one row. kNoSpace and kAborted leave nothing behind. If all rows are damaged,
  // out->rows is empty and nothing is written.
  Status write(const RowSource& source, std::vector<RowRef> rows, const SegmentJob& job,
               WrittenSegment* out);
  // Adds a graph part to a frozen segment: `out` is its entry with the part, and all pins.
  Status link(const Segment& segment, const SegmentJob& job, WrittenSegment* out);

 private:
  struct Pieces;
  struct Graph;
  Status gather(const RowSource& source, std::vector<RowRef>* rows, const SegmentJob& job,
                SegmentColumns* columns, Pieces* pieces, std::vector<float>* centre,
                uint64_t* lost);
  void adoptRun(const RowSource& source, uint64_t at, Pieces* pieces) const;
  Status encodeOneBit(const RowSource& source, const std::vector<RowRef>& rows,
                      const std::vector<float>& centre, const SegmentJob& job,
                      SegmentColumns* columns);
  template <typename Use>
  Status eachRotated(const RowSource& source, const std::vector<RowRef>& rows,
                     const SegmentJob& job, Use use) const;
  Status buildGraph(const std::function<VectorRef(uint32_t)>& vector_of, uint32_t rows,
                    const std::vector<float>& centre, const SegmentJob& job, Graph* out);
  Status makeDurable(Status written, const SegmentJob& job);
  Status writePieces(PartsWriter* writer, const RowSource& source, const std::vector<RowRef>& rows,
                     const Pieces& pieces, PartEntry* out);
  Status writeGraph(PartsWriter* writer, const Graph& graph, uint32_t rows, PartEntry* out);
  Status writePayloads(PartsWriter* writer, const RowSource& source,
                       const std::vector<RowRef>& rows, const SegmentColumns& columns,
                       PartEntry* out);

  Store* store_;
  SegmentContext context_;
};

}  // namespace rve
