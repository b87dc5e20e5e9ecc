// Rot: bytes of a small store change, or its end is missing. Opening must refuse, or say degraded,
// or show nothing but truth. Never a crash, never a record that was not stored.
//
// RVE_BUDGET=N sets the number of damaged images (default 6,000; 200,000 under RVE_VERIFY=1).
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_set>

#include "storage/layout.hpp"
#include "test/crash/checker.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

constexpr uint32_t kLanes = 2;
constexpr size_t kMessageBytes = 4096;

uint64_t budget() {
  const char* text = std::getenv("RVE_BUDGET");
  if (text != nullptr) return std::strtoull(text, nullptr, 0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 1'000;
#else
  return std::getenv("RVE_VERIFY") != nullptr ? 200'000 : 6'000;
#endif
}

constexpr uint64_t kHeatNowMs = 9 * 3'600'000;  // a record that nobody asks for is archived

Setup setupOf(bool in_tiers) {
  Setup setup = makeSetup(&Engine::open, false);
  if (in_tiers) setup.options.tiers.profile = Profile::kEdge;
  return setup;
}

// A store with everything in it: a linked and an unlinked segment, dead rows, a tail, symbols,
// marks, two slots. In tiers: the linked one is archived, with its originals beside the codes.
struct Specimen {
  explicit Specimen(bool in_tiers = false)
      : setup(setupOf(in_tiers)), checker(setup), disk(setup.disk) {
    std::unique_ptr<Engine> engine;
    SimRng rng(3);
    opened = checker.open(&disk, &clock, &rng, &engine);
    if (!opened.ok()) return;
    Driver driver(engine.get(), &model, Durability::kGroup);
    uint32_t serial = 1;
    for (int round = 0; round < 3; ++round) {
      for (int i = 0; i < 6; ++i) commit(&driver, rows(&serial, 3, i % 2 == 0 ? "arm" : "pump-1"));
      ModelCall forget;
      forget.kind = CallKind::kForget;
      forget.ids = {static_cast<uint64_t>(round * 18 + 1), static_cast<uint64_t>(round * 18 + 4)};
      commit(&driver, forget);
      bool did = false;
      if (round < 2) maintain(engine.get(), Job::kFreeze, &did);
      if (round < 1) maintain(engine.get(), Job::kLink, &did);
      if (round < 1 && in_tiers) {
        engine->setHeatNow(kHeatNowMs);
        maintain(engine.get(), Job::kRecompress, &did);
        const uint64_t archived = engine->stats().tiers[4].rows;
        if (!did || archived == 0) wrong = "nothing is archived";
      }
      if (round < 2) maintain(engine.get(), Job::kCheckpoint, &did);
    }
    if (wrong.empty()) wrong = driver.violation();
  }

  void maintain(Engine* engine, Job job, bool* did) {
    const Status status = engine->maintain(job, did);
    if (!status.ok()) wrong = "maintain() answers " + status.message();
  }

  ModelCall rows(uint32_t* serial, int count, const char* source) {
    ModelCall call;
    call.source = source;
    for (int i = 0; i < count; ++i) {
      ModelRow row = makeRow((*serial)++, source, clock.wallMs());
      row.has_sequence = true;
      row.sequence = *serial;
      call.rows.push_back(row);
    }
    return call;
  }

  void commit(Driver* driver, const ModelCall& call) {
    driver->submit(call);
    driver->pump();
    for (const auto& [id, record] : model.now().live) genuine.insert(record.hash);
    before_last = last;
    last = model.now().hash;
  }

  Setup setup;
  Checker checker;
  SimDisk disk;
  SimClock clock;
  Model model;
  Status opened;
  std::string wrong;
  std::unordered_set<uint64_t> genuine;  // every record that ever was
  uint64_t last = 0, before_last = 0;    // states; rot of the newest group looks like a torn one
};

// Opens a damaged image and reads everything. Empty if it was refused, flagged, or harmless.
std::string inspect(const Specimen& specimen, SimDisk* disk, bool also_check, bool* detected) {
  SimClock clock;
  SimRng rng(5);
  std::unique_ptr<Engine> engine;
  const Status opened = specimen.checker.open(disk, &clock, &rng, &engine);
  *detected = !opened.ok();
  if (also_check) {
    engine.reset();
    CheckReport report;
    const Status checked = checkFile(*disk, specimen.setup.path, &report);
    if (!opened.ok() && checked.ok() && report.ok) {
      return "check finds nothing in a store that does not open";
    }
    return "";
  }
  if (!opened.ok()) return "";
  std::vector<Record> records;
  ScanCursor cursor;
  Status status;
  while (!cursor.end && status.ok() && records.size() < 1000) {
    std::vector<Record> part;
    status = engine->scan(Filter{}, 50, &cursor, &part);
    records.insert(records.end(), part.begin(), part.end());
  }
  uint64_t hash = 0;
  for (const Record& record : records) {
    const uint64_t one = modelRecordOf(record).hash;
    if (specimen.genuine.count(one) == 0) {
      return "record " + std::to_string(record.id) + " is not what was stored";
    }
    hash ^= one;
  }
  const Stats stats = engine->stats();
  *detected = !status.ok() || stats.degraded || stats.holes != 0;
  if (*detected) return "";
  QueryRequest request;
  request.vectors = {0.5f, -0.25f, 1.0f, 0.125f};
  request.with_embeddings = true;
  QueryResult result;
  if (!engine->query(request, nullptr, &result).ok() || result.degraded) {
    *detected = true;
    return "";
  }
  if (hash == specimen.last || hash == specimen.before_last) return "";
  std::string seen;
  for (const Record& record : records) seen += ' ' + std::to_string(record.id);
  return "records are missing or back from the dead, and nothing says so; seen:" + seen +
         "; tail " + std::to_string(stats.tail_rows) + ", segments " +
         std::to_string(stats.segments.size());
}

struct Report {
  uint64_t done, detected;
  char message[kMessageBytes];
};

// Damages image number i of `count` by `damage` (false: nothing to do), in lanes; returns the first
// violation.
template <typename Damage>
std::string sweep(const Specimen& specimen, uint64_t count, const Damage& damage, uint64_t* done,
                  uint64_t* detected) {
  void* shared = mmap(nullptr, sizeof(Report) * kLanes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return "no shared memory";
  auto* reports = static_cast<Report*>(shared);
  pid_t children[kLanes];
  std::fflush(stdout);
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    children[lane] = fork();
    if (children[lane] != 0) continue;
    Report* report = &reports[lane];
    SimDisk disk(specimen.setup.disk);
    for (uint64_t i = lane; i < count && report->message[0] == '\0'; i += kLanes) {
      disk.copyFrom(specimen.disk);
      const std::string what = damage(&disk, i);
      std::snprintf(report->message, kMessageBytes, "%s: died", what.c_str());
      alarm(20);
      bool seen = false;
      const std::string wrong = inspect(specimen, &disk, i % 16 == 15, &seen);
      ++report->done;
      report->detected += seen ? 1 : 0;
      if (wrong.empty()) report->message[0] = '\0';
      else std::snprintf(report->message, kMessageBytes, "%s: %s", what.c_str(), wrong.c_str());
    }
    _exit(0);
  }
  std::string first;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    int status = 0;
    waitpid(children[lane], &status, 0);
    *done += reports[lane].done;
    *detected += reports[lane].detected;
    if (first.empty()) first = reports[lane].message;
    if (first.empty() && status != 0) first = "a lane died";
  }
  munmap(shared, sizeof(Report) * kLanes);
  return first;
}

}  // namespace

