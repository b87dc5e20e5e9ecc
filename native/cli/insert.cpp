#include <cinttypes>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/report.hpp"
#include "cli/rows.hpp"

namespace rve::cli {
namespace {

// Prints ids as the program that waits for them may read them at once: they are durable.
bool printAcknowledged(const std::vector<int64_t>& ids, uint64_t lsn) {
  std::printf("ack %" PRIu64, lsn);
  for (const int64_t id : ids) std::printf(" %" PRId64, id);
  std::printf("\n");
  return flushed();
}

int runInsert(const Args& args) {
  const bool json = args.json();
  const auto format = static_cast<Format>(args.choice("format", 0));
  const auto batch_rows = static_cast<uint32_t>(args.integer("batch", 256));
  rve_options options = openOptions(args);
  Memory memory;
  Rows rows;
  // An existing store knows its dimensions; a new one may take them from the first line.
  rve_status status = memory.open(args.positional().c_str(), options);
  rve_statistics stats = {};
  stats.bytes = sizeof stats;
  if (status == RVE_OK) status = rve_stats(memory.get(), &stats);
  const bool unknown = options.dimensions == 0 &&
                       (status == RVE_ERR_DIMENSIONS || status == RVE_ERR_OPTION);
  if (status != RVE_OK && !(unknown && format == Format::kCsv)) return failed(status, json);
  if (!rows.open(args.text("file", "-"), format, stats.dimensions)) {
    return failedAs(kFailed, "ERR_IO", rows.error(), json);
  }
  rve_insert_options insert;
  rve_insert_options_init(&insert);
  insert.source = args.text("source", nullptr);
  const char* label = args.text("label", nullptr);
  insert.labels = &label;
  insert.label_count = label == nullptr ? 0 : 1;
  std::vector<float> matrix;
  std::vector<int64_t> ids;
  uint64_t inserted = 0, lsn = 0;
  while (true) {
    if (!rows.read(batch_rows, &matrix)) return failedAs(kFailed, "ERR_VECTOR", rows.error(), json);
    if (matrix.empty()) break;
    if (memory.get() == nullptr) {
      options.dimensions = rows.dimensions();
      status = memory.open(args.positional().c_str(), options);
      if (status != RVE_OK) return failed(status, json);
    }
    ids.resize(matrix.size() / rows.dimensions());
    status = rve_insert(memory.get(), matrix.data(), static_cast<uint32_t>(ids.size()), &insert,
                        ids.data(), &lsn);
    if (status != RVE_OK) return failed(status, json);
    inserted += ids.size();
    if (args.has("acks") && !printAcknowledged(ids, lsn)) return kFailed;
  }
  status = memory.finish();
  if (status != RVE_OK) return failed(status, json);
  if (json) {
    Json out;
    std::printf("%s\n", out.add("inserted", inserted).add("lsn", lsn).text().c_str());
  } else {
    std::printf("%" PRIu64 " inserted\n", inserted);
  }
  return kFine;
}

}  // namespace

Command insertCommand() {
  Command command = {
      "insert", "STORE", "Stores vectors from stdin or a file; creates the store where it is "
      "missing.", createOptions(), runInsert};
  const Option more[] = {
      {"file", Kind::kText, "Read from this file in place of stdin."},
      {"format", Kind::kChoice, "f32 (default): raw little-endian; csv: one vector a line.", 0, 0,
       kFormats},
      {"batch", Kind::kInteger, "Rows that become durable together (256).", 1, 65536},
      {"source", Kind::kText, "Who sent them."},
      {"label", Kind::kText, "Label of all of them."},
      {"acks", Kind::kFlag, "Print `ack LSN ID...` for each batch once it is durable."},
  };
  command.options.insert(command.options.end(), std::begin(more), std::end(more));
  return command;
}

}  // namespace rve::cli
