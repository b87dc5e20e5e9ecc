// The work of GraphBuilder. Private to graph/.
#pragma once
#include <mutex>
#include <vector>

#include "base/limits.hpp"
#include "graph/builder.hpp"
#include "graph/walk.hpp"

namespace rve {

// Everything lies in the final bytes from the start: `out_` is header, table, level 0, higher
// levels. On level 0 a node is a row; on higher levels it is an index in that level's ascending
// list of rows.
class BuildState {
 public:
  static uint64_t scratchBytes(uint32_t rows, const GraphParams& params, uint32_t threads);

  Status begin(const NavSpace& space, const GraphParams& params, const GraphView* old,
               std::span<const uint32_t> old_to_new);
  uint32_t step(uint32_t rows_max, const std::atomic<bool>* stop);
  uint32_t stepParallel(uint32_t rows_max, uint32_t threads, const std::atomic<bool>* stop);
  uint32_t waiting() const { return waiting_; }
  LargeBytes finish();

 private:
  struct Level {
    uint32_t count = 0;
    uint32_t slots = 0;
    uint32_t* nodes = nullptr;  // null on level 0
    uint32_t* down = nullptr;
    uint32_t* links = nullptr;

    uint32_t* linksOf(uint32_t node) const { return links + size_t{node} * slots; }

    // Lists that other threads may read or write meanwhile: a slot at a time, no order between
    // them. On every target these are plain loads and stores.
    uint32_t read(uint32_t node, uint32_t* out) const {
      const uint32_t* from = linksOf(node);
      uint32_t slot = 0;
      for (; slot < slots; ++slot) {
        out[slot] = __atomic_load_n(from + slot, __ATOMIC_RELAXED);
        if (out[slot] == kNoRow) break;
      }
      return slot;
    }
    void set(uint32_t node, uint32_t slot, uint32_t to) const {
      __atomic_store_n(linksOf(node) + slot, to, __ATOMIC_RELAXED);
    }
    void write(uint32_t node, const uint32_t* list, uint32_t length) const {
      for (uint32_t i = 0; i < slots; ++i) set(node, i, i < length ? list[i] : kNoRow);
    }

    uint32_t rowOf(uint32_t node) const { return nodes == nullptr ? node : nodes[node]; }
    // Index of a row that is on this level.
    uint32_t indexOf(uint32_t row) const {
      return nodes == nullptr
                 ? row
                 : static_cast<uint32_t>(std::lower_bound(nodes, nodes + count, row) - nodes);
    }
  };
  class Source;
  // A level of the graph that is adopted; every list is read and checked once before it is used.
  struct OldLevel {
    const GraphView& view;
    uint32_t level;
    uint32_t count;
    uint32_t read(uint32_t node, uint32_t* out) const { return view.readLinks(level, node, out); }
  };
  // The rows of level 0 that are in reach, as a forest; 4 bytes a row.
  struct Reach {
    std::vector<uint32_t> parent;  // who led to it; a root: itself; kNoRow: not in reach
    std::vector<uint32_t> work;    // empty between two calls
    std::vector<uint32_t> lost;    // the last that got a link: where their equals may hang on
    bool seen(uint32_t row) const { return parent[row] != kNoRow; }
  };
  // What a thread needs to insert rows; 1 byte a row.
  struct Worker {
    GraphScratch scratch;
    std::vector<Scored> found;   // of one walk
    std::vector<Scored> choice;  // of one list that is chosen anew
    std::vector<int8_t> query_values;  // of the row being inserted
    std::vector<int8_t> other_values;  // of a row whose list is pruned
  };
  // Where a search of the graph under construction begins.
  struct Top {
    uint32_t level = 0;     // highest level with an inserted node
    uint32_t node = kNoRow; // one of them; kNoRow: nothing is inserted
  };
  // Lists that share a lock: at 2 to 64 threads one in this many waits for nothing.
  static constexpr uint32_t kLocks = 4096;
  static constexpr uint8_t kInserted = 0x80;
  static constexpr uint32_t kNoSlot = 0xFFFFFFFFu;

  // build_state.cpp: layout and the order of work.
  Status drawLevels(const GraphView* old, std::span<const uint32_t> old_to_new);
  Status layOut();
  void writeHeader();

  // build_insert.cpp: one row, and the heuristic.
  void insertRow(Worker* worker, uint32_t row);
  uint32_t findEntry(const NavQueryView& query, uint32_t target, uint32_t self);
  uint32_t candidates(Worker* worker, uint32_t level, uint32_t self, const NavQueryView& query,
                      uint32_t entry, uint32_t ef, Scored* out);
  void connect(Worker* worker, uint32_t level, uint32_t self, const uint32_t* kept,
               uint32_t count);
  uint32_t select(const Level& level, const Scored* sorted, uint32_t count, uint32_t keep_max,
                  uint32_t* kept);
  void addLink(Worker* worker, uint32_t level, uint32_t from, uint32_t to);
  void choose(Worker* worker, uint32_t level, uint32_t node, const uint32_t* pool,
              uint32_t count);
  bool equalRows(uint32_t a, uint32_t b) const;
  uint32_t degree(const Level& level, uint32_t node) const;
  // For who writes a list; empty while there is one thread. No one holds two.
  std::unique_lock<std::mutex> lockOf(uint32_t level, uint32_t node) const {
    if (locks_ == nullptr) return {};
    return std::unique_lock<std::mutex>(locks_[(node + level * 977) % kLocks]);
  }

  // build_parallel.cpp
  struct Shared;
  Status prepare(Worker* worker) const;
  uint32_t work(Worker* worker, Shared* shared);

  // build_adopt.cpp: lists of an earlier graph; build_reach.cpp: no row left out of reach.
  Status adopt(const GraphView& old, std::span<const uint32_t> old_to_new);
  Status adoptLevel(uint32_t level, const OldLevel& old, const uint32_t* map);
  bool bridge(const Level& level, const OldLevel& old, const uint32_t* map, uint32_t index,
              std::vector<uint32_t>* pool) const;
  void reachAll();
  void flood(uint32_t row, uint32_t from, Reach* reach);
  uint32_t linkFromEqual(uint32_t row, const Reach& reach);
  uint32_t linkLost(uint32_t row, const Reach& reach);
  uint32_t slotToSpare(uint32_t from, const Reach& reach) const;

  NavSpace space_{};
  GraphParams params_;
  const Kernels* k_ = nullptr;
  LargeBytes out_;
  Level levels_[kGraphLevelsMax];
  uint32_t level_count_ = 1;
  uint32_t entry_level_ = 0;  // of the finished graph
  uint32_t waiting_ = 0;
  uint32_t next_row_ = 0;
  std::unique_ptr<uint8_t[]> state_;  // per row: its level, and flags above
  std::atomic<Top> top_{Top()};
  std::mutex grow_;  // held by an insert that raises the top
  std::unique_ptr<std::mutex[]> locks_;  // while stepParallel runs
  Worker worker_;  // of the calling thread
  std::vector<std::unique_ptr<Worker>> helpers_;
};

}  // namespace rve
