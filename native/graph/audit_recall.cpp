// What a graph finds, measured against looking at every row.
#include <cfloat>
#include <new>

#include "base/limits.hpp"
#include "base/prefetch.hpp"
#include "graph/audit.hpp"
#include "kernels/split_mix.hpp"

namespace rve {
namespace {

// Distances of all accepted rows to the prepared one; the k nearest to `top`.
void scanAll(const GraphDistances& distances, const RowFilter& filter, TopRows* top) {
  uint32_t rows[kGraphDistancesMax];
  float out[kGraphDistancesMax];
  size_t count = 0;
  const auto flush = [&] {
    distances.distances(distances.context, rows, count, out);
    for (size_t i = 0; i < count; ++i) {
      if (out[i] < FLT_MAX) top->offer(out[i], rows[i]);
    }
    count = 0;
  };
  for (uint32_t row = 0; row < distances.rows; ++row) {
    if (filter.accept != nullptr && !filter.accept(filter.context, row)) continue;
    rows[count++] = row;
    if (count == kGraphDistancesMax) flush();
  }
  if (count > 0) flush();
}

}  // namespace

Status auditRecall(const GraphView& view, const GraphRowQueries& rows,
                   const GraphRecallOptions& options, GraphRecall* out) {
  *out = {};
  if (options.k < 1 || options.k > options.ef || options.ef > kEfMax ||
      rows.distances.rows != view.rows()) {
    return Status(Code::kArgument, "graph audit: k, ef or rows");
  }
  GraphSearchParams params;
  params.ef = options.ef;
  params.filter = options.filter;
  params.links_guard = options.links_guard;
  GraphScratch scratch;
  RVE_TRY(scratch.reserve(view.rows(), params.poolMax()));
  std::vector<Scored> found(options.ef);
  SplitMix random(options.seed);
  uint32_t queries = std::min(options.queries, view.rows());
  // One pass over the rows draws exactly as many as are wanted (selection sampling, Knuth 3.4.2).
  for (uint32_t row = 0; queries > 0; ++row) {
    if (random.next() % (view.rows() - row) >= queries) continue;
    --queries;
    if (!rows.prepare(rows.context, row)) {
      ++out->unreadable;
      continue;
    }
    ++out->queries;
    TopRows top;
    top.reset(options.k);
    scanAll(rows.distances, options.filter, &top);
    if (top.size() == 0) continue;
    const float farthest = top.sorted().back().distance;
    GraphSearchStats stats;
    const uint32_t count =
        searchGraph(view, rows.distances, params, &scratch, found.data(), &stats);
    // By distance, not by id: rows at equal distance are equally right.
    for (uint32_t i = 0; i < count && i < top.size(); ++i) {
      out->found += found[i].distance <= farthest;
    }
    out->wanted += top.size();
    out->distances += stats.distances;
  }
  return {};
}

NavRowQueries::NavRowQueries(const NavSpace& space, const PageGuard& guard)
    : space_(space), guard_(guard), values_(space.padded_dims) {}

GraphRowQueries NavRowQueries::queries() {
  return {.distances = {this, space_.rows, distances, prefetch},
          .prepare = prepare,
          .context = this};
}

void NavRowQueries::distances(void* context, const uint32_t* rows, size_t count, float* out) {
  auto* self = static_cast<NavRowQueries*>(context);
  const size_t bytes = self->space_.recordBytes();
  const Kernels& k = kernels();
  if (self->guard_.allVerified(rows, count, bytes)) {
    k.navDistances(self->query_, self->space_.records, bytes, rows, count, out);
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    if (self->guard_.ok(uint64_t{rows[i]} * bytes, bytes)) {
      k.navDistances(self->query_, self->space_.records, bytes, rows + i, 1, out + i);
    } else {
      out[i] = FLT_MAX;
      ++self->unreadable_;
    }
  }
}

void NavRowQueries::prefetch(void* context, const uint32_t* rows, size_t count) {
  const NavSpace& space = static_cast<NavRowQueries*>(context)->space_;
  for (size_t i = 0; i < count; ++i) prefetchLine(space.record(rows[i]));
}

bool NavRowQueries::prepare(void* context, uint32_t row) {
  auto* self = static_cast<NavRowQueries*>(context);
  const size_t bytes = self->space_.recordBytes();
  if (!self->guard_.ok(uint64_t{row} * bytes, bytes)) return false;
  self->query_ = navQueryFromRow(self->space_, row, self->values_.data());
  return true;
}

}  // namespace rve
