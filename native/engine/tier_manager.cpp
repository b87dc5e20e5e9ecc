#include "engine/tier_manager.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rve {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr double kEdgeRatio = 0.30;
// The file's fixed cost (log runs, manifests, slots) counts up to this share of the budget: a small
// store would otherwise be squeezed to nothing by it.
constexpr double kFixedChunks = 17;
constexpr double kFixedShareMax = 0.13;
// Until segments in tiers show what columns and graph cost: links fill 0.54 of their slots, and a
// list of n links to N rows takes n (log2(N / n) + 2) bits (graph/packed_links.hpp).
constexpr double kLinksFill = 0.54;
constexpr double kLinkExtraBits = 2;
constexpr double kColumnBytes = 6;
// Segments in tiers must hold this share of the rows to be measured by.
constexpr double kMeasuredShare = 0.25;
constexpr double kOverBudget = 1.005;
constexpr double kDoesNotFit = 1e6;  // above every loss: those are at most about a row each
// Rates are tried at the coarse step first, then around the best of them at the fine one.
constexpr float kCoarseBits = 0.25f, kFineBits = 0.0625f;
constexpr float kCoolBitsMin = 4.5f, kColdBitsMin = 2.0f;
// A sample is held in memory: at large dimensions fewer rows.
constexpr uint64_t kSampleBytesMax = 16u << 20;
constexpr uint32_t kFitSampleRows = 1024;
// New rows leave this much more of their variance than the sample did: the codebook is outdated.
constexpr double kDriftAllowed = 1.15;

}  // namespace

TierManager::TierManager(LiveState* state, const SegmentContext& context,
                         const OpenOptions& options)
    : state_(state), context_(context), options_(options.tiers),
      hnsw_m_(options.tuning.hnsw_m), segment_rows_max_(options.tuning.segment_rows_max) {
  heat_scale_.half_life_ms = options_.half_life_s * 1000;
}

std::array<double, kTierCount> TierManager::recordBytes(float cool_bits, float cold_bits) const {
  const double dims = context_.dims;
  return {4 * dims, 2 * dims + 2, std::max(dims * double{cool_bits} / 8, dims / 8 + kTierSideBytes),
          std::max(dims * double{cold_bits} / 8, dims / 8 + kTierSideBytes),
          dims / 8 + kTierSideBytes};
}

double TierManager::budgetOf(uint64_t live) const {
  if (options_.bytes_max > 0) return static_cast<double>(options_.bytes_max);
  const double raw = static_cast<double>(live) * context_.dims * 4;
  if (options_.bytes_ratio_max > 0) return options_.bytes_ratio_max * raw;
  return options_.profile == Profile::kEdge ? kEdgeRatio * raw : kNone;
}

bool TierManager::fillsBudget() const {
  const bool asked_for = options_.bytes_max > 0 || options_.bytes_ratio_max > 0;
  return asked_for && options_.fill_budget;
}

TierManager::Overhead TierManager::overheadOf(const Segments& segments, uint64_t live) const {
  Overhead out;
  out.fixed = kFixedChunks * context_.layout.chunk_bytes;
  uint64_t rows = 0, bytes = 0;
  for (const auto& segment : segments) {
    if (segment->tiers() == nullptr || segment->hasNavRecords() || !segment->linked()) continue;
    rows += segment->rows();
    for (const PartKind kind : {PartKind::kBase, PartKind::kGraph}) {
      bytes += uint64_t{segment->entry().part(kind)->pages} * context_.layout.page_bytes;
    }
  }
  if (rows > 0 && static_cast<double>(rows) >= kMeasuredShare * static_cast<double>(live)) {
    out.per_row = static_cast<double>(bytes) / static_cast<double>(rows);
    return out;
  }
  const double in_segment = static_cast<double>(std::clamp<uint64_t>(live, 2, segment_rows_max_));
  const double links = 2 * hnsw_m_ * kLinksFill;
  const double link_bits = std::max(0.0, std::log2(in_segment / links)) + kLinkExtraBits;
  out.per_row = links * link_bits / 8 + kColumnBytes;
  return out;
}

