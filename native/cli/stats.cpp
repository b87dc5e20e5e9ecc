#include <cinttypes>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/report.hpp"

namespace rve::cli {
namespace {

constexpr const char* kTiers[RVE_TIERS] = {"hot", "warm", "cool", "cold", "archive"};
constexpr const char* kMetrics[] = {"", "cosine", "l2", "ip"};

// Names as in memory.stats() of the JavaScript door.
struct Figure {
  const char* name;
  uint64_t rve_statistics::*field;
};
constexpr Figure kFigures[] = {
    {"live", &rve_statistics::live},
    {"tailRows", &rve_statistics::tail_rows},
    {"frozenRows", &rve_statistics::frozen_rows},
    {"linkedRows", &rve_statistics::linked_rows},
    {"deadRows", &rve_statistics::dead_rows},
    {"durableLsn", &rve_statistics::durable_lsn},
    {"nextId", &rve_statistics::next_id},
    {"fileBytes", &rve_statistics::file_bytes},
    {"fixedBytes", &rve_statistics::fixed_bytes},
    {"liveBytes", &rve_statistics::live_bytes},
    {"reclaimableBytes", &rve_statistics::reclaimable_bytes},
    {"holes", &rve_statistics::holes},
    {"lostRecords", &rve_statistics::lost_records},
};

int runStats(const Args& args) {
  Memory memory;
  rve_status status = memory.open(args.positional().c_str(), readOnlyOptions());
  rve_statistics stats = {};
  stats.bytes = sizeof stats;
  if (status == RVE_OK) status = rve_stats(memory.get(), &stats);
  if (status != RVE_OK) return failed(status, args.json());
  const bool degraded = (stats.flags & RVE_FLAG_DEGRADED) != 0;
  Json out, tiers;
  out.add("dimensions", uint64_t{stats.dimensions}).add("metric", kMetrics[stats.metric]);
  for (const Figure& figure : kFigures) out.add(figure.name, stats.*figure.field);
  for (uint32_t tier = 0; tier < RVE_TIERS; ++tier) {
    Json one;
    one.add("vectors", stats.tiers[tier].vectors).add("bytes", stats.tiers[tier].bytes);
    tiers.raw(kTiers[tier], one.text());
  }
  out.raw("tiers", tiers.text()).add("byteRatio", stats.byte_ratio).add("degraded", degraded);
  if (args.json()) {
    std::printf("%s\n", out.text().c_str());
    return kFine;
  }
  std::printf("dimensions        %u\nmetric            %s\n", stats.dimensions,
              kMetrics[stats.metric]);
  for (const Figure& figure : kFigures) {
    std::printf("%-17s %" PRIu64 "\n", figure.name, stats.*figure.field);
  }
  for (uint32_t tier = 0; tier < RVE_TIERS; ++tier) {
    std::printf("%-8s vectors  %" PRIu64 "\n", kTiers[tier], stats.tiers[tier].vectors);
  }
  std::printf("degraded          %s\n", degraded ? "yes" : "no");
  return kFine;
}

}  // namespace

Command statsCommand() {
  return {"stats", "STORE", "Prints the figures of a store.", {}, runStats};
}

}  // namespace rve::cli
