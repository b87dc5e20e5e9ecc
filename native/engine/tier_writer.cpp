#include "engine/tier_writer.hpp"

#include <algorithm>

#include "graph/view.hpp"

namespace rve {
namespace {

constexpr uint32_t kPollRows = 256;

}  // namespace

TierWriter::TierWriter(const SegmentContext& context, const TierJob& job, const RowSource& source,
                       const std::vector<RowRef>& rows)
    : context_(context), job_(job), source_(source), rows_(rows), floats_(context.dims),
      rotated_(job.codebook->paddedDims()) {
  const auto count = static_cast<uint32_t>(rows.size());
  uint32_t coded_from = count;
  for (uint32_t first = 0; first < count;) {
    const Tier tier = rows[first].tier;
    uint32_t end = first;
    while (end < count && rows[end].tier == tier) ++end;
    blocks_.push_back(blockOf(tier, first, end - first));
    if (tier > Tier::kWarm) coded_from = std::min(coded_from, first);
    first = end;
  }
  if (job.keep_originals && coded_from < count) {
    originals_.push_back(blockOf(Tier::kWarm, coded_from, count - coded_from));
  }
  // A data-free codebook is made from the file's own seed, and needs no bytes.
  if (job.codebook->sampleCount() > 0) codebook_ = job.codebook->encode();
  if (coded_from < count) centroid_rows_.assign(job.codebook->centroidCount(), kNoRow);
}

TierWriter::Block TierWriter::blockOf(Tier tier, uint32_t first_row, uint32_t rows) const {
  const float bits = job_.bitsOf(tier);
  Block block{{first_row, rows, static_cast<uint32_t>(tier), bits}, nullptr, 0};
  if (tier != Tier::kHot) block.coder = context_.shelf->coder(job_.codebook, tier, bits);
  block.stride = block.coder == nullptr ? size_t{context_.dims} * 4
                                        : block.coder->codec.recordBytes();
  return block;
}

std::vector<SectionPlan> TierWriter::plan() const {
  uint64_t records = 0, originals = 0;
  for (const Block& block : blocks_) records += tierBlockBytes(block.range.rows, block.stride);
  for (const Block& block : originals_) originals += tierBlockBytes(block.range.rows, block.stride);
  return {{SectionKind::kTierRanges, blocks_.size() * sizeof(TierRange)},
          {SectionKind::kCodebook, codebook_.size()},
          {SectionKind::kTierRecords, records},
          {SectionKind::kOriginals, originals},
          {SectionKind::kCentroidRows, centroid_rows_.size() * 4}};
}

Status TierWriter::write(PartsWriter* writer, const std::function<bool()>& keep_going,
                         PartEntry* out) {
  const auto rows = static_cast<uint32_t>(rows_.size());
  RVE_TRY(writer->begin(PartKind::kVectors, rows, context_.dims, plan()));
  for (const Block& block : blocks_) RVE_TRY(writer->append(bytesOf(&block.range, 1)));
  RVE_TRY(writer->append(codebook_));
  for (const auto* blocks : {&blocks_, &originals_}) {
    for (const Block& block : *blocks) RVE_TRY(writeBlock(writer, block, keep_going));
  }
  RVE_TRY(writer->append(bytesOf(centroid_rows_.data(), centroid_rows_.size())));
  return writer->end(out);
}

Status TierWriter::writeBlock(PartsWriter* writer, const Block& block,
                              const std::function<bool()>& keep_going) {
  std::vector<std::byte> record_bytes(block.stride);
  for (uint32_t i = 0; i < block.range.rows; ++i) {
    if (i % kPollRows == 0 && !keep_going()) return Status(Code::kAborted, "stopped");
    RowData data;
    if (!source_.read(rows_[block.range.first_row + i], &data)) {
      return Status(Code::kCorrupt, "a row changed its mind");
    }
    record(data.vector, block, record_bytes.data());
    const bool coded = block.range.tier > static_cast<uint32_t>(Tier::kWarm);
    if (coded) noteCentroid(record_bytes.data(), block, block.range.first_row + i);
    RVE_TRY(writer->append(record_bytes));
  }
  const uint64_t bytes = uint64_t{block.range.rows} * block.stride;
  static constexpr std::byte kZero[64] = {};
  return writer->append(Bytes(kZero, tierBlockBytes(block.range.rows, block.stride) - bytes));
}

// A record that is one of this very codec already is taken as it is: a code of a code would lose
// again.
void TierWriter::record(const VectorRef& vector, const Block& block, std::byte* out) {
  if (block.coder != nullptr && vector.coder == block.coder.get()) {
    std::copy_n(vector.at, block.stride, out);
    return;
  }
  decodeVector(vector, context_.dims, floats_.data());
  if (block.coder == nullptr) {
    std::memcpy(out, floats_.data(), block.stride);
    return;
  }
  job_.codebook->rotation().apply(floats_.data(), rotated_.data());
  block.coder->codec.encode(floats_.data(), rotated_.data(), out);
}

// Any row of a centroid will do: it is as near as the others are to one another.
void TierWriter::noteCentroid(const std::byte* record, const Block& block, uint32_t row) {
  uint32_t& known = centroid_rows_[block.coder->codec.centroidOf(record)];
  if (known == kNoRow) known = row;
}

}  // namespace rve
