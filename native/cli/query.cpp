#include <chrono>
#include <cinttypes>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/report.hpp"
#include "cli/rows.hpp"

namespace rve::cli {
namespace {

constexpr uint32_t kVectorsAtOnce = 256;

struct Asked {
  rve_memory* memory;
  rve_query_options options;
  bool json, degraded;
};

int ask(const Asked& asked, const float* vector) {
  int64_t ids[RVE_K_MAX];
  float scores[RVE_K_MAX];
  uint32_t count = 0;
  const auto start = std::chrono::steady_clock::now();
  const rve_status status = rve_query(asked.memory, vector, &asked.options, ids, scores, &count);
  if (status != RVE_OK) return failed(status, asked.json);
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
  if (!asked.json) {
    for (uint32_t i = 0; i < count; ++i) {
      std::printf("%" PRId64 "\t%.6g\n", ids[i], static_cast<double>(scores[i]));
    }
    return kFine;
  }
  std::string id_list = "[", score_list = "[";
  for (uint32_t i = 0; i < count; ++i) {
    const char* comma = i == 0 ? "" : ",";
    id_list += comma + std::to_string(ids[i]);
    score_list += comma + shortest(scores[i]);
  }
  Json out;
  out.raw("ids", id_list + "]").raw("scores", score_list + "]").add("latencyUs", took.count());
  std::printf("%s\n", out.add("degraded", asked.degraded).text().c_str());
  return kFine;
}

int askAll(const Asked& asked, uint32_t dimensions, const Args& args) {
  Rows rows;
  if (!rows.open(args.text("file", "-"), static_cast<Format>(args.choice("format", 0)),
                 dimensions)) {
    return failedAs(kFailed, "ERR_IO", rows.error(), asked.json);
  }
  std::vector<float> matrix;
  while (true) {
    if (!rows.read(kVectorsAtOnce, &matrix)) {
      return failedAs(kFailed, "ERR_VECTOR", rows.error(), asked.json);
    }
    if (matrix.empty()) return kFine;
    for (size_t at = 0; at < matrix.size(); at += dimensions) {
      const int exit_code = ask(asked, matrix.data() + at);
      if (exit_code != kFine) return exit_code;
    }
  }
}

int runQuery(const Args& args) {
  const bool json = args.json();
  if (args.has("vector") == args.has("file")) {
    return failedAs(kUsage, "ERR_USAGE", "query: give either --vector or --file.", json);
  }
  if (args.has("ef") && args.has("recall")) {
    return failedAs(kUsage, "ERR_USAGE", "query: give either --ef or --recall.", json);
  }
  Memory memory;
  rve_status status = memory.open(args.positional().c_str(), readOnlyOptions());
  rve_statistics stats = {};
  stats.bytes = sizeof stats;
  if (status == RVE_OK) status = rve_stats(memory.get(), &stats);
  if (status != RVE_OK) return failed(status, json);
  Asked asked = {memory.get(), {}, json, (stats.flags & RVE_FLAG_DEGRADED) != 0};
  rve_query_options_init(&asked.options);
  asked.options.k = static_cast<uint32_t>(args.integer("k", 10));
  asked.options.ef = static_cast<uint32_t>(args.integer("ef", 0));
  asked.options.recall = static_cast<float>(args.number("recall", 0));
  asked.options.source = args.text("source", nullptr);
  const char* label = args.text("label", nullptr);
  asked.options.labels = &label;
  asked.options.label_count = label == nullptr ? 0 : 1;
  if (!args.has("vector")) return askAll(asked, stats.dimensions, args);
  std::vector<float> vector;
  if (!parseNumbers(args.text("vector", ""), &vector)) {
    return failedAs(kUsage, "ERR_USAGE", "query: --vector holds what is no finite number.", json);
  }
  if (vector.size() != stats.dimensions) {
    return failedAs(kFailed, "ERR_DIMENSIONS",
                    "query: the vector has " + std::to_string(vector.size()) +
                        " numbers, the store " + std::to_string(stats.dimensions) + ".",
                    json);
  }
  return ask(asked, vector.data());
}

}  // namespace

Command queryCommand() {
  return {"query",
          "STORE",
          "Prints id and score of the nearest records, nearest first.",
          {{"vector", Kind::kText, "Numbers \"1,2,3\"."},
           {"file", Kind::kText, "Vectors of a file, or - for stdin, asked one after the other."},
           {"format", Kind::kChoice, "Of --file: f32 (default) or csv.", 0, 0, kFormats},
           {"k", Kind::kInteger, "Results (10).", 1, RVE_K_MAX},
           {"ef", Kind::kInteger, "Candidates: recall against latency.", 1, RVE_EF_MAX},
           {"recall", Kind::kNumber, "In place of --ef: the share of the true nearest to find.",
            0.5, 0.999},
           {"source", Kind::kText, "Only records of this source."},
           {"label", Kind::kText, "Only records with this label."}},
          runQuery};
}

}  // namespace rve::cli
