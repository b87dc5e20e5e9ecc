#include "engine/segment_writer.hpp"

#include <algorithm>

#include "base/mutation.hpp"
#include "engine/code_lists.hpp"
#include "graph/pack.hpp"

namespace rve {
namespace {

constexpr uint32_t kPollRows = 256;
// Threads are started for each lot: some tens of milliseconds of work for each.
constexpr uint32_t kParallelRows = 4096;
constexpr uint32_t kCentreSampleRows = 4096;

void notifyStep(const SegmentJob& job) {
  if (job.on_step) job.on_step();
}

}  // namespace

// Where the vectors of a segment stand that are not in tiers.
struct SegmentWriter::Pieces {
  std::vector<Piece> pieces;  // dense ones: `at` counts from the matrix section
  uint64_t matrix_bytes = 0;
  std::vector<RunPin> adopted;

  void add(uint32_t row, const RowData& data, uint64_t stride, bool adopt);
  std::vector<SectionPlan> plan() const {
    return {{SectionKind::kPieces, pieces.size() * sizeof(Piece)},
            {SectionKind::kMatrix, matrix_bytes}};
  }
};

struct SegmentWriter::Graph {
  LargeBytes records;
  std::vector<float> centre;
  LargeBytes bytes;

  std::vector<SectionPlan> plan() const {
    // The graph first, on a page of its own: no flat link list straddles two pages then; a packed
    // one may (graph/view.hpp).
    return {{SectionKind::kGraph, bytes.bytes},
            {SectionKind::kNavRecords, records.bytes},
            {SectionKind::kNavCentre, centre.size() * 4}};
  }
  // What a walk over the tiers' records does not need.
  void dropRecords() {
    records = {};
    centre.clear();
  }
};

void SegmentWriter::Pieces::add(uint32_t row, const RowData& data, uint64_t stride, bool adopt) {
  const uint64_t record_at = adopt ? data.record_at : 0;
  const auto dtype = static_cast<uint32_t>(data.vector.dtype);
  uint64_t at = data.vector_at;
  Piece* last = pieces.empty() ? nullptr : &pieces.back();
  const bool same_kind =
      last != nullptr && last->record_at == record_at && last->dtype == dtype;
  if (!adopt) {
    if (!same_kind) matrix_bytes = roundUp(matrix_bytes, 64);
    at = matrix_bytes;
    matrix_bytes += stride;
  }
  if (same_kind && last->at + last->rows * stride == at) {
    last->rows++;
  } else {
    pieces.push_back({row, 1, dtype, 0, at, record_at});
  }
}

void SegmentWriter::adoptRun(const RowSource& source, uint64_t at, Pieces* pieces) const {
  const auto holds = [&](const RunPin& pin) {
    const uint64_t from = runOffset(context_.layout, pin.run());
    return at >= from && at < from + runBytes(context_.layout, pin.run());
  };
  if (std::any_of(pieces->adopted.rbegin(), pieces->adopted.rend(), holds)) return;
  RunPin pin = source.pinOf(at, context_.layout);
  RVE_ASSERT(pin);
  pieces->adopted.push_back(std::move(pin));
}

// One pass over the rows: columns, the centre of a sample, and where each vector will stand.
Status SegmentWriter::gather(const RowSource& source, std::vector<RowRef>* rows,
                             const SegmentJob& job, SegmentColumns* columns, Pieces* pieces,
                             std::vector<float>* centre, uint64_t* lost) {
  std::vector<RowRef> kept;
  kept.reserve(rows->size());
  std::vector<double> sum(context_.dims);
  std::vector<float> floats(context_.dims);
  const size_t sample_step = std::max<size_t>(1, rows->size() / kCentreSampleRows);
  size_t sampled = 0;
  for (size_t i = 0; i < rows->size(); i++) {
    if (i % kPollRows == 0 && !job.keep_going()) return Status(Code::kAborted, "stopped");
    RowData data;
    if (!source.read((*rows)[i], &data)) {
      (*lost)++;
      continue;
    }
    const uint32_t row = static_cast<uint32_t>(kept.size());
    kept.push_back((*rows)[i]);
    columns->add(data);
    if (i % sample_step == 0) {
      decodeVector(data.vector, context_.dims, floats.data());
      for (uint32_t d = 0; d < context_.dims; d++) sum[d] += floats[d];
      sampled++;
    }
    if (job.tiers != nullptr) continue;
    const bool adopt = job.keep_adopted && data.record_at != 0;
    pieces->add(row, data, data.vector.bytes(context_.dims), adopt);
    if (adopt) adoptRun(source, data.vector_at, pieces);
  }
  *rows = std::move(kept);
  if (rows->empty()) return {};
  columns->pack(*rows, job.tiers != nullptr);
  centre->resize(context_.dims);
  for (uint32_t d = 0; d < context_.dims; d++) {
    (*centre)[d] = static_cast<float>(sum[d] / static_cast<double>(std::max<size_t>(1, sampled)));
  }
  return {};
}

// Calls use(row, rotated vector).
template <typename Use>
Status SegmentWriter::eachRotated(const RowSource& source, const std::vector<RowRef>& rows,
                                  const SegmentJob& job, Use use) const {
  std::vector<float> floats(context_.dims), rotated(context_.rotation->paddedDims());
  for (uint32_t row = 0; row < rows.size(); row++) {
    if (row % kPollRows == 0 && !job.keep_going()) return Status(Code::kAborted, "stopped");
    RowData data;
    if (!source.read(rows[row], &data)) return Status(Code::kCorrupt, "a row changed its mind");
    decodeVector(data.vector, context_.dims, floats.data());
    context_.rotation->apply(floats.data(), rotated.data());
    use(row, rotated.data());
  }
  return {};
}

Status SegmentWriter::encodeOneBit(const RowSource& source, const std::vector<RowRef>& rows,
                                   const std::vector<float>& centre, const SegmentJob& job,
                                   SegmentColumns* columns) {
  const auto allocate = [&](size_t bytes) {
    columns->codes = LargeBytes::allocate(bytes);
    return columns->codes.data != nullptr ? Status()
                                          : Status(Code::kNoMemory, "the codes of a segment");
  };
  const auto count = static_cast<uint32_t>(rows.size());
  if (job.quantizer == nullptr) {
    columns->code_centre = centre;
    const BinaryCodec codec(context_.kind, *context_.rotation, centre);
    RVE_TRY(allocate(codec.bytesFor(count)));
    return eachRotated(source, rows, job, [&](uint32_t row, const float* rotated) {
      codec.put(columns->codes.data.get(), row, rotated);
    });
  }
  const CoarseQuantizer& quantizer = *job.quantizer;
  std::vector<uint32_t> list_of(count), code_of;
  RVE_TRY(eachRotated(source, rows, job, [&](uint32_t row, const float* rotated) {
    list_of[row] = quantizer.nearest(rotated);
  }));
  columns->code_lists = CodeLists::encode(quantizer, list_of, &code_of);
  RVE_TRY(allocate(quantizer.codec(0).bytesFor(CodeLists::codesFor(quantizer, list_of))));
  return eachRotated(source, rows, job, [&](uint32_t row, const float* rotated) {
    quantizer.codec(list_of[row]).put(columns->codes.data.get(), code_of[row], rotated);
  });
}

Status SegmentWriter::buildGraph(const std::function<VectorRef(uint32_t)>& vector_of, uint32_t rows,
                                 const std::vector<float>& centre, const SegmentJob& job,
                                 Graph* out) {
  notifyStep(job);
  const NavCodec codec(context_.kind, *context_.rotation, centre);
  out->centre = centre;
  out->records = LargeBytes::allocate(uint64_t{rows} * codec.recordBytes());
  if (out->records.data == nullptr) return Status(Code::kNoMemory, "the records of a graph");
  std::vector<float> floats(context_.dims), rotated(context_.rotation->paddedDims());
  for (uint32_t row = 0; row < rows; row++) {
    if (row % kPollRows == 0 && !job.keep_going()) return Status(Code::kAborted, "stopped");
    const VectorRef vector = vector_of(row);
    if (vector.at != nullptr) {
      decodeVector(vector, context_.dims, floats.data());
    } else {
      floats = centre;  // a damaged row keeps its place and is never returned
    }
    context_.rotation->apply(floats.data(), rotated.data());
    codec.encode(rotated.data(), out->records.data.get() + row * codec.recordBytes());
  }
  const NavSpace space = codec.space(out->records.data.get(), rows);
  GraphBuilder builder;
  Status begun = job.old_graph != nullptr
                     ? builder.beginFrom(space, job.graph, *job.old_graph, job.old_to_new)
                     : builder.begin(space, job.graph);
  if (begun.code() == Code::kCorrupt || begun.code() == Code::kArgument) {
    begun = builder.begin(space, job.graph);  // the old graph is no help: build from nothing
  }
  RVE_TRY(begun);
  while (!builder.done()) {
    if (!job.keep_going()) return Status(Code::kAborted, "stopped");
    if (job.threads > 1) {
      builder.stepParallel(kParallelRows, job.threads, nullptr);
    } else {
      builder.step(kPollRows, nullptr);
    }
  }
  out->bytes = builder.finish();
  if (job.tiers == nullptr) return {};
  if (!job.nav_records) out->dropRecords();
  GraphView flat;
  RVE_TRY(GraphView::open(out->bytes.view(), &flat));
  LargeBytes packed;
  RVE_TRY(packGraph(flat, &packed));
  out->bytes = std::move(packed);
  return {};
}

Status SegmentWriter::write(const RowSource& source, std::vector<RowRef> rows,
                            const SegmentJob& job, WrittenSegment* out) {
  SegmentColumns columns(context_.dims, context_.kind == DistanceKind::kCosine);
  Pieces pieces;
  std::vector<float> centre;
  RVE_TRY(gather(source, &rows, job, &columns, &pieces, &centre, &out->lost));
  notifyStep(job);
  out->rows = std::move(rows);
  if (out->rows.empty()) return {};
  const uint32_t count = static_cast<uint32_t>(out->rows.size());
  if (job.tiers == nullptr) {
    RVE_TRY(encodeOneBit(source, out->rows, centre, job, &columns));
  }
  Graph graph;
  if (job.link) {
    const auto vector_of = [&](uint32_t row) {
      RowData data;
      return source.read(out->rows[row], &data) ? data.vector : VectorRef();
    };
    RVE_TRY(buildGraph(vector_of, count, centre, job, &graph));
  }
  const uint32_t page_bytes = context_.layout.page_bytes;
  uint64_t pages = partPages(columns.basePlan(), page_bytes);
  if (job.link) pages += partPages(graph.plan(), page_bytes);
  if (job.on_overhead) job.on_overhead(pages * page_bytes);
  std::unique_ptr<TierWriter> tiers;
  if (job.tiers != nullptr) {
    tiers = std::make_unique<TierWriter>(context_, *job.tiers, source, out->rows, job.threads);
  }
  pages += 1 + partPages(tiers != nullptr ? tiers->plan() : pieces.plan(), page_bytes);
  if (columns.payloadTotal() > 0) pages += partPages(columns.payloadPlan(), page_bytes);
  const uint64_t chunks = divideUp(pages * page_bytes, context_.layout.chunk_bytes);
  RunPin pin;
  RVE_TRY(store_->space().allocate(static_cast<uint32_t>(chunks), SpacePurpose::kSeal, &pin));

  SegmentEntry& entry = out->entry;
  entry.id = job.segment_id;
  entry.rows = count;
  entry.id_min = columns.idMin();
  entry.id_max = columns.idMax();
  PartsWriter writer(&store_->file(), context_.layout, context_.uuid, pin.run(), job.segment_id,
                     job.epoch);
  PartEntry part;
  const auto add = [&](Status written) {
    if (written.ok()) entry.parts.push_back(part);
    return written;
  };
  Status status = writer.writeRunHeader();
  if (status.ok()) status = add(columns.writeBase(&writer, count, &part));
  notifyStep(job);
  if (status.ok() && tiers != nullptr) {
    status = add(tiers->write(&writer, job.keep_going, &part));
    if (status.code() == Code::kAborted) return status;
  } else if (status.ok()) {
    status = add(writePieces(&writer, source, out->rows, pieces, &part));
  }
  if (status.ok() && columns.payloadTotal() > 0) {
    status = add(writePayloads(&writer, source, out->rows, columns, &part));
  }
  if (status.ok() && job.link) status = add(writeGraph(&writer, graph, count, &part));
  RVE_TRY(makeDurable(std::move(status), job));
  out->bytes_written = writer.bytesWritten();
  out->pins.push_back(std::move(pin));
  for (RunPin& adopted : pieces.adopted) {
    entry.adopted.push_back(adopted.run());
    out->pins.push_back(std::move(adopted));
  }
  return {};
}

// R4: the parts are on the device before a record names them. A failure latches the store (R9).
Status SegmentWriter::makeDurable(Status written, const SegmentJob& job) {
  if (written.ok() && !RVE_MUTATED(kPartsNotSynced)) {
    written = store_->file().sync();
    store_->countSync();
  }
  if (!written.ok()) {
    store_->latch(written);
    return written;
  }
  notifyStep(job);
  return {};
}

Status SegmentWriter::writePieces(PartsWriter* writer, const RowSource& source,
                                  const std::vector<RowRef>& rows, const Pieces& vectors,
                                  PartEntry* out) {
  RVE_TRY(writer->begin(PartKind::kVectors, static_cast<uint32_t>(rows.size()), context_.dims,
                        vectors.plan()));
  // The matrix follows the piece table in the part: its file offset is known now.
  std::vector<Piece> pieces = vectors.pieces;
  const uint64_t matrix_at =
      writer->sectionOffset(SectionKind::kMatrix);
  for (Piece& piece : pieces) {
    if (piece.record_at == 0) piece.at += matrix_at;
  }
  RVE_TRY(writer->append(bytesOf(pieces.data(), pieces.size())));
  uint64_t written = 0;
  static constexpr std::byte kZero[64] = {};
  for (const Piece& piece : vectors.pieces) {
    if (piece.record_at != 0) continue;
    RVE_TRY(writer->append(Bytes(kZero, static_cast<size_t>(piece.at - written))));
    written = piece.at;
    for (uint32_t row = piece.first_row; row < piece.first_row + piece.rows; row++) {
      RowData data;
      if (!source.read(rows[row], &data)) return Status(Code::kCorrupt, "a row changed its mind");
      const Bytes bytes(data.vector.at, data.vector.bytes(context_.dims));
      RVE_TRY(writer->append(bytes));
      written += bytes.size();
    }
  }
  return writer->end(out);
}

Status SegmentWriter::writePayloads(PartsWriter* writer, const RowSource& source,
                                    const std::vector<RowRef>& rows,
                                    const SegmentColumns& columns, PartEntry* out) {
  RVE_TRY(writer->begin(PartKind::kPayloads, static_cast<uint32_t>(rows.size()), context_.dims,
                        columns.payloadPlan()));
  RVE_TRY(columns.writePayloadIndex(writer));
  for (const RowRef& ref : rows) {
    RowData data;
    if (!source.read(ref, &data)) return Status(Code::kCorrupt, "a row changed its mind");
    RVE_TRY(writer->append(data.payload));
  }
  return writer->end(out);
}

Status SegmentWriter::writeGraph(PartsWriter* writer, const Graph& graph, uint32_t rows,
                                 PartEntry* out) {
  RVE_TRY(writer->begin(PartKind::kGraph, rows, context_.dims, graph.plan()));
  RVE_TRY(writer->append(graph.bytes.view()));
  RVE_TRY(writer->append(graph.records.view()));
  RVE_TRY(writer->append(bytesOf(graph.centre.data(), graph.centre.size())));
  return writer->end(out);
}

Status SegmentWriter::link(const Segment& segment, const SegmentJob& job, WrittenSegment* out) {
  std::vector<float> centre(context_.dims), floats(context_.dims);
  const uint32_t step = std::max(1u, segment.rows() / kCentreSampleRows);
  uint32_t sampled = 0;
  for (uint32_t row = 0; row < segment.rows(); row += step) {
    const VectorRef vector = segment.vectorOf(row);
    if (vector.at == nullptr) continue;
    decodeVector(vector, context_.dims, floats.data());
    for (uint32_t d = 0; d < context_.dims; d++) centre[d] += floats[d];
    sampled++;
  }
  for (float& value : centre) value /= static_cast<float>(std::max(1u, sampled));
  Graph graph;
  const auto vector_of = [&](uint32_t row) { return segment.vectorOf(row); };
  RVE_TRY(buildGraph(vector_of, segment.rows(), centre, job, &graph));
  const uint64_t pages = 1 + partPages(graph.plan(), context_.layout.page_bytes);
  const uint64_t chunks =
      divideUp(pages * context_.layout.page_bytes, context_.layout.chunk_bytes);
  RunPin pin;
  RVE_TRY(store_->space().allocate(static_cast<uint32_t>(chunks), SpacePurpose::kData, &pin));
  out->entry = segment.entry();
  std::erase_if(out->entry.parts, [](const PartEntry& p) { return p.kind == PartKind::kGraph; });
  PartsWriter writer(&store_->file(), context_.layout, context_.uuid, pin.run(), segment.id(),
                     job.epoch);
  Status status = writer.writeRunHeader();
  PartEntry part;
  if (status.ok()) status = writeGraph(&writer, graph, segment.rows(), &part);
  if (status.ok()) out->entry.parts.push_back(part);
  RVE_TRY(makeDurable(std::move(status), job));
  out->bytes_written = writer.bytesWritten();
  const std::vector<Run> needed = out->entry.runs();
  for (const RunPin& old : segment.pins()) {
    if (std::find(needed.begin(), needed.end(), old.run()) != needed.end()) {
      out->pins.push_back(old);
    }
  }
  out->pins.push_back(std::move(pin));
  return {};
}

}  // namespace rve
