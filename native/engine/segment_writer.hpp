// Writes a segment: freeze and compaction differ only in the rows they give. The parts are synced
// before the call returns, and named by nobody yet (R4): the caller publishes them with SEAL or
// REPLACE.
#pragma once
#include <functional>

#include "engine/row_source.hpp"
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
  // Merge: the graph of the largest input and where its rows are now; null: from nothing.
  const GraphView* old_graph = nullptr;
  std::vector<uint32_t> old_to_new;
  KeepGoing keep_going;
  std::function<void()> on_step;  // Tuning::on_step
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
  struct Columns;
  struct Vectors;
  struct Graph;
  Status gather(const RowSource& source, std::vector<RowRef>* rows, const SegmentJob& job,
                Columns* columns, Vectors* vectors, uint64_t* lost);
  Status buildGraph(const std::function<VectorRef(uint32_t)>& vector_of, uint32_t rows,
                    const std::vector<float>& centre, const SegmentJob& job, Graph* out);
  Status makeDurable(Status written, const SegmentJob& job);
  Status writeBase(PartsWriter* writer, const Columns& columns, SegmentEntry* entry);
  Status writeVectors(PartsWriter* writer, const RowSource& source, const std::vector<RowRef>& rows,
                      const Vectors& vectors, SegmentEntry* entry);
  Status writeGraph(PartsWriter* writer, const Graph& graph, const std::vector<float>& centre,
                    uint32_t rows, SegmentEntry* entry);
  Status writePayloads(PartsWriter* writer, const RowSource& source,
                       const std::vector<RowRef>& rows, const Columns& columns,
                       SegmentEntry* entry);
  void toFloats(const VectorRef& vector, float* out) const;

  Store* store_;
  SegmentContext context_;
};

}  // namespace rve
