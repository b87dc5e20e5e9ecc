#include "engine/segment_writer.hpp"

#include <algorithm>
#include <map>
#include <numeric>

#include "base/mutation.hpp"
#include "codecs/half.hpp"

namespace rve {
namespace {

constexpr uint32_t kPollRows = 256;
constexpr uint32_t kCentreSampleRows = 4096;

void notifyStep(const SegmentJob& job) {
  if (job.on_step) job.on_step();
}

// A buffer aligned to 64 bytes inside a vector.
struct Aligned {
  explicit Aligned(size_t bytes) : storage(bytes + 64) {
    at = storage.data() + (64 - addressOf(storage.data()) % 64) % 64;
  }
  std::vector<std::byte> storage;
  std::byte* at;
};

}  // namespace

struct SegmentWriter::Columns {
  uint64_t id_min = kIdMax, id_max = 0;
  std::vector<std::byte> ids, times, sources, labels, rows_by_id;
  std::vector<CountEntry> source_counts, label_counts;
  std::vector<TimeBlock> time_blocks;
  std::vector<float> norms;   // cosine only
  std::vector<float> centre;
  std::unique_ptr<Aligned> codes;
  size_t code_bytes = 0;
  std::vector<std::byte> payload_at, payload_bytes;
  uint64_t payload_total = 0;

  std::vector<SectionPlan> basePlan() const {
    return {{SectionKind::kCodes, code_bytes},
            {SectionKind::kIds, ids.size()},
            {SectionKind::kTimes, times.size()},
            {SectionKind::kSources, sources.size()},
            {SectionKind::kLabels, labels.size()},
            {SectionKind::kRowsById, rows_by_id.size()},
            {SectionKind::kSourceCounts, source_counts.size() * sizeof(CountEntry)},
            {SectionKind::kLabelCounts, label_counts.size() * sizeof(CountEntry)},
            {SectionKind::kTimeBlocks, time_blocks.size() * sizeof(TimeBlock)},
            {SectionKind::kNorms, norms.size() * 4},
            {SectionKind::kCentre, centre.size() * 4}};
  }
  std::vector<SectionPlan> payloadPlan() const {
    return {{SectionKind::kPayloadOffsets, payload_at.size()},
            {SectionKind::kPayloadLengths, payload_bytes.size()},
            {SectionKind::kPayloadBytes, payload_total}};
  }
};

struct SegmentWriter::Vectors {
  std::vector<Piece> pieces;  // dense ones: `at` counts from the matrix section
  uint64_t matrix_bytes = 0;
  std::vector<RunPin> adopted;

  std::vector<SectionPlan> plan() const {
    return {{SectionKind::kPieces, pieces.size() * sizeof(Piece)},
            {SectionKind::kMatrix, matrix_bytes}};
  }
};

struct SegmentWriter::Graph {
  std::unique_ptr<Aligned> records;
  uint64_t record_bytes = 0;
  GraphBytes bytes;

