// Decides which tier each record belongs in, how many bits it gets there, and with which codebook
// it is coded. Used by the background alone, but for stats().
#pragma once
#include <functional>
#include <mutex>

#include "engine/live_state.hpp"
#include "engine/tier_policy.hpp"
#include "engine/tier_writer.hpp"

namespace rve {

// What the memory's heat and byte budget ask for at one moment.
struct TierPlan {
  TierPolicy policy;
  float cool_bits = kTierCoolBits, cold_bits = kTierColdBits;
  uint64_t now_ms = 0;   // active time
  double row_bytes = 0;  // what the budget leaves a record's vector; infinite: there is none
  double overhead = 0;   // bytes of columns and graph that it counts for a row
  // The file is larger than its budget, and records of more bits than planned must be recoded.
  bool over_budget = false;
};

struct TierFigures {
  float share = 1, cool_bits = 0, cold_bits = 0;
  uint64_t codebook_id = 0, codebook_rows = 0, codebooks_trained = 0;
  float codebook_distortion = 1;
};

class TierManager {
 public:
  TierManager(LiveState* state, const SegmentContext& context,
              const OpenOptions& options);

  // Whether this profile has records leave the log for shorter codes at all.
  bool recodesAlways() const { return options_.profile != Profile::kPrecise; }
  Profile profile() const { return options_.profile; }
  const HeatScale& heatScale() const { return heat_scale_; }

  // Reads the heat of all segments: loads what was not looked at yet. Cost: some ns a row.
  Status plan(const Segments& segments, TierPlan* out);
  // Where a live row goes.
  Tier wanted(const TierPlan& plan, const Segment& segment, uint32_t row) const;
  // Share of the live rows whose tier would change, or whose code is too long for the budget.
  double changing(const TierPlan& plan, const Segment& segment) const;

  // How a rewrite of these rows codes them. Trains a codebook where there is none, or the present
  // one no longer fits; keep_going is polled. kAborted.
  Status jobFor(const TierPlan& plan, const RowSource& source, const std::vector<RowRef>& rows,
                const std::function<bool()>& keep_going, TierJob* out);
  // The same job once columns and graph of these rows are there and take `overhead` bytes: what
  // they take less than was planned goes to the codes, what they take more is taken from them.
  void refit(const TierPlan& plan, const std::vector<RowRef>& rows, uint64_t overhead,
             TierJob* job);

  TierFigures figures() const;

 private:
  struct Overhead {
    double fixed = 0;    // bytes of the file that no row causes
    double per_row = 0;  // columns and graph
  };
  Overhead overheadOf(const Segments& segments, uint64_t live) const;
  double budgetOf(uint64_t live) const;
  void fitToBudget(const HeatHistogram& heats, double bytes, TierPlan* plan) const;
  // The rates to choose from, highest first; one where the options name it.
  static std::vector<float> rates(float fixed, float low, float high, float step);
  template <typename Best>
  void eachRates(Best best) const;
  std::array<double, kTierCount> recordBytes(float cool_bits, float cold_bits) const;
  void findCodebook(const Segments& segments);
  void sampleAll(const Segments& segments, uint32_t rows_max, std::vector<float>* out) const;
  void sampleRows(const RowSource& source, const std::vector<RowRef>& rows, uint32_t rows_max,
                  std::vector<float>* out) const;
  // Whether records may be finer than their heat says, up to a budget that was asked for.
  bool fillsBudget() const;
  bool fits(const std::vector<float>& sample) const;
  uint32_t sampleRowsMax() const;
  void train(const std::vector<float>& sample);

  LiveState* state_;
  SegmentContext context_;
  TierOptions options_;
  uint32_t hnsw_m_;
  uint32_t segment_rows_max_;
  HeatScale heat_scale_;
  std::shared_ptr<const TierCodebook> codebook_;
  uint64_t rows_since_measured_ = 0;
  mutable std::mutex mutex_;
  TierFigures figures_;
};

}  // namespace rve
