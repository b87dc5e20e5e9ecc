#include "test/crash/enumerate.hpp"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "base/assert.hpp"

namespace rve::test {

namespace {

constexpr size_t kMessageBytes = 16 * 1024;
constexpr uint64_t kNoSeed = ~uint64_t{0};
constexpr uint32_t kHangSeconds = 20;  // One history takes far less: beyond it the engine hangs.

// What one lane tells its parent, in memory that both share: it survives a lane that aborts.
struct Report {
  uint64_t running;  // the history under way
  uint64_t histories;
  Tally tally;
  char violation[kMessageBytes];
};

double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// True once any lane has found something: the others need not go on.
bool anyViolation(const Report* reports, uint32_t lanes) {
  return std::any_of(reports, reports + lanes,
                     [](const Report& r) { return r.violation[0] != '\0'; });
}

void runLane(const OpenFunction& open, const EnumerateOptions& options, uint32_t lane,
             uint32_t lanes, Report* reports) {
  Report* report = &reports[lane];
  const auto start = std::chrono::steady_clock::now();
  const uint64_t wanted = options.states / lanes + 1;
  for (uint64_t index = lane;; index += lanes) {
    if (options.histories_max != 0 && index >= options.histories_max) break;
    if (report->tally.states >= wanted || anyViolation(reports, lanes)) break;
    if (options.seconds_max != 0 && secondsSince(start) > options.seconds_max) break;
    report->running = index;
    const History history = historyOf(open, index);
    World world(history.setup, history.options, options.seed + index);
    world.run(history.states_max);
    report->tally.add(world.tally());
    ++report->histories;
    if (world.violation().empty()) continue;
    std::snprintf(report->violation, kMessageBytes, "%s", world.violation().c_str());
    break;
  }
  report->running = kNoSeed;
}

std::string deathOf(int wait_status, const EnumerateOptions& options, const Report& report) {
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return "";
  return "the engine died (" +
         (WIFSIGNALED(wait_status) ? "signal " + std::to_string(WTERMSIG(wait_status))
                                   : "exit " + std::to_string(WEXITSTATUS(wait_status))) +
         ") in history " + std::to_string(report.running) + ", seed " +
         std::to_string(options.seed + report.running);
}

}  // namespace

History historyOf(const OpenFunction& open, uint64_t index) {
  History history;
  const bool real = index % 25 == 24;
  const uint64_t kind = index / 3 % 5;  // apart from the other choices
  history.setup = makeSetup(open, real);
  history.states_max = ~uint64_t{0};
  if (real) {
    history.options.moment_percent = 6;
    history.options.lives = 6;
    history.states_max = 160;
  } else if (index % 10 == 7) {
    history.options.moment_percent = 100;
    history.options.lives = 2;
    history.options.steps_max = 10;
    history.options.choices.exhaustive_sectors_max = 12;
    history.states_max = 1500;
  }
  // Tiers in two histories of three; World chooses a byte budget for each life.
  if (index % 3 != 0) history.setup.options.tiers.profile = Profile::kEdge;
  if (kind == 3) history.setup.options.metric = Metric::kCosine;
  if (kind == 4) history.setup.options.metric = Metric::kIp;
  return history;
}

EnumerateResult enumerateCrashStates(const OpenFunction& open, const EnumerateOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const uint32_t lanes = std::max(1u, options.lanes);
  void* shared = mmap(nullptr, sizeof(Report) * lanes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  RVE_ASSERT(shared != MAP_FAILED);
  auto* reports = static_cast<Report*>(shared);
  EnumerateResult result;
  if (options.lanes == 0) {
    runLane(open, options, 0, 1, reports);
  } else {
    std::fflush(stdout);
    std::vector<pid_t> children;
    for (uint32_t lane = 0; lane < lanes; ++lane) {
      const pid_t child = fork();
      RVE_ASSERT(child >= 0);
      if (child == 0) {
        if (options.seconds_max != 0) alarm(options.seconds_max + kHangSeconds);
        runLane(open, options, lane, lanes, reports);
        _exit(0);
      }
      children.push_back(child);
    }
    for (uint32_t lane = 0; lane < lanes; ++lane) {
      int wait_status = 0;
      RVE_ASSERT(waitpid(children[lane], &wait_status, 0) == children[lane]);
      const std::string death = deathOf(wait_status, options, reports[lane]);
      if (result.violation.empty()) result.violation = death;
    }
  }
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    result.tally.add(reports[lane].tally);
    result.histories += reports[lane].histories;
    if (result.violation.empty()) result.violation = reports[lane].violation;
  }
  munmap(shared, sizeof(Report) * lanes);
  result.seconds = secondsSince(start);
  return result;
}

std::string summaryOf(const EnumerateResult& result) {
  const Tally& t = result.tally;
  char line[400];
  std::snprintf(
      line, sizeof(line),
      "%llu crash states (+ %llu again under stronger promises, %llu after SIGKILL; of these %llu "
      "with "
      "a rotten slot, %llu written on) in %llu histories, %llu lives, %llu calls, %llu freezes, "
      "%llu "
      "links, %llu compactions, %llu recompressions, %llu checkpoints, %llu faults; %.1f s, %.0f states/s",
      static_cast<unsigned long long>(t.states), static_cast<unsigned long long>(t.repeats),
      static_cast<unsigned long long>(t.kills), static_cast<unsigned long long>(t.rots),
      static_cast<unsigned long long>(t.probes), static_cast<unsigned long long>(result.histories),
      static_cast<unsigned long long>(t.lives), static_cast<unsigned long long>(t.calls),
      static_cast<unsigned long long>(t.freezes), static_cast<unsigned long long>(t.links),
      static_cast<unsigned long long>(t.compactions),
      static_cast<unsigned long long>(t.recompressions),
      static_cast<unsigned long long>(t.checkpoints), static_cast<unsigned long long>(t.faults),
      result.seconds, static_cast<double>(t.states) / std::max(result.seconds, 0.001));
  return line;
}

}  // namespace rve::test
