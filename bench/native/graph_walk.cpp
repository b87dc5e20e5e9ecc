// Speed and recall of one graph over 4-bit records, without the engine: build, search, rank the
// best exactly.
//
//   graph_walk FOLDER KIND DIMS [M] [EFC] [EF ...]
//
// FOLDER holds base.f32, query.f32 and truth.i32 (100 rows a query, nearest first), as
// bench/benches/tiers.mjs writes them; KIND is l2 or cosine. Times are of thread CPU time: the best
// of 2 * kPasses, the forms taking turns. Rotation and query preparation are outside, so that
// what differs is the walk; recall is that of the best 20 ranked by the vectors themselves.
#include <ctime>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "codecs/quant4.hpp"
#include "graph/audit.hpp"
#include "graph/builder.hpp"
#include "graph/pack.hpp"
#include "kernels/kernels.hpp"

namespace rve {
namespace {

constexpr size_t kTruthRows = 100;
constexpr size_t kNearest = 10;
constexpr size_t kRanked = 20;
constexpr int kPasses = 5;

double secondsOf(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double cpuSeconds() { return secondsOf(CLOCK_THREAD_CPUTIME_ID); }

template <typename T>
bool readAll(const std::string& path, std::vector<T>* out) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  std::fseek(file, 0, SEEK_END);
  out->resize(static_cast<size_t>(std::ftell(file)) / sizeof(T));
  std::rewind(file);
  const size_t got = std::fread(out->data(), sizeof(T), out->size(), file);
  std::fclose(file);
  return got == out->size() && got > 0;
}

struct Set {
  uint32_t dims = 0;
  DistanceKind kind = DistanceKind::kL2;
  std::vector<float> base;
  std::vector<float> query;
  std::vector<int32_t> truth;
  std::vector<std::byte> records;
  std::vector<NavQuery> queries;
  NavSpace space{};

  uint32_t rows() const { return static_cast<uint32_t>(base.size() / dims); }

  void encode() {
    const Rotation rotation(dims, 1);
    const NavCodec codec(kind, rotation, {});
    records.resize(rows() * codec.recordBytes() + 64);
    std::byte* at = records.data() + (64 - addressOf(records.data()) % 64) % 64;
    std::vector<float> rotated(rotation.paddedDims());
    for (uint32_t row = 0; row < rows(); ++row) {
      rotation.apply(base.data() + size_t{row} * dims, rotated.data());
      codec.encode(rotated.data(), at + row * codec.recordBytes());
    }
    space = codec.space(at, rows());
    queries.resize(query.size() / dims);
    for (size_t q = 0; q < queries.size(); ++q) {
      rotation.apply(query.data() + q * dims, rotated.data());
      codec.prepare(rotated.data(), &queries[q]);
    }
  }

  // How many of the true ten are among the ten nearest of the best 20 of an answer.
  size_t right(size_t q, const Scored* found, uint32_t count) const {
    std::vector<Scored> ranked;
    for (size_t i = 0; i < std::min<size_t>(count, kRanked); ++i) {
      const float* x = base.data() + size_t{found[i].row} * dims;
      const float* y = query.data() + q * dims;
      ranked.push_back({kind == DistanceKind::kL2 ? kernels().l2F32(x, y, dims)
                                                  : -kernels().dotF32(x, y, dims),
                        found[i].row});
    }
    std::sort(ranked.begin(), ranked.end());
    const int32_t* wanted = truth.data() + q * kTruthRows;
    size_t right = 0;
    for (size_t i = 0; i < std::min(kNearest, ranked.size()); ++i) {
      right += std::find(wanted, wanted + kNearest, static_cast<int32_t>(ranked[i].row)) !=
               wanted + kNearest;
    }
    return right;
  }
};

// A way to search, and what it took at one ef.
struct Form {
  const char* name;
  const GraphView* view;
  bool any = false;  // by GraphDistances
  double seconds = 1e9;
  size_t right = 0;
  uint64_t distances = 0;
};

// The 4-bit records through the door for any records.
struct Behind {
  const Set& set;
  NavQueryView query{};

