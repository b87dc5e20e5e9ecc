// What SEAL, REPLACE and the manifest say of a segment (FORMAT.md 8): its parts with the checksums
// that bind them (the parent holds the child's), the log runs it has adopted, and its dead rows.
#pragma once
#include <vector>

#include "storage/layout.hpp"
#include "storage/wire.hpp"

namespace rve {

enum class PartKind : uint8_t { kBase = 1, kGraph = 2, kVectors = 3, kPayloads = 4 };
inline constexpr uint32_t kPartsMax = 4;         // one of each kind
inline constexpr uint64_t kRowBytesMin = 4;  // of base and vectors together
inline constexpr uint32_t kAdoptedRunsMax = 65536;

struct PartEntry {
  PartKind kind = PartKind::kBase;
  Run run;                  // the run that holds it; several parts may share one
  uint32_t page = 0;        // first page of the part, counted from the run's start
  uint32_t pages = 0;       // header, sections and page table
  uint32_t header_crc = 0;  // of the part's first page
  uint32_t table_crc = 0;   // of its page table
};

struct SegmentEntry {
  uint64_t id = 0;
  uint32_t rows = 0;
  uint64_t lsn_from = 0, lsn_to = 0;
  uint64_t id_min = 0, id_max = 0;
  std::vector<PartEntry> parts;
  std::vector<Run> adopted;  // log runs whose rows it reads in place

  const PartEntry* part(PartKind kind) const;
  // Every run that must live as long as the segment does, each once.
  std::vector<Run> runs() const;
};

void encodeEntry(const SegmentEntry& entry, WireWriter* out);
// False if a bound is broken; `chunk_count` is the file's.
bool decodeEntry(WireReader* in, const Layout& layout, uint32_t chunk_count, SegmentEntry* out);

// Ascending row numbers below `rows`: delta-coded, or as a bitmap where that is shorter.
void encodeRows(const std::vector<uint32_t>& ascending, uint32_t rows, WireWriter* out);
bool decodeRows(WireReader* in, uint32_t rows, std::vector<uint32_t>* out);

}  // namespace rve
