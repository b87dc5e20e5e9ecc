#include "engine/segment_columns.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace rve {
namespace {

// Norms kept short are rounded to 24 bits of an f32: by at most this share.
constexpr uint32_t kNormDropped = 8;
constexpr float kNormRounding = 0x1p-17f;

std::vector<std::byte> packIfUsed(const std::vector<uint64_t>& values) {
  const bool used = std::any_of(values.begin(), values.end(), [](uint64_t v) { return v != 0; });
  return used ? encodeColumn(values) : std::vector<std::byte>();
}

bool idsAscend(const std::vector<uint64_t>& ids, const std::vector<RowRef>& rows, bool in_tiers) {
  for (size_t i = 1; i < ids.size(); i++) {
    if (in_tiers && rows[i].tier != rows[i - 1].tier) continue;
    if (ids[i] < ids[i - 1]) return false;
  }
  return true;
}

// Nothing where all vectors came as unit vectors.
std::vector<std::byte> packShortNorms(const std::vector<float>& norms) {
  const bool all_one = std::all_of(norms.begin(), norms.end(), [](float norm) {
    return std::abs(norm - 1.0f) <= kNormRounding;
  });
  std::vector<std::byte> packed(all_one ? 0 : 3 * norms.size());
  for (size_t i = 0; i < packed.size() / 3; i++) {
    const uint32_t bits = std::bit_cast<uint32_t>(norms[i]);
    const uint32_t up = (bits + (1u << (kNormDropped - 1))) >> kNormDropped;
    const bool infinite = (up << kNormDropped & 0x7F800000u) == 0x7F800000u;
    const uint32_t high = infinite ? bits >> kNormDropped : up;
    std::memcpy(packed.data() + 3 * i, &high, 3);
  }
  return packed;
}

}  // namespace

void SegmentColumns::add(const RowData& data) {
  const size_t row = row_ids_.size();
  row_ids_.push_back(data.id);
  id_min_ = std::min(id_min_, data.id);
  id_max_ = std::max(id_max_, data.id);
  // With the sign bit flipped unsigned order is the order of times.
  row_times_.push_back(static_cast<uint64_t>(data.time_ms) ^ (uint64_t{1} << 63));
  row_sources_.push_back(data.source);
  row_labels_.push_back(data.label);
  row_heat_.push_back(HeatTable::storedOf(data.heat_moment));
  by_source_[data.source]++;
  by_label_[data.label]++;
  if (row % kTimeBlockRows == 0) time_blocks_.push_back({data.time_ms, data.time_ms});
  TimeBlock& block = time_blocks_.back();
  block.min_ms = std::min(block.min_ms, data.time_ms);
  block.max_ms = std::max(block.max_ms, data.time_ms);
  if (with_norms_) norms_.push_back(data.norm);
  row_payload_at_.push_back(payload_total_);
  row_payload_bytes_.push_back(data.payload.size());
  payload_total_ += data.payload.size();
}

void SegmentColumns::pack(const std::vector<RowRef>& rows, bool in_tiers) {
  if (!idsAscend(row_ids_, rows, in_tiers)) {
    std::vector<uint64_t> order(row_ids_.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](uint64_t a, uint64_t b) { return row_ids_[a] < row_ids_[b]; });
    rows_by_id_ = encodeColumn(order);
  }
  ids_ = encodeColumn(std::exchange(row_ids_, {}));
  times_ = encodeColumn(std::exchange(row_times_, {}));
  sources_ = packIfUsed(std::exchange(row_sources_, {}));
  labels_ = packIfUsed(std::exchange(row_labels_, {}));
  heat_ = encodeColumn(std::exchange(row_heat_, {}));
  for (const auto& [number, count] : by_source_) source_counts_.push_back({number, count});
  for (const auto& [number, count] : by_label_) label_counts_.push_back({number, count});
  if (payload_total_ > 0) {
    payload_at_ = encodeColumn(std::exchange(row_payload_at_, {}));
    payload_bytes_ = encodeColumn(std::exchange(row_payload_bytes_, {}));
  }
  if (in_tiers) short_norms_ = packShortNorms(std::exchange(norms_, {}));
}

std::vector<SectionPlan> SegmentColumns::basePlan() const {
  const SectionPlan norms = short_norms_.empty()
                                ? SectionPlan{SectionKind::kNorms, norms_.size() * 4}
                                : SectionPlan{SectionKind::kShortNorms, short_norms_.size()};
  const SectionPlan about = code_lists.empty()
                                ? SectionPlan{SectionKind::kCentre, code_centre.size() * 4}
                                : SectionPlan{SectionKind::kCodeLists, code_lists.size()};
  return {{SectionKind::kCodes, codes.bytes},
          {SectionKind::kIds, ids_.size()},
          {SectionKind::kTimes, times_.size()},
          {SectionKind::kSources, sources_.size()},
          {SectionKind::kLabels, labels_.size()},
          {SectionKind::kRowsById, rows_by_id_.size()},
          {SectionKind::kSourceCounts, source_counts_.size() * sizeof(CountEntry)},
          {SectionKind::kLabelCounts, label_counts_.size() * sizeof(CountEntry)},
          {SectionKind::kTimeBlocks, time_blocks_.size() * sizeof(TimeBlock)},
          norms,
          about,
          {SectionKind::kHeat, heat_.size()}};
}

std::vector<SectionPlan> SegmentColumns::payloadPlan() const {
  return {{SectionKind::kPayloadOffsets, payload_at_.size()},
          {SectionKind::kPayloadLengths, payload_bytes_.size()},
          {SectionKind::kPayloadBytes, payload_total_}};
}

Status SegmentColumns::writeBase(PartsWriter* writer, uint32_t rows, PartEntry* out) const {
  RVE_TRY(writer->begin(PartKind::kBase, rows, dims_, basePlan()));
  RVE_TRY(writer->append(codes.view()));
  for (const auto* column : {&ids_, &times_, &sources_, &labels_, &rows_by_id_}) {
    RVE_TRY(writer->append(*column));
  }
  RVE_TRY(writer->append(bytesOf(source_counts_.data(), source_counts_.size())));
  RVE_TRY(writer->append(bytesOf(label_counts_.data(), label_counts_.size())));
  RVE_TRY(writer->append(bytesOf(time_blocks_.data(), time_blocks_.size())));
  RVE_TRY(writer->append(bytesOf(norms_.data(), norms_.size())));
  RVE_TRY(writer->append(short_norms_));
  RVE_TRY(writer->append(bytesOf(code_centre.data(), code_centre.size())));
  RVE_TRY(writer->append(code_lists));
  RVE_TRY(writer->append(heat_));
  return writer->end(out);
}

Status SegmentColumns::writePayloadIndex(PartsWriter* writer) const {
  RVE_TRY(writer->append(payload_at_));
  return writer->append(payload_bytes_);
}

}  // namespace rve
