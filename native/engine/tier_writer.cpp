#include "engine/tier_writer.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include "graph/view.hpp"

namespace rve {
namespace {

// Coded between two polls; threads are started for each lot.
constexpr uint32_t kLotRows = 4096;

}  // namespace

TierWriter::TierWriter(const SegmentContext& context, const TierJob& job, const RowSource& source,
                       const std::vector<RowRef>& rows, uint32_t threads)
    : context_(context), job_(job), source_(source), rows_(rows), threads_(threads) {
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
  std::vector<std::byte> lot(std::min(kLotRows, block.range.rows) * block.stride);
  const bool coded = block.range.tier > static_cast<uint32_t>(Tier::kWarm);
  for (uint32_t first = 0; first < block.range.rows; first += kLotRows) {
    if (!keep_going()) return Status(Code::kAborted, "stopped");
    const uint32_t rows = std::min(kLotRows, block.range.rows - first);
    const uint32_t share = static_cast<uint32_t>(divideUp(rows, threads_));
    std::atomic<bool> fine{true};
    std::vector<std::thread> helpers;
    for (uint32_t at = 0; at < rows; at += share) {
      const auto work = [&, at] {
        const uint32_t count = std::min(share, rows - at);
        if (!records(block, first + at, count, lot.data() + at * block.stride)) fine = false;
      };
      if (at + share < rows) {
        helpers.emplace_back(work);
      } else {
        work();
      }
    }
    for (std::thread& helper : helpers) helper.join();
    if (!fine) return Status(Code::kCorrupt, "a row changed its mind");
    for (uint32_t i = 0; coded && i < rows; ++i) {
      noteCentroid(lot.data() + i * block.stride, block, block.range.first_row + first + i);
    }
    RVE_TRY(writer->append(Bytes(lot.data(), rows * block.stride)));
  }
  const uint64_t bytes = uint64_t{block.range.rows} * block.stride;
  static constexpr std::byte kZero[64] = {};
  return writer->append(Bytes(kZero, tierBlockBytes(block.range.rows, block.stride) - bytes));
}

bool TierWriter::records(const Block& block, uint32_t first, uint32_t count,
                         std::byte* out) const {
  std::vector<float> scratch(context_.dims + job_.codebook->paddedDims());
  for (uint32_t i = 0; i < count; ++i) {
    RowData data;
    if (!source_.read(rows_[block.range.first_row + first + i], &data)) return false;
    record(data.vector, block, &scratch, out + i * block.stride);
  }
  return true;
}

// A record that is one of this very codec already is taken as it is: a code of a code would lose
// again.
void TierWriter::record(const VectorRef& vector, const Block& block, std::vector<float>* scratch,
                        std::byte* out) const {
  if (block.coder != nullptr && vector.coder == block.coder.get()) {
    std::copy_n(vector.at, block.stride, out);
    return;
  }
  float* floats = scratch->data();
  float* rotated = floats + context_.dims;
  decodeVector(vector, context_.dims, floats);
  if (block.coder == nullptr) {
    std::memcpy(out, floats, block.stride);
    return;
  }
  job_.codebook->rotation().apply(floats, rotated);
  block.coder->codec.encode(floats, rotated, out);
}

// Any row of a centroid will do: it is as near as the others are to one another.
void TierWriter::noteCentroid(const std::byte* record, const Block& block, uint32_t row) {
  uint32_t& known = centroid_rows_[block.coder->codec.centroidOf(record)];
  if (known == kNoRow) known = row;
}

}  // namespace rve
