// A store of made-up vectors, built and asked: rates of this machine, and stores for tests.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "cli/commands.hpp"
#include "cli/report.hpp"

namespace rve::cli {
namespace {

constexpr uint32_t kResults = 10;

// Vectors around 256 centres, so that they have neighbours as sensor data do. Row i is a function
// of (seed, i) alone: a store of 1,000,000 rows begins with the one of 100,000, and no row is kept.
class Cloud {
 public:
  Cloud(uint64_t seed, uint32_t dimensions)
      : seed_(seed), dimensions_(dimensions), centres_(size_t{kCentres} * dimensions) {
    uint64_t state = seed ^ 0x9e3779b97f4a7c15u;
    for (float& value : centres_) value = normal(&state);
  }
  void row(uint64_t index, float* out) const {
    uint64_t state = seed_ + index * 0xd1342543de82ef95u;
    const float* centre = &centres_[(next(&state) % kCentres) * dimensions_];
    for (uint32_t i = 0; i < dimensions_; ++i) out[i] = centre[i] + 0.5f * normal(&state);
  }

 private:
  static constexpr uint32_t kCentres = 256;

  // SplitMix64 (Steele, Lea, Flood 2014).
  static uint64_t next(uint64_t* state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // Sum of four uniform numbers, scaled to deviation 1: near enough to normal, and only additions,
  // so that every machine makes the same bytes.
  static float normal(uint64_t* state) {
    const uint64_t bits = next(state);
    int32_t sum = 0;
    for (uint32_t i = 0; i < 4; ++i) sum += static_cast<int32_t>((bits >> (16 * i)) & 0xffff);
    return static_cast<float>(sum - 131070) * (1.0f / 37837.0f);
  }

  uint64_t seed_;
  uint32_t dimensions_;
  std::vector<float> centres_;
};

double seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

// A file of its own that goes at the end, where the user named none.
class TemporaryStore {
 public:
  ~TemporaryStore() {
    if (folder_.empty()) return;
    std::remove(path().c_str());
    std::remove(folder_.c_str());
  }
  bool make() {
    const char* base = std::getenv("TMPDIR");
    std::string folder = std::string(base == nullptr ? "/tmp" : base) + "/rve-core-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) return false;
    folder_ = folder;
    return true;
  }
  std::string path() const { return folder_ + "/bench.rve"; }

