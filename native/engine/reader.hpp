// Reads other than queries: get, scan, check.
#pragma once
#include "engine/search.hpp"

namespace rve {

class Reader {
 public:
  // heat_scale: what `get` warms its rows by; outlives this.
  Reader(LiveState* state, Store* store, const SegmentContext& context,
         const HeatScale* heat_scale)
      : state_(state), store_(store), context_(context), heat_scale_(heat_scale) {}

  // An access as a query's answer is one; scan, check and what holds a Version leave no heat.
  Status get(const std::vector<uint64_t>& ids, std::vector<Record>* out);
  // The same on a Version that the caller holds.
  void getVersion(const Version& version, const std::vector<uint64_t>& ids,
                  std::vector<Record>* out);
  Status scan(const Filter& filter, uint32_t records_max, ScanCursor* cursor,
              std::vector<Record>* out);
  Status check(bool deep, CheckReport* out);

 private:
  bool readOne(const Version& version, uint64_t id, bool warms, Record* out);
  void readOlder(const Version& version, uint64_t id, Record* out);
  void fill(const TailBlock& block, uint32_t at, Record* out) const;
  bool fill(const Segment& segment, uint32_t row, Record* out) const;
  void setVector(const VectorRef& vector, float norm, Record* out) const;

  LiveState* state_;
  Store* store_;
  SegmentContext context_;
  const HeatScale* heat_scale_;
};

}  // namespace rve
