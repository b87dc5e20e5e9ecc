// Time of one distance of each tier, by TierCodec::distance and by both ways of TierNav, and what
// the faster one adds to the error.
//
//   tier_nav [DIMS ...]
//
// Gaussian data about ten centres, l2. Records lie in 256 KiB, the second-level cache; 32 of
// them a call, in random order, as a walk takes the links of a node. Thread CPU time, the best of
// 60 turns. Errors are in deviations of the record's own error (a 1.9th of its errorBound).
#include <ctime>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "codecs/tier_nav.hpp"
#include "kernels/kernels.hpp"
#include "kernels/split_mix.hpp"

namespace rve {
namespace {

constexpr size_t kBytes = size_t{1} << 18;
constexpr size_t kCall = 32;
constexpr size_t kDistances = size_t{1} << 13;
constexpr int kTurns = 60;

double cpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

float gaussian(SplitMix& random) {
  double sum = -6;
  for (int part = 0; part < 12; ++part) sum += random.uniform();
  return static_cast<float>(sum);
}

struct Bench {
  const TierCodec& codec;
  std::vector<std::byte> records;
  std::vector<const std::byte*> order;
  TierNavQuery query;

  // Nanoseconds for each distance.
  template <typename Distances>
  double time(Distances distances, std::vector<float>* out) {
    out->resize(order.size());
    double best = std::numeric_limits<double>::max();
    for (int turn = 0; turn < kTurns; ++turn) {
      const double start = cpuSeconds();
      for (size_t done = 0; done < kDistances; done += kCall) {
        const size_t at = done % order.size();
        distances(order.data() + at, out->data() + at);
      }
      best = std::min(best, cpuSeconds() - start);
    }
    return 1e9 * best / static_cast<double>(kDistances);
  }
};

double deviation(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

void measure(const TierCodec& codec, const char* name, const std::vector<float>& rows,
             size_t count) {
  const TierCodebook& book = codec.codebook();
  const uint32_t dims = book.dims();
  Bench bench{codec, {}, {}, {}};
  const size_t stride = codec.recordBytes();
  bench.records.resize(count * stride);
  std::vector<float> rotated(book.paddedDims());
  for (size_t row = 0; row < count; ++row) {
    book.rotation().apply(rows.data() + row * dims, rotated.data());
    codec.encode(rows.data() + row * dims, rotated.data(), bench.records.data() + row * stride);
  }
  SplitMix random(5);
  const size_t used = std::min(count, kBytes / stride) / kCall * kCall;
  for (size_t i = 0; i < used; ++i) {
    bench.order.push_back(bench.records.data() + random.next() % used * stride);
  }
  const float* q = rows.data() + count * dims;
  book.rotation().apply(q, rotated.data());
  const double start = cpuSeconds();
  constexpr int kPrepared = 200;
  for (int i = 0; i < kPrepared; ++i) prepareTierNavQuery(book, q, rotated.data(), &bench.query);
  const double prepare = (cpuSeconds() - start) / kPrepared;
  std::vector<float> want;
  const double portable = bench.time(
      [&](const std::byte* const* at, float* out) {
        for (size_t i = 0; i < kCall; ++i) out[i] = codec.distance(&bench.query.exact, at[i]);
      },
      &want);
  for (const NavDepth depth : {NavDepth::kWhole, NavDepth::kLeading}) {
    const TierNav nav(codec, depth);
    std::vector<float> walked;
    std::vector<float> full;
    const double nav_time = bench.time(
        [&](const std::byte* const* at, float* out) {
          nav.navDistances(&bench.query, at, kCall, out);
        },
        &walked);
    const double full_time = bench.time(
        [&](const std::byte* const* at, float* out) {
          nav.fullDistances(&bench.query, at, kCall, out);
        },
        &full);
    double bound = 0;
    double said = 0;
    for (const std::byte* at : bench.order) {
      const double b = codec.errorBound(&bench.query.exact, at) / TierCodec::kErrorSigmas;
      const double s = nav.navDeviation(bench.query, at);
      bound += b * b / static_cast<double>(used);
      said += s * s / static_cast<double>(used);
    }
    std::printf("%-8s %5u %6zu %-7s %8.0f %8.1f %8.1f %8.2f %9.4f %9.4f %9.1e\n", name, dims,
                nav.navBytes(), depth == NavDepth::kWhole ? "whole" : "leading", portable,
                nav_time, full_time, 1e6 * prepare,
                deviation(walked, want) / std::sqrt(bound), std::sqrt(said / bound),
                deviation(full, want) / std::sqrt(bound));
  }
}

int run(int argc, char** argv) {
  std::printf("kernels: %s\n", kernels().name);
  std::printf("%-8s %5s %6s %-7s %8s %8s %8s %8s %9s %9s %9s\n", "tier", "dims", "reads", "depth",
              "portable", "nav ns", "full ns", "prep us", "nav err", "stated", "full err");
  std::vector<uint32_t> all;
  for (int i = 1; i < argc; ++i) all.push_back(static_cast<uint32_t>(std::atoi(argv[i])));
  if (all.empty()) all = {128, 784};
  for (const uint32_t dims : all) {
    SplitMix random(7);
    const size_t count = std::min<size_t>(4096, 2 * kBytes / dims);
    std::vector<float> centres(size_t{10} * dims);
    for (float& x : centres) x = gaussian(random);
    std::vector<float> rows((count + 1) * dims);
    for (size_t row = 0; row <= count; ++row) {
      const float* centre = centres.data() + random.next() % 10 * dims;
      for (uint32_t i = 0; i < dims; ++i) rows[row * dims + i] = centre[i] + gaussian(random);
    }
    const auto book = TierCodebook::train({.id = 1, .dims = dims, .kind = DistanceKind::kL2},
                                          rows.data(), count);
    measure(TierCodec(book, Tier::kWarm), "warm", rows, count);
    measure(TierCodec(book, Tier::kCool), "cool", rows, count);
    measure(TierCodec(book, Tier::kCold), "cold", rows, count);
    measure(TierCodec(book, Tier::kArchive), "archive", rows, count);
  }
  return 0;
}

}  // namespace
}  // namespace rve

int main(int argc, char** argv) { return rve::run(argc, argv); }
