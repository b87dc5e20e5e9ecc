// Which rows of a segment are dead, and since when (rule R13). The bitmap is shared by every
// Version; deaths that an older, held Version must not see yet stand in RecentDeaths with their
// LSN.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "base/bytes.hpp"

namespace rve {

// One writer (the committer); any number of readers.
class RowMarks {
 public:
  explicit RowMarks(uint32_t rows)
      : rows_(rows), words_(std::make_unique<std::atomic<uint64_t>[]>(divideUp(rows, 64))) {
    for (size_t i = 0; i < divideUp(rows, 64); i++) words_[i] = 0;
  }
  uint32_t rows() const { return rows_; }
  // Never 0, and never given twice: unlike the address, which a later bitmap may take over.
  uint64_t serial() const { return serial_; }
  uint32_t deadCount() const { return dead_.load(std::memory_order_relaxed); }
  bool isDead(uint32_t row) const {
    return ((words_[row / 64].load(std::memory_order_acquire) >> (row % 64)) & 1) != 0;
  }
  // False if it was dead already.
  bool kill(uint32_t row) {
    const uint64_t bit = uint64_t{1} << (row % 64);
    const uint64_t before = words_[row / 64].fetch_or(bit, std::memory_order_acq_rel);
    if ((before & bit) != 0) return false;
    dead_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  // Ascending.
  std::vector<uint32_t> deadRows() const {
    std::vector<uint32_t> rows;
    for (size_t word = 0; word < divideUp(rows_, 64); word++) {
      uint64_t bits = words_[word].load(std::memory_order_acquire);
      while (bits != 0) {
        rows.push_back(static_cast<uint32_t>(word * 64) +
                       static_cast<uint32_t>(std::countr_zero(bits)));
        bits &= bits - 1;
      }
    }
    return rows;
  }

 private:
  inline static std::atomic<uint64_t> next_serial_{1};

  const uint64_t serial_ = next_serial_.fetch_add(1, std::memory_order_relaxed);
  uint32_t rows_;
  std::unique_ptr<std::atomic<uint64_t>[]> words_;
  std::atomic<uint32_t> dead_{0};
};

// (marks, row) -> LSN of its death, for deaths younger than the oldest held Version. Open
// addressing with linear probing in tables of one size; entries are never moved, and all leave
// together once no older Version is held. One table is the usual case; a group that ends more rows
// than it holds (a source forgotten) chains further ones.
class RecentDeaths {
 public:
  static constexpr uint32_t kSlots = 1u << 14;
  static constexpr uint32_t kEntriesMax = kSlots / 2;  // of one table

  // The next add() takes a further table: worth a look whether clear() may be called.
  bool full() const { return count_ > 0 && count_ % kEntriesMax == 0; }
  bool empty() const { return count_ == 0; }
  uint64_t youngestLsn() const { return youngest_lsn_; }

  // Writer. Before the bitmap's bit is set: a reader that sees the bit then finds the entry.
  void add(const RowMarks* marks, uint32_t row, uint64_t dead_lsn) {
    if (full()) {
      more_.push_back(std::make_unique<Table>());
      last_->next.store(more_.back().get(), std::memory_order_release);
      last_ = more_.back().get();
    }
    for (uint32_t at = hash(marks->serial(), row);; at = (at + 1) % kSlots) {
      Slot& slot = last_->slots[at];
      if (slot.marks.load(std::memory_order_relaxed) != 0) continue;
      slot.row.store(row, std::memory_order_relaxed);
      slot.dead_lsn.store(dead_lsn, std::memory_order_relaxed);
      slot.marks.store(marks->serial(), std::memory_order_release);
      break;
    }
    count_++;
    youngest_lsn_ = dead_lsn;
  }
  // Writer. Requires: every held Version and every future one is younger than youngestLsn(). A
  // reader may still walk further tables, so they are freed by the next clear(): whoever holds a
  // Version then began after this one.
  void clear() {
    for (Slot& slot : first_->slots) slot.marks.store(0, std::memory_order_release);
    first_->next.store(nullptr, std::memory_order_release);
    last_ = first_.get();
    retired_ = std::move(more_);
    more_.clear();
    count_ = 0;
  }
  // Reader: LSN of the death, 0 if it is long past.
  uint64_t find(const RowMarks* marks, uint32_t row) const {
    const Table* table = first_.get();
    for (; table != nullptr; table = table->next.load(std::memory_order_acquire)) {
      uint32_t at = hash(marks->serial(), row);
      for (uint32_t probes = 0; probes < kSlots; probes++, at = (at + 1) % kSlots) {
        const Slot& slot = table->slots[at];
        const uint64_t held = slot.marks.load(std::memory_order_acquire);
        if (held == 0) break;
        if (held == marks->serial() && slot.row.load(std::memory_order_relaxed) == row) {
          return slot.dead_lsn.load(std::memory_order_relaxed);
        }
      }
    }
    return 0;
  }

 private:
  struct Slot {
    std::atomic<uint64_t> marks{0};  // RowMarks::serial(); 0: free
    std::atomic<uint32_t> row{0};
    std::atomic<uint64_t> dead_lsn{0};
  };
  struct Table {
    std::array<Slot, kSlots> slots;
    std::atomic<const Table*> next{nullptr};
  };
  static uint32_t hash(uint64_t serial, uint32_t row) {
    const uint64_t mixed = ((serial << 32) ^ row) * 0x9E3779B97F4A7C15ull;
    return static_cast<uint32_t>(mixed >> 40) % kSlots;
  }

  const std::unique_ptr<Table> first_ = std::make_unique<Table>();
  Table* last_ = first_.get();                   // this and what follows: the writer's
  std::vector<std::unique_ptr<Table>> more_;
  std::vector<std::unique_ptr<Table>> retired_;  // unlinked by the last clear()
  uint32_t count_ = 0;
  uint64_t youngest_lsn_ = 0;
};

}  // namespace rve
