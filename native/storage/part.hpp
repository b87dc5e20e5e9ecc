// Parts (FORMAT.md 10): immutable sections of a segment, each page with its own checksum. Written
// as a stream into a run, synced before a record names them (R4); read in place through the view,
// verified at first touch.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "storage/run.hpp"
#include "storage/segment_entry.hpp"

namespace rve {

inline constexpr size_t kPartHeaderBytes = 64;
inline constexpr uint32_t kSectionsMax = 12;

enum class SectionKind : uint32_t {
  // base
  kCodes = 1,
  kIds = 2,
  kTimes = 3,
  kSources = 4,
  kLabels = 5,
  kRowsById = 6,
  kSourceCounts = 7,
  kLabelCounts = 8,
  kTimeBlocks = 9,
  kNorms = 10,
  kCentre = 11,
  kHeat = 12,
  kShortNorms = 13,
  kCodeLists = 14,
  // graph
  kNavRecords = 20,
  kGraph = 21,
  kNavCentre = 22,
  // vectors
  kPieces = 30,
  kMatrix = 31,
  kTierRanges = 32,
  kCodebook = 33,
  kTierRecords = 34,
  kOriginals = 35,
  kCentroidRows = 36,
  // payloads
  kPayloadOffsets = 40,
  kPayloadLengths = 41,
  kPayloadBytes = 42,
};

struct SectionPlan {
  SectionKind kind;
  uint64_t bytes;
};

// Pages that a part of these sections takes, header and page table included.
uint64_t partPages(const std::vector<SectionPlan>& sections, uint32_t page_bytes);

// Writes the parts of one segment into one run, in order, through a bounded buffer.
class PartsWriter {
 public:
  // The run is owned by the caller. The run header is written by begin-of-life; sync is the
  // caller's.
  PartsWriter(File* file, const Layout& layout, const Uuid& uuid, const Run& run,
              uint64_t segment_id, uint32_t epoch);
  Status writeRunHeader();
  // Starts a part; its sections must then be filled in order by append(), exactly as planned.
  Status begin(PartKind kind, uint32_t rows, uint32_t dims,
               const std::vector<SectionPlan>& sections);
  Status append(Bytes bytes);
  // File offset at which a planned section of the begun part stands.
  uint64_t sectionOffset(SectionKind kind) const;
  Status end(PartEntry* out);
  uint64_t bytesWritten() const { return bytes_written_; }

 private:
  Status appendRaw(Bytes bytes);
  Status flush();

  File* file_;
  Layout layout_;
  Uuid uuid_;
  Run run_;
  uint64_t segment_id_;
  uint32_t epoch_;
  uint32_t next_page_ = 1;  // in the run
  uint64_t bytes_written_ = 0;
  // Of the part being written.
  PartEntry entry_;
  std::vector<SectionPlan> plan_;
  size_t section_ = 0;
  uint64_t section_left_ = 0;
  uint64_t part_bytes_ = 0;       // of header and sections so far
  std::vector<std::byte> buffer_; // whole pages not yet written
  size_t buffered_ = 0;
  uint64_t file_at_ = 0;
  std::vector<uint32_t> page_crcs_;
};

// One part in the view. Thread-safe; verification is remembered in one bit a page.
class PartView {
 public:
  // Checks header and page table against the entry and every section against the part's size.
  // `trusted`: written by this process, pages count as verified.
  static Status open(const std::byte* file_view, const Layout& layout, const Uuid& uuid,
                     uint64_t segment_id, const PartEntry& entry, bool trusted,
                     std::unique_ptr<PartView>* out);

  bool has(SectionKind kind) const { return find(kind) != nullptr; }
  // Empty if absent. Reading needs ensure() first.
  Bytes section(SectionKind kind) const;
  // Offset of a section in the part, for guards.
  uint64_t offsetOf(SectionKind kind) const;
  // True if [at, at + bytes) of the part is verified, verifying it now if need be. False: damaged.
  bool ensure(uint64_t at, uint64_t bytes) const {
    if (bytes == 0) return true;
    const uint64_t first = at >> page_shift_, last = (at + bytes - 1) >> page_shift_;
    if (isSet(first) && (first == last || isSet(last)) && last - first < 2) return true;
    return verifyPages(first, last - first + 1);
  }
  // As ensure(), but never reads: false if any page is not verified yet.
  bool isVerified(uint64_t at, uint64_t bytes) const {
    for (uint64_t page = at >> page_shift_; page <= (at + bytes - 1) >> page_shift_; page++) {
      if (!isSet(page)) return false;
    }
    return true;
  }
  bool ensureSection(SectionKind kind) const;
  bool verifyPages(uint64_t first, uint64_t count) const;
  // Lets fetchPages() read through the file that the view shows.
  void fetchThrough(File* file) { file_ = file; }
  // Has the device read these pages, each the first time that it is asked for, and does not wait.
  void fetchPages(uint64_t first, uint64_t count) const;
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }
  uint32_t pages() const { return data_pages_; }
  uint32_t rows() const { return rows_; }
  uint32_t dims() const { return dims_; }
  const std::atomic<uint64_t>* verifiedBits() const { return verified_.get(); }
  uint32_t pageShift() const { return page_shift_; }

 private:
  struct Section {
    SectionKind kind;
    uint64_t offset = 0, bytes = 0;
  };
  const Section* find(SectionKind kind) const;
  bool isSet(uint64_t page) const {
    return ((verified_[page / 64].load(std::memory_order_acquire) >> (page % 64)) & 1) != 0;
  }

  bool takeUnfetched(uint64_t page) const;

  File* file_ = nullptr;
  uint64_t file_at_ = 0;  // of bytes_
  Bytes bytes_;           // header and sections
  Bytes table_;
  uint32_t page_shift_ = 12, page_bytes_ = 4096;
  uint32_t data_pages_ = 0, rows_ = 0, dims_ = 0;
  std::vector<Section> sections_;
  // A bit a page. *Why* what was asked for is remembered: a page whose records are never compared
  // would be asked for by every walk that comes by.
  std::unique_ptr<std::atomic<uint64_t>[]> verified_, fetched_;
  mutable std::atomic<bool> damaged_{false};
};

}  // namespace rve
