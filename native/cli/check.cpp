#include <cinttypes>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/report.hpp"

namespace rve::cli {
namespace {

class Report {
 public:
  ~Report() { rve_check_report_free(found); }
  rve_check_report* found = nullptr;
};

std::string list(const char* const* texts, uint32_t count) {
  std::string out = "[";
  for (uint32_t i = 0; i < count; ++i) out += (i == 0 ? "" : ",") + quoted(texts[i]);
  return out + "]";
}

int runCheck(const Args& args) {
  const char* path = args.positional().c_str();
  Memory memory;
  Report report;
  rve_status status = memory.open(path, readOnlyOptions());
  // A store that does not open is examined without opening it.
  if (status == RVE_OK) status = rve_check(memory.get(), args.has("deep"), &report.found);
  else if (status == RVE_ERR_CORRUPT || status == RVE_ERR_TRUNCATED) {
    status = rve_check_file(path, &report.found);
  }
  if (status != RVE_OK) return failed(status, args.json());
  const rve_check_report& found = *report.found;
  if (args.json()) {
    Json out;
    out.add("ok", found.ok != 0).raw("damaged", list(found.damaged, found.damaged_count));
    out.add("lost", found.lost).add("holes", found.holes);
    std::printf("%s\n", out.raw("notes", list(found.notes, found.note_count)).text().c_str());
  } else if (found.ok != 0) {
    std::printf("ok: every checksum holds%s\n",
                args.has("deep") ? ", and every graph is sound" : "");
  } else {
    for (uint32_t i = 0; i < found.damaged_count; ++i) {
      std::printf("damaged: %s\n", found.damaged[i]);
    }
    std::printf("%" PRIu64 " records lost, %" PRIu64 " holes in the log\n", found.lost,
                found.holes);
  }
  for (uint32_t i = 0; !args.json() && i < found.note_count; ++i) {
    std::printf("note: %s\n", found.notes[i]);
  }
  return found.ok != 0 ? kFine : kDamaged;
}

}  // namespace

Command checkCommand() {
  return {"check",
          "STORE",
          "Verifies every checksum of a store, writing nothing. Exit 3 when it is damaged.",
          {{"deep", Kind::kFlag, "Audit the neighbour graphs too."}},
          runCheck};
}

}  // namespace rve::cli