  std::vector<SectionPlan> plan(size_t centre_floats) const {
    // The graph first, on a page of its own: no link list straddles two pages (graph/view.hpp).
    return {{SectionKind::kGraph, bytes.bytes},
            {SectionKind::kNavRecords, record_bytes},
            {SectionKind::kNavCentre, centre_floats * 4}};
  }
};

void SegmentWriter::toFloats(const VectorRef& vector, float* out) const {
  if (vector.dtype == Dtype::kF32) {
    std::memcpy(out, vector.at, size_t{context_.dims} * 4);
  } else {
    kernels().floatFromHalf(viewAs<uint16_t>(vector.at), out, context_.dims);
  }
}

// One pass over the rows: columns, 1-bit codes, and where each vector will stand.
Status SegmentWriter::gather(const RowSource& source, std::vector<RowRef>* rows,
                             const SegmentJob& job, Columns* columns, Vectors* vectors,
                             uint64_t* lost) {
  std::vector<RowRef> kept;
  std::vector<uint64_t> ids, times, sources, labels, payload_at, payload_bytes;
  std::map<uint32_t, uint32_t> by_source, by_label;
  std::vector<double> sum(context_.dims);
  std::vector<float> row_floats(context_.dims);
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
    ids.push_back(data.id);
    columns->id_min = std::min(columns->id_min, data.id);
    columns->id_max = std::max(columns->id_max, data.id);
    times.push_back(static_cast<uint64_t>(data.time_ms) ^ (uint64_t{1} << 63));
    sources.push_back(data.source);
    labels.push_back(data.label);
    by_source[data.source]++;
    by_label[data.label]++;
    if (row % kTimeBlockRows == 0) columns->time_blocks.push_back({data.time_ms, data.time_ms});
    TimeBlock& block = columns->time_blocks.back();
    block.min_ms = std::min(block.min_ms, data.time_ms);
    block.max_ms = std::max(block.max_ms, data.time_ms);
    if (context_.kind == DistanceKind::kCosine) columns->norms.push_back(data.norm);
    payload_at.push_back(columns->payload_total);
    payload_bytes.push_back(data.payload.size());
    columns->payload_total += data.payload.size();
    if (i % sample_step == 0) {
      toFloats(data.vector, row_floats.data());
      for (uint32_t d = 0; d < context_.dims; d++) sum[d] += row_floats[d];
      sampled++;
    }
    const uint64_t stride = uint64_t{context_.dims} * dtypeBytes(data.vector.dtype);
    const bool adopt = job.keep_adopted && data.record_at != 0;
    const uint64_t record_at = adopt ? data.record_at : 0;
    uint64_t at = data.vector_at;
    Piece* last = vectors->pieces.empty() ? nullptr : &vectors->pieces.back();
    const bool same_kind = last != nullptr && last->record_at == record_at &&
                           last->dtype == static_cast<uint32_t>(data.vector.dtype);
    if (!adopt) {
      if (!same_kind) vectors->matrix_bytes = roundUp(vectors->matrix_bytes, 64);
      at = vectors->matrix_bytes;
      vectors->matrix_bytes += stride;
    }
    if (same_kind && last->at + last->rows * stride == at) {
      last->rows++;
    } else {
      vectors->pieces.push_back(
          {row, 1, static_cast<uint32_t>(data.vector.dtype), 0, at, record_at});
    }
    if (adopt) {
      const auto held = [&](const RunPin& pin) {
        const uint64_t from = runOffset(context_.layout, pin.run());
        return at >= from && at < from + runBytes(context_.layout, pin.run());
      };
      if (std::none_of(vectors->adopted.rbegin(), vectors->adopted.rend(), held)) {
        RunPin pin = source.pinOf(at, context_.layout);
        RVE_ASSERT(pin);
        vectors->adopted.push_back(std::move(pin));
      }
    }
  }
  *rows = std::move(kept);
  if (rows->empty()) return {};

  columns->centre.resize(context_.dims);
  for (uint32_t d = 0; d < context_.dims; d++) {
    columns->centre[d] =
        static_cast<float>(sum[d] / static_cast<double>(std::max<size_t>(1, sampled)));
  }
  const auto encodeIfUsed = [](const std::vector<uint64_t>& values) {
    const bool used = std::any_of(values.begin(), values.end(), [](uint64_t v) { return v != 0; });
    return used ? encodeColumn(values) : std::vector<std::byte>();
  };
  columns->ids = encodeColumn(ids);
  columns->times = encodeColumn(times);
  columns->sources = encodeIfUsed(sources);
  columns->labels = encodeIfUsed(labels);
  if (!std::is_sorted(ids.begin(), ids.end())) {
    std::vector<uint64_t> order(ids.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](uint64_t a, uint64_t b) { return ids[a] < ids[b]; });
    columns->rows_by_id = encodeColumn(order);
  }
  for (const auto& [number, count] : by_source) columns->source_counts.push_back({number, count});
  for (const auto& [number, count] : by_label) columns->label_counts.push_back({number, count});
  if (columns->payload_total > 0) {
    columns->payload_at = encodeColumn(payload_at);
    columns->payload_bytes = encodeColumn(payload_bytes);
  }

  const BinaryCodec codec(context_.kind, *context_.rotation, columns->centre);
  columns->code_bytes = codec.bytesFor(static_cast<uint32_t>(rows->size()));
  columns->codes = std::make_unique<Aligned>(columns->code_bytes);
  std::vector<float> rotated(context_.rotation->paddedDims());
  for (uint32_t row = 0; row < rows->size(); row++) {
    if (row % kPollRows == 0 && !job.keep_going()) return Status(Code::kAborted, "stopped");
    RowData data;
    if (!source.read((*rows)[row], &data)) return Status(Code::kCorrupt, "a row changed its mind");
    toFloats(data.vector, row_floats.data());
    context_.rotation->apply(row_floats.data(), rotated.data());
    codec.put(columns->codes->at, row, rotated.data());
  }
  return {};
}