Status TierManager::plan(const Segments& segments, TierPlan* out) {
  out->now_ms = state_->heatNowMs();
  const TierBounds bounds{{options_.hot_threshold, options_.warm_threshold,
                           options_.cool_threshold, options_.cold_threshold},
                          options_.promotion_threshold, options_.demotion_threshold};
  out->policy = TierPolicy(bounds, lowestTier(options_.profile));
  findCodebook(segments);
  HeatHistogram heats{};
  uint64_t live = 0;
  double bytes = 0;
  for (const auto& segment : segments) {
    RVE_TRY(segment->loadHeat());
    if (segment->unusable()) continue;
    const HeatTable& heat = *segment->heatIfLoaded();
    for (uint32_t row = 0; row < segment->rows(); ++row) {
      if (segment->marks().isDead(row)) continue;
      heats[heatBin(heat_scale_, heat.moment(row), out->now_ms)]++;
      ++live;
    }
    bytes += static_cast<double>(segment->budgetBytes());
  }
  const uint64_t waiting = state_->liveCount() - std::min(state_->liveCount(), live);
  heats[0] += waiting;
  live += waiting;
  if (options_.cool_bits > 0) out->cool_bits = options_.cool_bits;
  if (options_.cold_bits > 0) out->cold_bits = options_.cold_bits;
  out->row_bytes = kNone;
  const double budget = budgetOf(live);
  if (budget != kNone && live > 0) {
    const Overhead overhead = overheadOf(segments, live);
    const double fixed = std::min(overhead.fixed, kFixedShareMax * budget);
    out->overhead = overhead.per_row;
    const double for_vectors =
        std::max(0.0, budget - fixed - overhead.per_row * static_cast<double>(live));
    out->row_bytes = for_vectors / static_cast<double>(live);
    fitToBudget(heats, for_vectors, out);
    out->over_budget = waiting == 0 && bytes + fixed > kOverBudget * budget;
  }
  std::lock_guard lock(mutex_);
  figures_.share = out->policy.share();
  figures_.cool_bits = out->cool_bits;
  figures_.cold_bits = out->cold_bits;
  return {};
}

std::vector<float> TierManager::rates(float fixed, float low, float high, float step) {
  if (fixed > 0) return {fixed};
  std::vector<float> bits;
  for (float b = high; b >= low; b -= step) bits.push_back(b);
  return bits;
}

// Calls best(cool, cold) for rates that may be chosen; it says whether these are the best so far.
template <typename Best>
void TierManager::eachRates(Best best) const {
  float cool_best = kTierCoolBits, cold_best = kTierColdBits;
  for (const float step : {kCoarseBits, kFineBits}) {
    const bool fine = step == kFineBits;
    const float cool_low = fine ? std::max(kCoolBitsMin, cool_best - kCoarseBits) : kCoolBitsMin;
    const float cold_low = fine ? std::max(kColdBitsMin, cold_best - kCoarseBits) : kColdBitsMin;
    const float cool_high = fine ? std::min(kTierCoolBits, cool_best + kCoarseBits) : kTierCoolBits;
    const float cold_high = fine ? std::min(kTierColdBits, cold_best + kCoarseBits) : kTierColdBits;
    for (const float cool : rates(options_.cool_bits, cool_low, cool_high, step)) {
      for (const float cold : rates(options_.cold_bits, cold_low, cold_high, step)) {
        if (!best(cool, cold)) continue;
        cool_best = cool;
        cold_best = cold;
      }
    }
  }
}

// Of all rates that fit, the one that loses least: each bit halves the recall that a code loses, and
// a hot record is asked for more often than a cold one.
void TierManager::fitToBudget(const HeatHistogram& heats, double bytes, TierPlan* plan) const {
  const bool fills = fillsBudget();
  double least = kNone;
  TierPlan chosen = *plan;
  eachRates([&](float cool, float cold) {
    const std::array<double, kTierCount> bytes_of = recordBytes(cool, cold);
    const double bits_of[kTierCount] = {32, 16, cool, cold, 1};
    TierPolicy policy = plan->policy;
    policy.setShare(policy.shareFor(heats, bytes_of, bytes, fills));
    double loss = 0, used = 0;
    for (uint32_t bin = 0; bin < kHeatBins; ++bin) {
      if (heats[bin] == 0) continue;
      const float heat = std::exp2(-static_cast<float>(bin) / 8);
      const auto tier = static_cast<uint32_t>(policy.fresh(heat));
      const auto rows = static_cast<double>(heats[bin]);
      used += rows * bytes_of[tier];
      loss += rows * (double{heat} + 0.01) * std::exp2(-bits_of[tier]);
    }
    // What does not fit at all is squeezed as far as it goes.
    if (used > bytes) loss = kDoesNotFit * used;
    if (loss >= least) return false;
    least = loss;
    chosen.policy = policy;
    chosen.cool_bits = cool;
    chosen.cold_bits = cold;
    return true;
  });
  *plan = chosen;
}

