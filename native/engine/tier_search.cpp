#include "engine/tier_search.hpp"

#include <cfloat>

namespace rve {
namespace {

// Rows handed to a codec at once: enough for its loads to overlap.
constexpr size_t kBatch = 64;
// Lines of a record asked for ahead; the processor's own prefetcher brings what follows.
constexpr size_t kPrefetchBytes = 256;

// Of fewer centroids each stands for too many rows to begin at.
constexpr size_t kEntryCentroidsMin = 32;
constexpr uint32_t kEntriesWanted = 4;

}  // namespace

TierNavQuery* TierQueries::of(const TierCodebook& codebook) {
  for (size_t i = 0; i < used_; ++i) {
    if (prepared_[i]->codebook == &codebook) return &prepared_[i]->query;
  }
  if (used_ == prepared_.size()) prepared_.push_back(std::make_unique<Prepared>());
  Prepared& next = *prepared_[used_++];
  next.codebook = &codebook;
  rotated_.resize(codebook.paddedDims());
  codebook.rotation().apply(query_, rotated_.data());
  prepareTierNavQuery(codebook, query_, rotated_.data(), &next.query);
  return &next.query;
}

float TierQueries::distance(const VectorRef& record) {
  float distance = FLT_MAX;
  record.coder->nav.fullDistances(of(record.coder->codec.codebook()), &record.at, 1, &distance);
  return distance;
}

TierDistances::TierDistances(const Segment& segment, const SegmentContext& context,
                             const float* query, TierQueries* queries)
    : segment_(segment), tiers_(*segment.tiers()), query_(query),
      prepared_(queries->of(*tiers_.codebook())), dims_(context.dims),
      l2_(context.kind == DistanceKind::kL2) {}

void TierDistances::distances(const uint32_t* rows, size_t count, float* out) {
  uint32_t in_range[kBatch], places[kBatch];
  for (size_t first = 0; first < count; first += kBatch) {
    const size_t batch = std::min(kBatch, count - first);
    for (const TierBlocks::Range& range : tiers_.ranges()) {
      size_t found = 0;
      for (size_t i = first; i < first + batch; ++i) {
        in_range[found] = rows[i];
        places[found] = static_cast<uint32_t>(i);
        found += static_cast<size_t>(rows[i] >= range.first_row) & (rows[i] < range.end_row);
      }
      if (found > 0) rangeDistances(range, in_range, places, found, out);
    }
  }
}

void TierDistances::rangeDistances(const TierBlocks::Range& range, const uint32_t* rows,
                                   const uint32_t* places, size_t count, float* out) {
  const std::byte* records[kBatch] = {};
  uint32_t readable[kBatch];
  float distances[kBatch];
  size_t found = 0;
  bool fetched = false;
  for (size_t i = 0; i < count; ++i) {
    if (!fetched && !segment_.recordIsVerified(range, rows[i])) [[unlikely]] {
      segment_.fetchRecords(range, rows + i, count - i);
      fetched = true;
    }
    if (!segment_.recordIsVerified(range, rows[i]) && !segment_.recordIsWhole(range, rows[i]))
        [[unlikely]] {
      out[places[i]] = FLT_MAX;
      ++unreadable_;
      continue;
    }
    records[found] = range.ref(rows[i]).at;
    readable[found++] = places[i];
  }
  if (range.coder != nullptr) {
    range.coder->nav.navDistances(prepared_, records, found, distances);
  } else {
    for (size_t i = 0; i < found; ++i) {
      const float* x = viewAs<float>(records[i]);
      distances[i] = l2_ ? kernels().l2F32(query_, x, dims_) : -kernels().dotF32(query_, x, dims_);
    }
  }
  for (size_t i = 0; i < found; ++i) out[readable[i]] = distances[i];
}

void TierDistances::prefetch(const uint32_t* rows, size_t count) const {
  for (size_t i = 0; i < count; ++i) {
    const TierBlocks::Range& range = tiers_.rangeOf(rows[i]);
    const std::byte* at = range.ref(rows[i]).at;
    const size_t bytes =
        std::min(range.coder == nullptr ? range.stride : range.coder->nav.navBytes(), kPrefetchBytes);
    // A record is not aligned: its last byte may lie on one line more.
    for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(at + line);
    __builtin_prefetch(at + bytes - 1);
  }
  // A function that does nothing but ask for lines is none to g++ 12, which drops its calls.
  asm volatile("");
}

uint32_t TierDistances::entries(uint32_t* out) const {
  const std::span<const uint32_t> rows = tiers_.centroidRows();
  if (rows.size() < kEntryCentroidsMin) return 0;
  uint32_t centroids[kTierProbeKept];
  const TierCodebook& codebook = *tiers_.codebook();
  const uint32_t found = codebook.nearestByProbe(prepared_->exact.centred.data(), centroids);
  uint32_t count = 0;
  for (uint32_t i = 0; i < found && count < kEntriesWanted; ++i) {
    const uint32_t row = rows[centroids[i]];
    if (row < segment_.rows()) out[count++] = row;
  }
  return count;
}

GraphDistances TierDistances::forGraph() {
  GraphDistances graph;
  graph.context = this;
  graph.rows = segment_.rows();
  graph.distances = [](void* self, const uint32_t* rows, size_t count, float* out) {
    static_cast<TierDistances*>(self)->distances(rows, count, out);
  };
  graph.prefetch = [](void* self, const uint32_t* rows, size_t count) {
    static_cast<TierDistances*>(self)->prefetch(rows, count);
  };
  return graph;
}

}  // namespace rve