Status SegmentWriter::buildGraph(const std::function<VectorRef(uint32_t)>& vector_of, uint32_t rows,
                                 const std::vector<float>& centre, const SegmentJob& job,
                                 Graph* out) {
  notifyStep(job);
  const NavCodec codec(context_.kind, *context_.rotation, centre);
  out->record_bytes = uint64_t{rows} * codec.recordBytes();
  out->records = std::make_unique<Aligned>(static_cast<size_t>(out->record_bytes));
  std::vector<float> floats(context_.dims), rotated(context_.rotation->paddedDims());
  for (uint32_t row = 0; row < rows; row++) {
    if (row % kPollRows == 0 && !job.keep_going()) return Status(Code::kAborted, "stopped");
    const VectorRef vector = vector_of(row);
    if (vector.at != nullptr) {
      toFloats(vector, floats.data());
    } else {
      floats = centre;  // a damaged row keeps its place and is never returned
    }
    context_.rotation->apply(floats.data(), rotated.data());
    codec.encode(rotated.data(), out->records->at + row * codec.recordBytes());
  }
  const NavSpace space = codec.space(out->records->at, rows);
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
    builder.step(kPollRows, nullptr);
  }
  out->bytes = builder.finish();
  return {};
}

Status SegmentWriter::write(const RowSource& source, std::vector<RowRef> rows,
                            const SegmentJob& job, WrittenSegment* out) {
  Columns columns;
  Vectors vectors;
  RVE_TRY(gather(source, &rows, job, &columns, &vectors, &out->lost));
  notifyStep(job);
  out->rows = std::move(rows);
  if (out->rows.empty()) return {};
  const uint32_t count = static_cast<uint32_t>(out->rows.size());
  Graph graph;
  if (job.link) {
    const auto vector_of = [&](uint32_t row) {
      RowData data;
      return source.read(out->rows[row], &data) ? data.vector : VectorRef();
    };
    RVE_TRY(buildGraph(vector_of, count, columns.centre, job, &graph));
  }
  const uint32_t page_bytes = context_.layout.page_bytes;
  uint64_t pages = 1 + partPages(columns.basePlan(), page_bytes) +
                   partPages(vectors.plan(), page_bytes);
  if (job.link) pages += partPages(graph.plan(columns.centre.size()), page_bytes);
  if (columns.payload_total > 0) pages += partPages(columns.payloadPlan(), page_bytes);
  const uint64_t chunks = divideUp(pages * page_bytes, context_.layout.chunk_bytes);
  RunPin pin;
  RVE_TRY(store_->space().allocate(static_cast<uint32_t>(chunks), SpacePurpose::kSeal, &pin));

  SegmentEntry& entry = out->entry;
  entry.id = job.segment_id;
  entry.rows = count;
  entry.id_min = columns.id_min;
  entry.id_max = columns.id_max;
  PartsWriter writer(&store_->file(), context_.layout, context_.uuid, pin.run(), job.segment_id,
                     job.epoch);
  Status status = writer.writeRunHeader();
  if (status.ok()) status = writeBase(&writer, columns, &entry);
  notifyStep(job);
  if (status.ok()) status = writeVectors(&writer, source, out->rows, vectors, &entry);
  if (status.ok() && columns.payload_total > 0) {
    status = writePayloads(&writer, source, out->rows, columns, &entry);
  }
  if (status.ok() && job.link) status = writeGraph(&writer, graph, columns.centre, count, &entry);
  RVE_TRY(makeDurable(std::move(status), job));
  out->bytes_written = writer.bytesWritten();
  out->pins.push_back(std::move(pin));
  for (RunPin& adopted : vectors.adopted) {
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

Status SegmentWriter::writeBase(PartsWriter* writer, const Columns& c, SegmentEntry* entry) {
  RVE_TRY(writer->begin(PartKind::kBase, entry->rows, context_.dims, c.basePlan()));
  RVE_TRY(writer->append(Bytes(c.codes->at, c.code_bytes)));
  for (const auto* column : {&c.ids, &c.times, &c.sources, &c.labels, &c.rows_by_id}) {
    RVE_TRY(writer->append(*column));
  }
  RVE_TRY(writer->append(bytesOf(c.source_counts.data(), c.source_counts.size())));
  RVE_TRY(writer->append(bytesOf(c.label_counts.data(), c.label_counts.size())));
  RVE_TRY(writer->append(bytesOf(c.time_blocks.data(), c.time_blocks.size())));
  RVE_TRY(writer->append(bytesOf(c.norms.data(), c.norms.size())));
  RVE_TRY(writer->append(bytesOf(c.centre.data(), c.centre.size())));
  PartEntry part;
  RVE_TRY(writer->end(&part));
  entry->parts.push_back(part);
  return {};
}

Status SegmentWriter::writeVectors(PartsWriter* writer, const RowSource& source,
                                   const std::vector<RowRef>& rows, const Vectors& vectors,
                                   SegmentEntry* entry) {
  RVE_TRY(writer->begin(PartKind::kVectors, entry->rows, context_.dims, vectors.plan()));
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
      const Bytes bytes(data.vector.at, size_t{context_.dims} * dtypeBytes(data.vector.dtype));
      RVE_TRY(writer->append(bytes));
      written += bytes.size();
    }
  }
  PartEntry part;
  RVE_TRY(writer->end(&part));
  entry->parts.push_back(part);
  return {};
}