Tier TierManager::wanted(const TierPlan& plan, const Segment& segment, uint32_t row) const {
  const HeatTable* table = segment.heatIfLoaded();
  const float heat =
      table == nullptr ? 1.0f : heat_scale_.at(table->moment(row), plan.now_ms);
  if (segment.tiers() == nullptr) return plan.policy.fresh(heat);
  const Tier now = segment.tiers()->rangeOf(row).tier;
  Tier next = plan.policy.next(now, heat);
  // The budget does not wait for the dead band between two tiers.
  if (plan.over_budget) next = std::max(next, plan.policy.fresh(heat));
  if (segment.tiers()->originals() != nullptr) return next;
  // What was lost does not come back: without originals more bytes would hold nothing more. And
  // where others cannot gain by it, none sinks but to keep a budget that was asked for.
  return fillsBudget() && !plan.over_budget ? now : std::max(now, next);
}

double TierManager::changing(const TierPlan& plan, const Segment& segment) const {
  uint64_t live = 0, changing = 0;
  for (uint32_t row = 0; row < segment.rows(); ++row) {
    if (segment.marks().isDead(row)) continue;
    ++live;
    const Tier tier = wanted(plan, segment, row);
    if (segment.tiers() == nullptr) {
      changing += tier != Tier::kHot;
      continue;
    }
    const TierBlocks::Range& range = segment.tiers()->rangeOf(row);
    const float planned = tier == Tier::kCool ? plan.cool_bits : plan.cold_bits;
    const bool too_long = plan.over_budget && range.bits > 0 && range.bits > planned;
    changing += tier != range.tier || too_long;
  }
  return live == 0 ? 0 : static_cast<double>(changing) / static_cast<double>(live);
}

uint32_t TierManager::sampleRowsMax() const {
  const uint64_t fit = kSampleBytesMax / (uint64_t{context_.dims} * 4);
  return static_cast<uint32_t>(std::min<uint64_t>(options_.codebook_sample_rows, fit));
}

// The newest that any segment was written with.
void TierManager::findCodebook(const Segments& segments) {
  for (const auto& segment : segments) {
    if (segment->tiers() == nullptr) continue;
    const auto& found = segment->tiers()->codebook();
    if (found == nullptr || found->sampleCount() == 0) continue;
    if (codebook_ == nullptr || found->id() > codebook_->id()) codebook_ = found;
  }
}

// Evenly over the live rows of all segments, so that old and new are coded alike.
void TierManager::sampleAll(const Segments& segments, uint32_t rows_max,
                            std::vector<float>* out) const {
  uint64_t rows = 0;
  for (const auto& segment : segments) rows += segment->rows();
  const uint64_t step = std::max<uint64_t>(1, divideUp(rows, std::max(1u, rows_max)));
  uint64_t number = 0;
  for (const auto& segment : segments) {
    for (uint32_t row = 0; row < segment->rows(); ++row) {
      if (number++ % step != 0 || segment->unusable() || segment->marks().isDead(row)) continue;
      const VectorRef vector = segment->vectorOf(row);
      if (vector.at == nullptr) continue;
      out->resize(out->size() + context_.dims);
      decodeVector(vector, context_.dims, out->data() + out->size() - context_.dims);
    }
  }
}

void TierManager::sampleRows(const RowSource& source, const std::vector<RowRef>& rows,
                             uint32_t rows_max, std::vector<float>* out) const {
  const size_t step = std::max<size_t>(1, divideUp(rows.size(), std::max(1u, rows_max)));
  for (size_t i = 0; i < rows.size(); i += step) {
    RowData data;
    if (!source.read(rows[i], &data)) continue;
    out->resize(out->size() + context_.dims);
    decodeVector(data.vector, context_.dims, out->data() + out->size() - context_.dims);
  }
}

// Whether the codebook leaves as little of these rows' variance as it left of its own sample.
bool TierManager::fits(const std::vector<float>& sample) const {
  const TierCodebook& book = *codebook_;
  const size_t padded = book.paddedDims();
  std::vector<float> rotated(padded);
  double residual2 = 0, centred2 = 0;
  for (size_t at = 0; at + context_.dims <= sample.size(); at += context_.dims) {
    book.rotation().apply(sample.data() + at, rotated.data());
    for (size_t d = 0; d < padded; ++d) rotated[d] -= book.mean()[d];
    const float* centroid = book.centroid(book.nearest(rotated.data()));
    centred2 += double{kernels().dotF32(rotated.data(), rotated.data(), padded)};
    residual2 += double{kernels().l2F32(rotated.data(), centroid, padded)};
  }
  return residual2 <= kDriftAllowed * double{book.distortion()} * centred2;
}

