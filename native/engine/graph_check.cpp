#include "engine/graph_check.hpp"

#include <cstdio>
#include <optional>

#include "engine/tier_search.hpp"
#include "graph/audit.hpp"

namespace rve {
namespace {

constexpr uint32_t kSampleRows = 50;
constexpr uint32_t kSampleK = 10;
constexpr uint32_t kSampleEf = 64;
// Builds of good data find 0.95 and more; below this something is odd about the data or the build.
constexpr double kRecallOdd = 0.8;

// "its graph has bad links: 2 to itself, 1 twice"
std::string faultsOf(const GraphAudit& audit) {
  const std::pair<uint32_t, const char*> counts[] = {
      {audit.links_out_of_range, "out of range"},
      {audit.links_to_self, "to itself"},
      {audit.links_twice, "twice"},
      {audit.slots_after_end, "behind the end of a list"},
      {audit.upper_bad, "on a higher level"}};
  std::string text = "its graph has bad links:";
  for (const auto& [count, what] : counts) {
    if (count > 0) text += (text.back() == ':' ? " " : ", ") + std::to_string(count) + ' ' + what;
  }
  return text;
}

// Tier records as queries: a row is what its code says.
class TierRowQueries {
 public:
  TierRowQueries(const Segment& segment, const SegmentContext& context)
      : segment_(segment), context_(context), query_(context.dims) {}

  GraphRowQueries queries() {
    GraphRowQueries out;
    out.distances.context = this;
    out.distances.rows = segment_.rows();
    out.distances.distances = [](void* self, const uint32_t* rows, size_t count, float* to) {
      static_cast<TierRowQueries*>(self)->records_->distances(rows, count, to);
    };
    out.distances.prefetch = [](void* self, const uint32_t* rows, size_t count) {
      static_cast<TierRowQueries*>(self)->records_->prefetch(rows, count);
    };
    out.prepare = [](void* self, uint32_t row) {
      return static_cast<TierRowQueries*>(self)->prepare(row);
    };
    out.context = this;
    return out;
  }

 private:
  bool prepare(uint32_t row) {
    const TierBlocks::Range& range = segment_.tiers()->rangeOf(row);
    if (!segment_.recordIsWhole(range, row)) return false;
    VectorRef record = range.ref(row);
    decodeVector(record, context_.dims, query_.data());
    tiers_.begin(query_.data());
    records_.emplace(segment_, context_, query_.data(), &tiers_);
    return true;
  }

  const Segment& segment_;
  const SegmentContext& context_;
  std::vector<float> query_;
  TierQueries tiers_;
  std::optional<TierDistances> records_;
};

Status measureRecall(const Segment& segment, const SegmentContext& context, GraphRecall* out) {
  GraphRecallOptions options;
  options.queries = kSampleRows;
  options.seed = segment.id();
  options.k = kSampleK;
  options.ef = kSampleEf;
  options.links_guard = segment.graphGuard();
  if (segment.hasNavRecords()) {
    NavRowQueries rows(segment.navSpace(), segment.recordsGuard());
    return auditRecall(segment.graph(), rows.queries(), options, out);
  }
  TierRowQueries rows(segment, context);
  return auditRecall(segment.graph(), rows.queries(), options, out);
}

std::string sentenceOf(const GraphAudit& audit) {
  char degrees[64];
  std::snprintf(degrees, sizeof degrees, "%u to %u links a row, %.1f on average, ",
                audit.degreeMin(), audit.degreeMax(), audit.degreeMean());
  return "graph of " + std::to_string(audit.rows) + " rows: " + degrees +
         (audit.reachable == audit.rows
              ? std::string("all rows reachable")
              : std::to_string(audit.rows - audit.reachable) + " rows cannot be reached");
}

}  // namespace

Status checkGraph(const Segment& segment, const SegmentContext& context, CheckReport* out) {
  const std::string name = "segment " + std::to_string(segment.id()) + ": ";
  GraphAudit audit;
  RVE_TRY(auditGraph(segment.graph(), &audit));
  if (!audit.sound()) out->damaged.push_back(name + faultsOf(audit));
  // A smaller one is scanned, not walked.
  if (!segment.isWalked()) {
    out->notes.push_back(name + sentenceOf(audit));
    return {};
  }
  GraphRecall recall;
  RVE_TRY(measureRecall(segment, context, &recall));
  char text[32];
  std::snprintf(text, sizeof text, "recall@%u %.2f", kSampleK, recall.recall());
  out->notes.push_back(name + sentenceOf(audit) + ", " + text + " of its own codes at ef " +
                       std::to_string(kSampleEf));
  if (recall.recall() < kRecallOdd) {
    out->notes.push_back(name + "its walks miss many near rows. Nothing is lost; ask with recall " +
                         "or a larger ef, and raise hnsw_ef_construction for graphs to come");
  }
  return {};
}

}  // namespace rve
