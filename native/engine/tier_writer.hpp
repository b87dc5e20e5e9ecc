// Writes the vectors part of a segment in tiers (FORMAT.md 10.8).
#pragma once
#include <functional>

#include "engine/row_source.hpp"

namespace rve {

// How a rewrite codes its rows. The tier of each is in its RowRef.
struct TierJob {
  std::shared_ptr<const TierCodebook> codebook;
  float cool_bits = 8, cold_bits = 4;
  bool keep_originals = false;  // f16 records beside the codes below warm

  float bitsOf(Tier tier) const {
    return tier == Tier::kCool ? cool_bits : tier == Tier::kCold ? cold_bits : 0;
  }
};

class TierWriter {
 public:
  // rows: in the order of their tiers, finest first. All references outlive the writer.
  TierWriter(const SegmentContext& context, const TierJob& job, const RowSource& source,
             const std::vector<RowRef>& rows, uint32_t threads);

  std::vector<SectionPlan> plan() const;
  // keep_going is polled; kAborted.
  Status write(PartsWriter* writer, const std::function<bool()>& keep_going, PartEntry* out);

 private:
  struct Block {
    TierRange range;
    std::shared_ptr<const TierCoder> coder;  // null for hot
    size_t stride;
  };
  Block blockOf(Tier tier, uint32_t first_row, uint32_t rows) const;
  Status writeBlock(PartsWriter* writer, const Block& block, const std::function<bool()>& keep_going);
  // Records of rows [first, first + count) of a block; false if one cannot be read.
  bool records(const Block& block, uint32_t first, uint32_t count, std::byte* out) const;
  void record(const VectorRef& vector, const Block& block, std::vector<float>* scratch,
              std::byte* out) const;
  void noteCentroid(const std::byte* record, const Block& block, uint32_t row);

  const SegmentContext& context_;
  const TierJob& job_;
  const RowSource& source_;
  const std::vector<RowRef>& rows_;
  std::vector<Block> blocks_;
  std::vector<Block> originals_;  // one or none
  std::vector<std::byte> codebook_;
  std::vector<uint32_t> centroid_rows_;  // filled as records are made: the last section
  uint32_t threads_;
};

}  // namespace rve