void TierManager::train(const std::vector<float>& sample) {
  const uint64_t id = codebook_ == nullptr ? 1 : codebook_->id() + 1;
  const TierCodebookOptions options{id, context_.dims, context_.kind, context_.seed()};
  const auto trained = TierCodebook::train(options, sample.data(), sample.size() / context_.dims);
  // The one that segments will have: only by it are their records known to be of the same codec.
  if (!context_.shelf->decode(trained->encode(), &codebook_).ok()) codebook_ = trained;
  rows_since_measured_ = 0;
  std::lock_guard lock(mutex_);
  figures_.codebooks_trained++;
}

Status TierManager::jobFor(const TierPlan& plan, const RowSource& source,
                           const std::vector<RowRef>& rows,
                           const std::function<bool()>& keep_going, TierJob* out) {
  if (!keep_going()) return Status(Code::kAborted, "stopped");
  out->cool_bits = plan.cool_bits;
  out->cold_bits = plan.cold_bits;
  out->keep_originals = options_.originals == Originals::kKeep;
  if (lowestTier(options_.profile) <= Tier::kWarm) {
    out->codebook = TierCodebook::dataFree({0, context_.dims, context_.kind, context_.seed()});
    return {};
  }
  std::vector<float> sample;
  rows_since_measured_ += rows.size();
  bool outdated = codebook_ == nullptr;
  if (!outdated && rows_since_measured_ >= options_.codebook_update_rows) {
    rows_since_measured_ = 0;
    sampleRows(source, rows, std::min(kFitSampleRows, sampleRowsMax()), &sample);
    outdated = !fits(sample);
    // A codebook of few samples has few centroids: it grows with the store, as far as samples may.
    const uint64_t sample_now = std::min<uint64_t>(
        {rows.size(), sampleRowsMax(), kTierTrainRowsMax});
    outdated = outdated || sample_now >= 2 * codebook_->sampleCount();
  }
  if (outdated) {
    sample.clear();
    Segments all;
    {
      const VersionHold version = state_->hold();
      all = *version->segments;
    }
    sampleAll(all, sampleRowsMax(), &sample);
    if (sample.empty()) sampleRows(source, rows, sampleRowsMax(), &sample);
    train(sample);
  }
  out->codebook = codebook_;
  std::lock_guard lock(mutex_);
  figures_.codebook_id = codebook_->id();
  figures_.codebook_rows = codebook_->sampleCount();
  figures_.codebook_distortion = codebook_->distortion();
  return {};
}

void TierManager::refit(const TierPlan& plan, const std::vector<RowRef>& rows, uint64_t overhead,
                        TierJob* job) {
  if (plan.row_bytes == kNone || rows.empty()) return;
  std::array<uint64_t, kTierCount> counts{};
  for (const RowRef& row : rows) counts[static_cast<size_t>(row.tier)]++;
  const auto cool_rows = static_cast<double>(counts[static_cast<size_t>(Tier::kCool)]);
  const auto cold_rows = static_cast<double>(counts[static_cast<size_t>(Tier::kCold)]);
  const auto bytesAt = [&](float cool, float cold) {
    const std::array<double, kTierCount> bytes_of = recordBytes(cool, cold);
    return cool_rows * bytes_of[static_cast<size_t>(Tier::kCool)] +
           cold_rows * bytes_of[static_cast<size_t>(Tier::kCold)];
  };
  const double planned = bytesAt(job->cool_bits, job->cold_bits);
  // Beside the records: the codebook, and 4 bytes a page.
  const size_t codebook = job->codebook->sampleCount() > 0 ? job->codebook->encode().size() : 0;
  const double beside = static_cast<double>(codebook) + 4 * planned / context_.layout.page_bytes;
  const double bytes = planned + plan.overhead * static_cast<double>(rows.size()) -
                       static_cast<double>(overhead) - beside;
  double least = kNone;
  eachRates([&](float cool, float cold) {
    const double used = bytesAt(cool, cold);
    double loss = cool_rows * std::exp2(-double{cool}) + cold_rows * std::exp2(-double{cold});
    if (used > bytes) loss = kDoesNotFit * used;
    if (loss >= least) return false;
    least = loss;
    job->cool_bits = cool;
    job->cold_bits = cold;
    return true;
  });
  std::lock_guard lock(mutex_);
  figures_.cool_bits = job->cool_bits;
  figures_.cold_bits = job->cold_bits;
}

TierFigures TierManager::figures() const {
  std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace rve