Status SegmentWriter::writePayloads(PartsWriter* writer, const RowSource& source,
                                    const std::vector<RowRef>& rows, const Columns& c,
                                    SegmentEntry* entry) {
  RVE_TRY(writer->begin(PartKind::kPayloads, entry->rows, context_.dims, c.payloadPlan()));
  RVE_TRY(writer->append(c.payload_at));
  RVE_TRY(writer->append(c.payload_bytes));
  for (const RowRef& ref : rows) {
    RowData data;
    if (!source.read(ref, &data)) return Status(Code::kCorrupt, "a row changed its mind");
    RVE_TRY(writer->append(data.payload));
  }
  PartEntry part;
  RVE_TRY(writer->end(&part));
  entry->parts.push_back(part);
  return {};
}

Status SegmentWriter::writeGraph(PartsWriter* writer, const Graph& graph,
                                 const std::vector<float>& centre, uint32_t rows,
                                 SegmentEntry* entry) {
  RVE_TRY(writer->begin(PartKind::kGraph, rows, context_.dims, graph.plan(centre.size())));
  RVE_TRY(writer->append(graph.bytes.view()));
  RVE_TRY(writer->append(Bytes(graph.records->at, static_cast<size_t>(graph.record_bytes))));
  RVE_TRY(writer->append(bytesOf(centre.data(), centre.size())));
  PartEntry part;
  RVE_TRY(writer->end(&part));
  entry->parts.push_back(part);
  return {};
}

Status SegmentWriter::link(const Segment& segment, const SegmentJob& job, WrittenSegment* out) {
  std::vector<float> centre(context_.dims), floats(context_.dims);
  const uint32_t step = std::max(1u, segment.rows() / kCentreSampleRows);
  uint32_t sampled = 0;
  for (uint32_t row = 0; row < segment.rows(); row += step) {
    const VectorRef vector = segment.vectorOf(row);
    if (vector.at == nullptr) continue;
    toFloats(vector, floats.data());
    for (uint32_t d = 0; d < context_.dims; d++) centre[d] += floats[d];
    sampled++;
  }
  for (float& value : centre) value /= static_cast<float>(std::max(1u, sampled));
  Graph graph;
  const auto vector_of = [&](uint32_t row) { return segment.vectorOf(row); };
  RVE_TRY(buildGraph(vector_of, segment.rows(), centre, job, &graph));
  const uint64_t pages = 1 + partPages(graph.plan(centre.size()), context_.layout.page_bytes);
  const uint64_t chunks =
      divideUp(pages * context_.layout.page_bytes, context_.layout.chunk_bytes);
  RunPin pin;
  RVE_TRY(store_->space().allocate(static_cast<uint32_t>(chunks), SpacePurpose::kData, &pin));
  out->entry = segment.entry();
  std::erase_if(out->entry.parts, [](const PartEntry& p) { return p.kind == PartKind::kGraph; });
  PartsWriter writer(&store_->file(), context_.layout, context_.uuid, pin.run(), segment.id(),
                     job.epoch);
  Status status = writer.writeRunHeader();
  if (status.ok()) status = writeGraph(&writer, graph, centre, segment.rows(), &out->entry);
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