 private:
  std::string folder_;
};

struct Plan {
  uint64_t rows, first, queries;
  uint32_t batch, dimensions;
};

rve_status insertAll(rve_memory* memory, const Cloud& cloud, const Plan& plan) {
  std::vector<float> matrix(size_t{plan.batch} * plan.dimensions);
  for (uint64_t done = 0; done < plan.rows;) {
    const auto count = static_cast<uint32_t>(std::min<uint64_t>(plan.batch, plan.rows - done));
    for (uint32_t i = 0; i < count; ++i) {
      cloud.row(plan.first + done + i, &matrix[size_t{i} * plan.dimensions]);
    }
    const rve_status status = rve_insert(memory, matrix.data(), count, nullptr, nullptr, nullptr);
    if (status != RVE_OK) return status;
    done += count;
  }
  return rve_flush(memory);
}

rve_status queryAll(rve_memory* memory, const Cloud& cloud, const Plan& plan,
                    std::vector<double>* took_us) {
  std::vector<float> vector(plan.dimensions);
  rve_query_options options;
  rve_query_options_init(&options);
  options.k = kResults;
  for (uint64_t i = 0; i < plan.queries; ++i) {
    int64_t ids[kResults];
    float scores[kResults];
    uint32_t count = 0;
    cloud.row((uint64_t{1} << 40) + i, vector.data());  // beyond every row
    const auto start = std::chrono::steady_clock::now();
    const rve_status status = rve_query(memory, vector.data(), &options, ids, scores, &count);
    if (status != RVE_OK) return status;
    took_us->push_back(seconds(start) * 1e6);
  }
  std::sort(took_us->begin(), took_us->end());
  return RVE_OK;
}

int runBench(const Args& args) {
  const bool json = args.json();
  const Plan plan = {args.integer("rows", 10000), args.integer("first", 0),
                     args.integer("queries", 1000),
                     static_cast<uint32_t>(args.integer("batch", 100)),
                     static_cast<uint32_t>(args.integer("dims", 128))};
  const uint64_t seed = args.integer("seed", 1);
  TemporaryStore temporary;
  if (args.positional().empty() && !temporary.make()) {
    return failedAs(kFailed, "ERR_IO", "Cannot make a folder. Try: set TMPDIR", json);
  }
  const std::string path = args.positional().empty() ? temporary.path() : args.positional();
  rve_options options = openOptions(args);
  options.dimensions = plan.dimensions;
  const Cloud cloud(seed, plan.dimensions);
  Memory memory;
  rve_status status = memory.open(path.c_str(), options);
  auto start = std::chrono::steady_clock::now();
  if (status == RVE_OK) status = insertAll(memory.get(), cloud, plan);
  const double insert_s = seconds(start);
  start = std::chrono::steady_clock::now();
  if (status == RVE_OK && !args.has("unsettled")) status = rve_settle(memory.get());
  const double settle_s = seconds(start);
  start = std::chrono::steady_clock::now();
  if (status == RVE_OK) status = memory.finish();
  if (status == RVE_OK) status = memory.open(path.c_str(), readOnlyOptions());
  std::vector<double> took_us;
  if (status == RVE_OK) status = queryAll(memory.get(), cloud, {0, 0, 1, 1, plan.dimensions},
                                          &took_us);
  const double reopen_ms = seconds(start) * 1e3;
  took_us.clear();
  start = std::chrono::steady_clock::now();
  if (status == RVE_OK) status = queryAll(memory.get(), cloud, plan, &took_us);
  const double query_s = seconds(start);
  rve_statistics stats = {};
  stats.bytes = sizeof stats;
  if (status == RVE_OK) status = rve_stats(memory.get(), &stats);
  if (status != RVE_OK) return failed(status, json);
  const auto share = [&](double part) {
    if (took_us.empty()) return 0.0;
    return took_us[static_cast<size_t>(part * static_cast<double>(took_us.size() - 1))];
  };
  const double rate = static_cast<double>(plan.rows) / insert_s;
  const double per_second = static_cast<double>(plan.queries) / query_s;
  if (json) {
    Json out;
    out.add("rows", plan.rows).add("dimensions", uint64_t{plan.dimensions}).add("seed", seed);
    out.add("insertPerS", rate).add("settleS", settle_s).add("reopenMs", reopen_ms);
    out.add("queryPerS", per_second).add("queryP50Us", share(0.5)).add("queryP99Us", share(0.99));
    out.add("live", stats.live).add("fileBytes", stats.file_bytes);
    std::printf("%s\n", out.text().c_str());
    return kFine;
  }
  std::printf("insert   %.0f vectors/s (%" PRIu64 " of %u numbers, batches of %u, seed %" PRIu64
              ")\n", rate, plan.rows, plan.dimensions, plan.batch, seed);
  std::printf("settle   %.2f s\nreopen   %.1f ms, with the first answer\n", settle_s, reopen_ms);
  std::printf("query    %.0f/s, p50 %.0f us, p99 %.0f us\n", per_second, share(0.5), share(0.99));
  std::printf("file     %" PRIu64 " bytes, %" PRIu64 " live\n", stats.file_bytes, stats.live);
  return kFine;
}

}  // namespace

Command benchCommand() {
  Command command = {"bench", "[STORE]",
                     "Builds a store of made-up vectors, reopens and asks it. Without STORE in a "
                     "temporary file.", createOptions(), runBench};
  const Option more[] = {
      {"rows", Kind::kInteger, "Vectors to insert (10000).", 0, 1e9},
      {"first", Kind::kInteger, "Number of the first one (0): a store can be built in parts.", 0,
       1e9},
      {"queries", Kind::kInteger, "Queries (1000).", 1, 1e6},
      {"batch", Kind::kInteger, "Rows an insert (100).", 1, 65536},
      {"seed", Kind::kInteger, "Of the vectors (1).", 0, 1e15},
      {"unsettled", Kind::kFlag, "Do not wait for the background before asking."},
  };
  command.options.insert(command.options.end(), std::begin(more), std::end(more));
  return command;
}

}  // namespace rve::cli
