// From what a scan found to the records of a store: which root counts, which log follows it, which
// rows live.
#pragma once
#include "codecs/rotation.hpp"
#include "engine/rebuild.hpp"
#include "engine/salvage.hpp"
#include "engine/segment.hpp"

namespace rve {

// Two passes over what the scan found: prepare() decides and learns names, stream() puts rows. One
// thread.
class Salvage {
 public:
  Salvage(const SalvageScan& scan, CheckReport* report);
  const SalvagedState& prepare();
  Status stream(Rebuild* rebuild);

 private:
  void learnNames(const FoundGroup& group);
  void learnPuts(const FoundGroup& group);
  void dropTornEnd();
  bool isProven(const GroupHeader& header) const {
    return header.lsn + header.length <= durable_lsn_;
  }
  void listSegments();
  template <typename Visit>
  Status eachRecord(const FoundGroup& group, Visit visit);
  Status putSegment(const ManifestSegment& from, bool only_missing);
  std::shared_ptr<const Segment> openSegment(const SegmentEntry& entry);
  bool readRow(const Segment& segment, uint32_t row, SalvagedRow* out);
  bool adoptedRowIsIts(const Segment& segment, uint32_t row, uint64_t id);
  Status putTail();
  Status putRecord(Bytes record, uint32_t record_at, const std::vector<uint32_t>* dead,
                   uint64_t* ordinal);
  Status applyRecord(const RecordHeader& header, Bytes record, uint32_t record_at);
  void setVector(const VectorRef& vector, float norm, SalvagedRow* out) const;
  std::string nameOf(const std::map<uint32_t, std::string>& names, uint32_t number);
  void report();

  const SalvageScan& scan_;
  CheckReport* report_;
  Rotation rotation_;
  CodebookShelf shelf_;
  SegmentContext context_;
  SalvagedState state_;
  bool has_manifest_ = false, verified_ = false;
  Root root_;
  LogChain chain_;
  std::vector<ManifestSegment> segments_;
  std::vector<Run> log_runs_;  // as far as the file still has them
  uint64_t durable_lsn_ = 0;
  uint64_t lost_ = 0, payloads_lost_ = 0, names_lost_ = 0;
  bool log_damaged_ = false;
  Rebuild* rebuild_ = nullptr;
  // The record of the adopted piece looked at last.
  uint64_t adopted_at_ = 0;
  bool adopted_fine_ = false;
  PutView adopted_;
};

}  // namespace rve
