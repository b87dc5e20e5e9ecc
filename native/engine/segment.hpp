// One sealed segment, opened: its rows in place in the view. Immutable but for its shared death
// marks and heat, its verification bits and its damage flag.
//
// Its vectors stand as they came, in pieces (FORMAT.md 10.3), or in tiers (10.8); then its rows are
// ordered by tier, and a walk may compare the tiers' records themselves.
#pragma once
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "codecs/binary.hpp"
#include "codecs/quant4.hpp"
#include "engine/code_lists.hpp"
#include "engine/heat.hpp"
#include "engine/recall_plan.hpp"
#include "engine/row_marks.hpp"
#include "engine/tier_blocks.hpp"
#include "graph/view.hpp"
#include "graph/search.hpp"
#include "storage/column.hpp"
#include "storage/put_batch.hpp"
#include "storage/space.hpp"

namespace rve {

// Consecutive rows whose vectors stand side by side in the file (FORMAT.md 10.3).
struct Piece {
  uint32_t first_row;
  uint32_t rows;
  uint32_t dtype;      // Dtype
  uint32_t reserved;
  uint64_t at;         // file offset of the first row's vector
  uint64_t record_at;  // adopted from the log: file offset of the record, which holds the checksum;
                       // else 0
};
static_assert(sizeof(Piece) == 32);

struct CountEntry {  // rows of one source or label
  uint32_t number;
  uint32_t rows;
};
static_assert(sizeof(CountEntry) == 8);

struct TimeBlock {
  int64_t min_ms, max_ms;
};
inline constexpr uint32_t kTimeBlockRows = 1024;

class Segment {
 public:
  // Opens the parts and checks every size and offset. `marks` is shared with an earlier Segment of
  // the same rows, or null for fresh ones. `trusted`: this process wrote the bytes.
  static Status open(const SegmentContext& context, const SegmentEntry& entry,
                     std::vector<RunPin> pins, std::shared_ptr<RowMarks> marks, bool trusted,
                     std::shared_ptr<const Segment>* out);
  // A segment whose parts do not open: it keeps its runs and its entry, and answers nothing.
  static std::shared_ptr<const Segment> makeDamaged(const SegmentEntry& entry,
                                                    std::vector<RunPin> pins);

  const SegmentEntry& entry() const { return entry_; }
  uint64_t id() const { return entry_.id; }
  uint32_t rows() const { return entry_.rows; }
  RowMarks& marks() const { return *marks_; }
  const std::shared_ptr<RowMarks>& sharedMarks() const { return marks_; }
  const std::vector<RunPin>& pins() const { return pins_; }
  void dropPinsForMutation() const { const_cast<Segment*>(this)->pins_.clear(); }
  bool linked() const { return linked_; }
  // A graph beats a scan of its 4-bit codes only above this.
  static constexpr uint32_t kWalkRowsMin = 2048;
  bool isWalked() const { return linked_ && rows() >= kWalkRowsMin; }
  // In tiers; null: in pieces.
  const TierBlocks* tiers() const { return tiers_.get(); }
  // Whether its graph has 4-bit records of its own; else the tiers' records are compared.
  bool hasNavRecords() const { return nav_ != nullptr; }
  // Set when any byte failed its checksum: answers leave rows out and say so.
  bool damaged() const { return damaged_.load(std::memory_order_relaxed); }
  void noteDamage() const { damaged_.store(true, std::memory_order_relaxed); }
  bool unusable() const { return unusable_; }

  // False: damaged (noted). Requires row < rows().
  [[nodiscard]] bool idOf(uint32_t row, uint64_t* out) const;
  [[nodiscard]] bool timeOf(uint32_t row, int64_t* out) const;
  [[nodiscard]] bool sourceOf(uint32_t row, uint32_t* out) const;
  [[nodiscard]] bool labelOf(uint32_t row, uint32_t* out) const;
  [[nodiscard]] bool normOf(uint32_t row, float* out) const;
  [[nodiscard]] bool payloadOf(uint32_t row, Bytes* out) const;
  // The original where it is kept beside a shorter code.
  VectorRef vectorOf(uint32_t row) const;
  Tier tierOf(uint32_t row) const;
  size_t recordBytesOf(uint32_t row) const;
  // Whether the record of this tier range may be compared; verifies it if need be. Requires tiers.
  [[nodiscard]] bool recordIsWhole(const TierBlocks::Range& range, uint32_t row) const {
    return noted(vectors_->ensure(range.offsetOf(row), range.stride));
  }
  bool recordIsVerified(const TierBlocks::Range& range, uint32_t row) const {
    return vectors_->isVerified(range.offsetOf(row), range.stride);
  }
  // Has the device read the records of these rows that were never read, at the same time.
  void fetchRecords(const TierBlocks::Range& range, const uint32_t* rows, size_t count) const;
  // As vectorOf, if the row's bytes were verified before. If not: null, and they are being read
  // from the device, with what their checksum covers, when vectorOf asks for them.
  VectorRef prefetchVector(uint32_t row) const;
  // Adds where in the file stands what a search compares: the graph's codes, else the base with the
  // 1-bit ones and the ids of the many rows that are ranked then; and where link lists begin.
  void addCodeRanges(std::vector<FileRange>* out) const;
  // Where the row's vector stands if it is read in place from the log: piece, else null.
  const Piece* adoptedPieceOf(uint32_t row) const;
  // The row with this id, dead or not; false if none.
  bool findRow(uint64_t id, uint32_t* row) const;
  // Rows of a source or label; 0 if none. Counted at seal, dead rows included.
  uint32_t rowsOfSource(uint32_t source) const;
  uint32_t rowsOfLabel(uint32_t label) const;
  std::span<const TimeBlock> timeBlocks() const { return time_blocks_; }

