// A query's forward pass: candidates from the tail and from each segment by short codes, then exact
// distances of the best. Reads one Version; takes no lock.
#pragma once
#include "engine/live_state.hpp"
#include "engine/nearest.hpp"

namespace rve {

class SearchHelper;

// A Filter with its names looked up. `nothing`: a name is unknown, so no row can match.
struct RowPredicate {
  bool any = false;  // false: every row matches
  bool nothing = false;
  uint32_t source = 0;               // 0: any
  std::vector<uint32_t> labels;      // empty: any; else ascending
  int64_t from_ms = INT64_MIN, to_ms = INT64_MAX;

  static RowPredicate of(const Filter& filter, const Symbols& symbols);
  // False: no row of this block of times matches.
  bool mayMatch(const TimeBlock& block) const {
    return block.max_ms >= from_ms && (block.min_ms < to_ms || to_ms == INT64_MAX);
  }
  bool matches(int64_t time_ms, uint32_t row_source, uint32_t row_label) const;
  bool matches(const TailBlock& block, uint32_t at) const;
  // False too if the row's columns are damaged.
  bool matches(const Segment& segment, uint32_t row) const;
  // At most this many rows of the segment match.
  uint32_t rowsAtMost(const Segment& segment) const;
};

class Searcher {
 public:
  // heat_scale: what an answer warms its rows by; null: not at all. Outlives it.
  Searcher(LiveState* state, Store* store, const SegmentContext& context, Clock* clock,
           uint32_t ef_default, const HeatScale* heat_scale);
  // A query that has graphs to walk, and rows_min rows and more that wait for links or very many
  // graphs, shares them with the helper. Before the first query; the helper outlives the last.
  void useHelper(SearchHelper* helper, uint32_t rows_min);
  // Thread-safe. kArgument, kVector, kFilter, kAborted.
  Status query(const QueryRequest& request, const std::atomic<bool>* cancel, QueryResult* out);
  // The same on a Version that the caller holds.
  Status queryVersion(const Version& version, const QueryRequest& request,
                      const std::atomic<bool>* cancel, QueryResult* out);
  // The same as if this row of the Version's only segment were not in its graph.
  Status queryWithout(const Version& version, const QueryRequest& request, uint32_t row,
                      QueryResult* out);

 private:
  struct Scratch;
  struct Hit;
  struct Pass;
  class HelpersPart;
  Status answer(const Version& version, const QueryRequest& request, uint32_t hidden,
                const std::atomic<bool>* cancel, QueryResult* out);
  Status checkRequest(const QueryRequest& request) const;
  void searchAll(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled);
  bool wantsHelp(const Pass& pass) const;
  void searchShared(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled);
  void walkShared(Pass* pass, HelpersPart* part, bool from_last, const std::atomic<bool>* cancel,
                  bool* cancelled);
  void beginCandidates(Pass* pass) const;
  static bool looksIntoNearLists(const Pass& pass);
  void searchTail(Pass* pass);
  void searchSegments(Pass* pass, bool linked, const std::atomic<bool>* cancel, bool* cancelled);
  void searchSegment(Pass* pass, const Segment& segment, uint32_t place);
  void searchGraphOf(Pass* pass, const Segment& segment, uint32_t place, bool restricted);
  void scanSegment(Pass* pass, const Segment& segment, uint32_t place, uint32_t matching_at_most);
  void searchUnlisted(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled);
  void scanNearLists(Pass* pass, const std::atomic<bool>* cancel, bool* cancelled);
  void scanList(Pass* pass, const Segment& segment, uint32_t place, uint32_t list);
  void scanTiers(Pass* pass, const Segment& segment, uint32_t place);
  void touch(const Pass& pass) const;
  float rank(Pass* pass, const Candidate& candidate);
  float rankFetched(Pass* pass, const Candidate& candidate, const VectorRef& vector);
  void rankNearestFirst(Pass* pass, std::vector<Candidate>& candidates);
  void fetch(Pass* pass, const std::vector<Candidate>& candidates, size_t from, size_t to);
  void rankByBound(Pass* pass, std::vector<Candidate>& candidates);
  float rankRow(Pass* pass, const Segment& segment, const VectorRef& vector, uint32_t row);
  float exactDistance(Pass* pass, const VectorRef& vector) const;
  void offerExact(Pass* pass, float distance, uint64_t id, const Segment* segment, uint64_t row);
  void writeResult(Pass* pass, const QueryRequest& request, uint32_t index, QueryResult* out);
  static Scratch& scratch();

  LiveState* state_;
  Store* store_;
  SegmentContext context_;
  Clock* clock_;
  uint32_t ef_default_;
  const HeatScale* heat_scale_;
  SearchHelper* helper_ = nullptr;
  uint32_t helped_rows_min_ = 0;
};

}  // namespace rve