  static void distances(void* context, const uint32_t* rows, size_t count, float* out) {
    const auto* self = static_cast<Behind*>(context);
    const NavSpace& space = self->set.space;
    kernels().navDistances(self->query, space.records, space.recordBytes(), rows, count, out);
  }
  static void prefetch(void* context, const uint32_t* rows, size_t count) {
    const NavSpace& space = static_cast<Behind*>(context)->set.space;
    for (size_t i = 0; i < count; ++i) {
      prefetchLine(space.record(rows[i]));
      prefetchLine(space.record(rows[i]) + 64);
    }
  }
};

void pass(const Set& set, Form* form, uint32_t ef, GraphScratch* scratch) {
  GraphSearchParams params;
  params.ef = ef;
  std::vector<Scored> found(ef);
  form->right = form->distances = 0;
  double seconds = 0;
  Behind behind{set};
  const GraphDistances any{&behind, set.rows(), Behind::distances, Behind::prefetch};
  for (size_t q = 0; q < set.queries.size(); ++q) {
    const double start = cpuSeconds();
    GraphSearchStats stats;
    behind.query = set.queries[q].view();
    const uint32_t count =
        form->any ? searchGraph(*form->view, any, params, scratch, found.data(), &stats)
                  : searchGraph(*form->view, set.space, behind.query, params, scratch,
                                found.data(), &stats);
    seconds += cpuSeconds() - start;
    form->distances += stats.distances;
    form->right += set.right(q, found.data(), count);
  }
  form->seconds = std::min(form->seconds, seconds);
}

// Also by processor time of all threads: on a busy machine that says what the wall clock cannot.
struct BuildTime {
  double wall = 0;
  double cpu = 0;
};

LargeBytes build(const NavSpace& space, const GraphParams& params, uint32_t threads,
                 BuildTime* time) {
  GraphBuilder builder;
  if (!builder.begin(space, params).ok()) std::abort();
  const double wall = secondsOf(CLOCK_MONOTONIC);
  const double cpu = secondsOf(CLOCK_PROCESS_CPUTIME_ID);
  while (!builder.done()) builder.stepParallel(10000, threads, nullptr);
  LargeBytes out = builder.finish();
  *time = {secondsOf(CLOCK_MONOTONIC) - wall, secondsOf(CLOCK_PROCESS_CPUTIME_ID) - cpu};
  return out;
}

// Speed and recall of each form at one ef.
bool report(const Set& set, std::vector<Form> forms, uint32_t ef) {
  GraphScratch scratch;
  if (!scratch.reserve(set.rows(), ef).ok()) return false;
  for (int i = 0; i < kPasses; ++i) {
    for (Form& form : forms) {
      pass(set, &form, ef, &scratch);
      pass(set, &form, ef, &scratch);  // the first may have found the cache full of another form
    }
  }
  const auto queries = static_cast<double>(set.queries.size());
  for (const Form& form : forms) {
    std::printf("ef %3u  %-18s recall %.4f  %6.2f us  %5.1f distances\n", ef, form.name,
                static_cast<double>(form.right) / (queries * kNearest),
                form.seconds / queries * 1e6, static_cast<double>(form.distances) / queries);
  }
  return true;
}

int run(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "Usage: graph_walk FOLDER l2|cosine DIMS [M] [EFC] [EF ...]\n");
    return 2;
  }
  const std::string folder = argv[1];
  Set set;
  set.kind = std::string(argv[2]) == "l2" ? DistanceKind::kL2 : DistanceKind::kCosine;
  set.dims = static_cast<uint32_t>(std::atoi(argv[3]));
  if (!readAll(folder + "/base.f32", &set.base) || !readAll(folder + "/query.f32", &set.query) ||
      !readAll(folder + "/truth.i32", &set.truth)) {
    std::fprintf(stderr, "Cannot read the set: %s\n", folder.c_str());
    return 1;
  }
  set.encode();
  GraphParams params;
  if (argc > 4) params.links = static_cast<uint32_t>(std::atoi(argv[4]));
  if (argc > 5) params.ef_construction = static_cast<uint32_t>(std::atoi(argv[5]));
  std::vector<uint32_t> efs;
  for (int i = 6; i < argc; ++i) efs.push_back(static_cast<uint32_t>(std::atoi(argv[i])));
  if (efs.empty()) efs = {16, 32, 64};

  BuildTime serial;
  BuildTime parallel;
  const LargeBytes graph = build(set.space, params, 1, &serial);
  const LargeBytes together = build(set.space, params, 2, &parallel);
  GraphView view;
  GraphView together_view;
  GraphAudit audit;
  if (!GraphView::open(graph.view(), &view).ok() || !auditGraph(view, &audit).ok() ||
      !GraphView::open(together.view(), &together_view).ok()) {
    return 1;
  }
  const double kilo = set.rows() * 1e-3;
  std::printf("M %u, efC %u: by 1 thread %.1fk rows/s (%.1fk a cpu second), by 2 %.1fk (%.1fk)\n",
              params.links, params.ef_construction, kilo / serial.wall, kilo / serial.cpu,
              kilo / parallel.wall, kilo / parallel.cpu);
  std::printf("%u to %u links a row, on average %.2f; %.2f bytes a row\n", audit.degreeMin(),
              audit.degreeMax(), audit.degreeMean(),
              static_cast<double>(graph.bytes) / set.rows());
  std::vector<uint32_t> same(set.rows());
  for (uint32_t row = 0; row < set.rows(); ++row) same[row] = row;
  const double adopt_start = cpuSeconds();
  GraphBuilder adopter;
  if (!adopter.beginFrom(set.space, params, view, same).ok()) return 1;
  (void)adopter.finish();
  std::printf("adopted unchanged: %.2f us a row\n",
              (cpuSeconds() - adopt_start) / set.rows() * 1e6);
  LargeBytes packed;
  GraphView packed_view;
  const double pack_start = cpuSeconds();
  if (!packGraph(view, &packed).ok()) return 1;
  const double pack = cpuSeconds() - pack_start;
  if (!GraphView::open(packed.view(), &packed_view).ok()) return 1;
  std::printf("packed: %.2f us a row, %.2f bytes a row\n", pack / set.rows() * 1e6,
              static_cast<double>(packed.bytes) / set.rows());

  const std::vector<Form> forms = {{"flat", &view},
                                   {"flat, any records", &view, true},
                                   {"packed", &packed_view},
                                   {"packed, any", &packed_view, true},
                                   {"by 2 threads", &together_view}};
  for (const uint32_t ef : efs) {
    if (!report(set, forms, ef)) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace rve

int main(int argc, char** argv) { return rve::run(argc, argv); }