  // Heat of the rows. What the file says of it is read when it is first asked for, by the
  // background; until then there is none, and accesses do not count.
  HeatTable* heatIfLoaded() const { return heat_ready_.load(std::memory_order_acquire); }
  // An answer held this row: it stays hot.
  void touch(uint32_t row, const HeatScale& scale, uint64_t now_ms) const {
    HeatTable* heat = heatIfLoaded();
    if (heat != nullptr) heat->touch(row, scale, now_ms);
  }
  // kNoMemory. One thread.
  Status loadHeat() const;
  // Takes over the heat of an earlier Segment of the same rows.
  void shareHeat(const Segment& earlier);

  // What its walks find at which ef; null until the background has measured it.
  const RecallCurve* recallCurve() const { return curve_ready_.load(std::memory_order_acquire); }
  // Once. One thread.
  void setRecallCurve(const RecallCurve& curve) const {
    curve_ = curve;
    curve_ready_.store(&curve_, std::memory_order_release);
  }

  // 1-bit code blocks of a segment in pieces, verified; null if damaged. Their rows stand in order,
  // or in lists.
  const std::byte* codes() const;
  // Null: in order, or there is a graph.
  const CodeLists* codeLists() const { return code_lists_.get(); }
  // Whether lists can be looked into: there are some, and no code is damaged.
  bool waitsInLists() const { return code_lists_ != nullptr && codes() != nullptr; }
  // Asks for the cache lines that a scan of this list begins with. Requires lists.
  void prefetchList(uint32_t list) const;
  // Requires codes in order.
  const BinaryCodec& binary() const { return *binary_; }
  const NavCodec& nav() const { return *nav_; }
  const NavSpace& navSpace() const { return nav_space_; }
  const GraphView& graph() const { return graph_; }
  // Verifies every page of the graph: before it is read without a guard.
  bool graphIsWhole() const;
  PageGuard graphGuard() const;
  PageGuard recordsGuard() const;

  // Reads every page and every adopted record. Appends a sentence per damaged range; returns lost
  // rows.
  uint64_t verifyAll(std::vector<std::string>* damaged) const;
  uint64_t bytes() const;
  // What counts against a byte budget: its parts without payloads and kept originals, and the log
  // runs that it keeps.
  uint64_t budgetBytes() const;

 private:
  Status openBase(const SegmentContext& context);
  Status openVectors(const SegmentContext& context);
  Status openPieces(const SegmentContext& context);
  Status openGraph(const SegmentContext& context);
  Status openPayloads(const SegmentContext& context);
  Status openPart(const SegmentContext& context, PartKind kind, bool trusted,
                  std::unique_ptr<PartView>* out);
  bool pieceIsInside(const SegmentContext& context, const Piece& piece) const;
  const Piece* pieceOf(uint32_t row) const;
  const TierBlocks::Range& storedAt(uint32_t row) const;
  [[nodiscard]] bool findRowIn(uint32_t low, uint32_t high, uint64_t id, uint32_t* row) const;
  bool pieceVerified(const Piece& piece) const;
  bool noted(bool fine) const {
    if (!fine) noteDamage();
    return fine;
  }

  SegmentEntry entry_;
  std::vector<RunPin> pins_;
  std::shared_ptr<RowMarks> marks_;
  File* file_ = nullptr;
  const std::byte* view_ = nullptr;
  uint32_t dims_ = 0;
  Layout layout_;
  bool linked_ = false, unusable_ = false;
  mutable std::atomic<bool> damaged_{false};
  std::unique_ptr<PartView> base_, graph_part_, vectors_, payloads_;
  ColumnView ids_, times_, sources_, labels_, rows_by_id_, payload_at_, payload_bytes_;
  Bytes norms_, short_norms_;
  std::span<const CountEntry> source_counts_, label_counts_;
  std::span<const TimeBlock> time_blocks_;
  std::span<const Piece> pieces_;
  std::unique_ptr<std::atomic<uint8_t>[]> piece_ok_;  // 0 not looked at, 1 fine, 2 damaged
  std::unique_ptr<TierBlocks> tiers_;
  mutable std::shared_ptr<HeatTable> heat_;
  mutable std::atomic<HeatTable*> heat_ready_{nullptr};
  mutable RecallCurve curve_;
  mutable std::atomic<const RecallCurve*> curve_ready_{nullptr};
  std::unique_ptr<BinaryCodec> binary_;
  std::unique_ptr<CodeLists> code_lists_;
  std::unique_ptr<NavCodec> nav_;
  NavSpace nav_space_{};
  GraphView graph_;
};

}  // namespace rve
