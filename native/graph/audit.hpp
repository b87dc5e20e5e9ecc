// What is wrong with a graph, by looking at all of it: for `rve check`, tests and the figures in
// README.md.
#pragma once
#include <array>
#include <vector>

#include "graph/search.hpp"
#include "graph/view.hpp"

namespace rve {

struct GraphAudit {
  uint32_t rows = 0;
  uint32_t reachable = 0;       // on level 0 from the entry level's nodes, along the links
  uint64_t links = 0;           // valid links of level 0
  uint32_t lists_unreadable = 0;  // packed lists of level 0 whose bytes are none
  uint32_t links_out_of_range = 0;
  uint32_t links_to_self = 0;
  uint32_t links_twice = 0;     // the same target again in one list
  uint32_t slots_after_end = 0; // a link behind the end mark of a flat list
  uint32_t upper_bad = 0;       // higher levels: nodes not ascending, bad down index, bad list
  std::array<uint32_t, kGraphLinks0Max + 1> degrees{};  // [g]: rows with g valid links on level 0

  bool sound() const {
    return lists_unreadable + links_out_of_range + links_to_self + links_twice + slots_after_end +
               upper_bad ==
           0;
  }
  uint32_t degreeMin() const;
  uint32_t degreeMax() const;
  double degreeMean() const { return rows == 0 ? 0 : static_cast<double>(links) / rows; }
};

// kNoMemory (5 bytes a row). Never fails on content: it counts it. Either form of graph.
Status auditGraph(const GraphView& view, GraphAudit* out);

// Distances to a row that is in the graph.
struct GraphRowQueries {
  GraphDistances distances;  // to the row named last
  // Makes a stored row the query; false if it cannot be read, and then it is left out.
  bool (*prepare)(void* context, uint32_t row) = nullptr;
  void* context = nullptr;
};

struct GraphRecallOptions {
  uint32_t queries = 100;  // rows drawn as queries, without repeats; at most all
  uint64_t seed = 0;       // same seed, same rows
  uint32_t k = 10;         // at most the rows
  uint32_t ef = 64;
  RowFilter filter{};      // rows that may be found, by the search and the scan alike
  PageGuard links_guard{};  // over the graph's bytes
};

struct GraphRecall {
  uint32_t queries = 0;    // rows that were asked
  uint32_t unreadable = 0; // rows drawn that could not be read
  uint64_t wanted = 0;     // nearest rows by exhaustive search
  uint64_t found = 0;      // of the search's k those as near as the farthest wanted, at most wanted
  uint64_t distances = 0;  // taken by the searches
  double recall() const {
    return wanted == 0 ? 1 : static_cast<double>(found) / static_cast<double>(wanted);
  }
};

// How much of what an exhaustive search by the same distances finds does the graph find? Says
// nothing about how good the distances are. kNoMemory, kArgument (k, ef). Cost: `queries` times a
// scan of all rows. The search allocates its scratch here.
Status auditRecall(const GraphView& view, const GraphRowQueries& rows,
                   const GraphRecallOptions& options, GraphRecall* out);

// 4-bit records as GraphRowQueries. The space outlives it; one thread.
class NavRowQueries {
 public:
  explicit NavRowQueries(const NavSpace& space, const PageGuard& guard = {});
  NavRowQueries(const NavRowQueries&) = delete;
  NavRowQueries& operator=(const NavRowQueries&) = delete;

  GraphRowQueries queries();
  uint32_t unreadable() const { return unreadable_; }  // distances that the guard withheld

 private:
  static void distances(void* context, const uint32_t* rows, size_t count, float* out);
  static void prefetch(void* context, const uint32_t* rows, size_t count);
  static bool prepare(void* context, uint32_t row);

  NavSpace space_;
  PageGuard guard_;
  std::vector<int8_t> values_;
  NavQueryView query_{};
  uint32_t unreadable_ = 0;
};

}  // namespace rve
