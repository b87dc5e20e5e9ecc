#include "engine/tier_blocks.hpp"

namespace rve {
namespace {

Status bad(const char* what) { return Status(Code::kCorrupt, what); }

// Without one of its own a part has the codebook that every reader makes from the file's seed.
Status codebookOf(const SegmentContext& context, Bytes stored,
                  std::shared_ptr<const TierCodebook>* out) {
  if (stored.empty()) {
    *out = TierCodebook::dataFree({0, context.dims, context.kind, context.seed()});
    return {};
  }
  RVE_TRY(context.shelf->decode(stored, out));
  if ((*out)->dims() != context.dims || (*out)->kind() != context.kind) {
    return bad("its codebook has other dimensions or another metric");
  }
  return {};
}

}  // namespace

bool tierBitsAreValid(Tier tier, float bits) {
  if (tier == Tier::kCool) return bits >= 4.5f && bits <= 8.0f;
  if (tier == Tier::kCold) return bits >= 2.0f && bits <= 4.5f;
  return bits == 0;
}

uint64_t tierBlockBytes(uint64_t rows, size_t stride) { return roundUp(rows * stride, 64); }

Status TierBlocks::open(const SegmentContext& context, const PartView& part, uint32_t rows,
                        std::unique_ptr<TierBlocks>* out) {
  for (const SectionKind kind :
       {SectionKind::kTierRanges, SectionKind::kCodebook, SectionKind::kCentroidRows}) {
    if (!part.ensureSection(kind)) return bad("a page of its tiers fails its checksum");
  }
  auto blocks = std::make_unique<TierBlocks>();
  const Bytes table = part.section(SectionKind::kTierRanges);
  if (table.empty() || table.size() % sizeof(TierRange) != 0 ||
      table.size() > kTierRangesMax * sizeof(TierRange)) {
    return bad("its tiers have an impossible size");
  }
  RVE_TRY(codebookOf(context, part.section(SectionKind::kCodebook), &blocks->codebook_));
  const Bytes starts = part.section(SectionKind::kCentroidRows);
  if (!starts.empty() && starts.size() != 4ull * blocks->codebook_->centroidCount()) {
    return bad("its centroids' rows have an impossible size");
  }
  blocks->centroid_rows_ = {viewAs<uint32_t>(starts.data()), starts.size() / 4};
  const Bytes records = part.section(SectionKind::kTierRecords);
  uint64_t at = 0;
  uint32_t next_row = 0;
  int last_tier = -1;
  uint32_t coded_from = rows;
  for (size_t i = 0; i < table.size() / sizeof(TierRange); ++i) {
    const auto stored = load<TierRange>(table, i * sizeof(TierRange));
    const bool fine = stored.first_row == next_row && stored.rows > 0 &&
                      stored.rows <= rows - next_row && stored.tier < kTierCount &&
                      static_cast<int>(stored.tier) > last_tier &&
                      tierBitsAreValid(static_cast<Tier>(stored.tier), stored.bits);
    if (!fine) return bad("its tiers have impossible values");
    Range range;
    range.first_row = next_row;
    range.end_row = next_row + stored.rows;
    range.tier = static_cast<Tier>(stored.tier);
    range.bits = stored.bits;
    if (range.tier != Tier::kHot) {
      range.coder = context.shelf->coder(blocks->codebook_, range.tier, range.bits);
    }
    range.stride = range.coder == nullptr ? size_t{context.dims} * 4
                                          : range.coder->codec.recordBytes();
    const uint64_t bytes = tierBlockBytes(stored.rows, range.stride);
    if (bytes > records.size() - at) return bad("its tiers do not cover its rows");
    range.at = records.data() + at;
    range.in_part = part.offsetOf(SectionKind::kTierRecords) + at;
    at += bytes;
    if (range.tier > Tier::kWarm) coded_from = std::min(coded_from, range.first_row);
    next_row = range.end_row;
    last_tier = static_cast<int>(stored.tier);
    blocks->ranges_.push_back(std::move(range));
  }
  if (next_row != rows || at != records.size()) return bad("its tiers do not cover its rows");
  const Bytes originals = part.section(SectionKind::kOriginals);
  if (!originals.empty()) {
    Range& kept = blocks->originals_;
    kept.first_row = coded_from;
    kept.end_row = rows;
    kept.tier = Tier::kWarm;
    kept.coder = context.shelf->coder(blocks->codebook_, Tier::kWarm, 0);
    kept.stride = kept.coder->codec.recordBytes();
    kept.at = originals.data();
    kept.in_part = part.offsetOf(SectionKind::kOriginals);
    if (coded_from == rows || originals.size() != tierBlockBytes(rows - coded_from, kept.stride)) {
      return bad("its originals have an impossible size");
    }
  }
  *out = std::move(blocks);
  return {};
}

}  // namespace rve
