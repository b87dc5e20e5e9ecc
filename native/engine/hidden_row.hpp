// Distances of a graph's records with one row as good as absent: a stored row can then be asked as
// if it had never been inserted. It is infinitely far away, so that no walk goes through it and
// none returns it.
#pragma once
#include <cfloat>

#include "graph/search.hpp"

namespace rve {

class HiddenRow {
 public:
  HiddenRow(const GraphDistances& records, uint32_t row) : records_(records), row_(row) {}
  // Valid as long as this object and the records stay where they are.
  GraphDistances forGraph() {
    GraphDistances graph;
    graph.context = this;
    graph.rows = records_.rows;
    graph.distances = [](void* self, const uint32_t* rows, size_t count, float* out) {
      const auto& hidden = *static_cast<HiddenRow*>(self);
      hidden.records_.distances(hidden.records_.context, rows, count, out);
      for (size_t i = 0; i < count; ++i) {
        if (rows[i] == hidden.row_) out[i] = FLT_MAX;
      }
    };
    graph.prefetch = [](void* self, const uint32_t* rows, size_t count) {
      const GraphDistances& records = static_cast<HiddenRow*>(self)->records_;
      records.prefetch(records.context, rows, count);
    };
    return graph;
  }

 private:
  GraphDistances records_;
  uint32_t row_;
};

// 4-bit records as a graph's distances.
class NavDistances {
 public:
  NavDistances(const NavSpace& space, const NavQueryView& query, const PageGuard& guard)
      : space_(space), query_(query), guard_(guard) {}

  uint32_t unreadable() const { return unreadable_; }
  // Valid as long as this object stays where it is.
  GraphDistances forGraph() {
    GraphDistances graph;
    graph.context = this;
    graph.rows = space_.rows;
    graph.distances = [](void* self, const uint32_t* rows, size_t count, float* out) {
      static_cast<NavDistances*>(self)->distances(rows, count, out);
    };
    graph.prefetch = [](void*, const uint32_t*, size_t) {};
    return graph;
  }

 private:
  void distances(const uint32_t* rows, size_t count, float* out) {
    const size_t bytes = space_.recordBytes();
    for (size_t i = 0; i < count; ++i) {
      if (guard_.ok(uint64_t{rows[i]} * bytes, bytes)) {
        kernels().navDistances(query_, space_.records, bytes, rows + i, 1, out + i);
      } else {
        out[i] = FLT_MAX;
        ++unreadable_;
      }
    }
  }

  NavSpace space_;
  NavQueryView query_;
  PageGuard guard_;
  uint32_t unreadable_ = 0;
};

}  // namespace rve
