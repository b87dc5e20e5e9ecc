// What a segment says of its rows beside their vectors, ready to be written (FORMAT.md 10, 11).
#pragma once
#include <map>
#include <memory>

#include "base/large_bytes.hpp"
#include "engine/row_source.hpp"

namespace rve {

class SegmentColumns {
 public:
  // with_norms: the metric is cosine.
  SegmentColumns(uint32_t dims, bool with_norms) : dims_(dims), with_norms_(with_norms) {}

  // Rows come in their final order.
  void add(const RowData& data);
  // Ends the rows and packs the columns. in_tiers: ids need to ascend within a tier only, and norms
  // are kept to 17 bits.
  void pack(const std::vector<RowRef>& rows, bool in_tiers);

  uint64_t idMin() const { return id_min_; }
  uint64_t idMax() const { return id_max_; }
  uint64_t payloadTotal() const { return payload_total_; }

  // The 1-bit codes, for a segment in pieces, and either their lists or their centre; empty in
  // tiers.
  LargeBytes codes;
  std::vector<std::byte> code_lists;
  std::vector<float> code_centre;

  std::vector<SectionPlan> basePlan() const;
  std::vector<SectionPlan> payloadPlan() const;  // offsets, lengths, bytes
  Status writeBase(PartsWriter* writer, uint32_t rows, PartEntry* out) const;
  Status writePayloadIndex(PartsWriter* writer) const;

 private:
  uint32_t dims_;
  bool with_norms_;
  uint64_t id_min_ = kIdMax, id_max_ = 0, payload_total_ = 0;
  // As they come; gone once they are packed.
  std::vector<uint64_t> row_ids_, row_times_, row_sources_, row_labels_, row_heat_;
  std::vector<uint64_t> row_payload_at_, row_payload_bytes_;
  std::map<uint32_t, uint32_t> by_source_, by_label_;
  // Packed.
  std::vector<std::byte> ids_, times_, sources_, labels_, rows_by_id_, heat_;
  std::vector<std::byte> payload_at_, payload_bytes_, short_norms_;
  std::vector<CountEntry> source_counts_, label_counts_;
  std::vector<TimeBlock> time_blocks_;
  std::vector<float> norms_;
};

}  // namespace rve