namespace {

void changeBytes(const Specimen& specimen, uint64_t count) {
  REQUIRE_OK(specimen.opened);
  REQUIRE_EQ(specimen.wrong, std::string());
  const Bytes file = specimen.disk.peek(specimen.setup.path);
  // Places that hold something, headers first: the first 64 bytes of each page that is not all
  // zero.
  std::vector<uint32_t> headers, bodies;
  const uint32_t page = specimen.setup.options.layout.page_bytes;
  for (uint64_t at = 0; at + page <= file.size(); at += page) {
    const Bytes bytes = file.subspan(at, page);
    if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) {
      continue;
    }
    for (uint32_t i = 0; i < page; ++i) {
      (i < 192 ? headers : bodies).push_back(static_cast<uint32_t>(at + i));
    }
  }
  uint64_t done = 0, detected = 0;
  const std::string wrong = sweep(specimen, count, [&](SimDisk* disk, uint64_t i) {
    static constexpr uint8_t kMasks[] = {0xff, 0x01, 0x80, 0x10, 0x7f, 0x04};
    SimRng rng(i * 977 + 13);
    const auto& places = rng.chance(70) ? headers : bodies;
    const uint64_t place =
        count > 6 * places.size() ? i / 6 % places.size() : rng.below(places.size());
    const uint64_t at = places[place];
    const auto changed = disk->peek(specimen.setup.path)[at] ^ std::byte{kMasks[i % 6]};
    disk->poke(specimen.setup.path, at, {&changed, 1});
    return "byte " + std::to_string(at) + " ^ " + std::to_string(kMasks[i % 6]);
  }, &done, &detected);
  CHECK_EQ(wrong, std::string());
  CHECK_EQ(done, count);
  CHECK(detected > 0 && detected < done);
  std::printf("  %llu changed bytes, %llu detected, the others harmless\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(detected));
}

}  // namespace

TEST(no_changed_byte_makes_a_store_crash_or_lie) {
  Specimen specimen;
  specimen.disk.cutPower();
  changeBytes(specimen, budget());
}

TEST(no_changed_byte_makes_a_store_in_tiers_crash_or_lie) {
  Specimen specimen(true);
  specimen.disk.cutPower();
  changeBytes(specimen, budget() / 2);
}

TEST(no_truncation_makes_a_store_crash_or_lie) {
  Specimen specimen;
  REQUIRE_OK(specimen.opened);
  specimen.disk.cutPower();
  const uint64_t bytes = specimen.disk.fileBytes(specimen.setup.path);
  const uint64_t step = std::max<uint64_t>(1, bytes / std::min<uint64_t>(bytes / 64, budget()));
  uint64_t done = 0, detected = 0;
  const std::string wrong = sweep(specimen, bytes / step, [&](SimDisk* disk, uint64_t i) {
    disk->truncate(specimen.setup.path, i * step);
    return "cut to " + std::to_string(i * step) + " bytes";
  }, &done, &detected);
  CHECK_EQ(wrong, std::string());
  CHECK_EQ(done, bytes / step);
  CHECK(detected > 0);
}

}  // namespace rve::test
