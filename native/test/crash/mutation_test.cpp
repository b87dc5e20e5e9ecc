// Each rule R1 to R13, broken on purpose in every way that base/mutation.def names: the scenarios
// and the crash enumerator must notice each. Built with -DRVE_MUTATIONS only.
//
// RVE_MUTATION=kName runs one row of the table and prints what caught it.
#ifdef RVE_MUTATIONS

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/mutation.hpp"
#include "test/crash/directed.hpp"
#include "test/crash/enumerate.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

// A break that needs more seeds needs a scenario of its own.
constexpr uint64_t kHistoriesMax = 3000;
constexpr uint32_t kSecondsMax = 240;
constexpr uint64_t kFirstSeed = 0x5eed'0001;

struct Row {
  int rule;
  Mutation mutation;
  const char* name;
};

constexpr Row kTable[] = {
#define RVE_MUTATION(rule, name, what) {rule, Mutation::name, #name},
#include "base/mutation.def"
#undef RVE_MUTATION
};

// Runs a scenario in a child: under a mutation it may abort or hang, which counts as caught.
std::string runScenario(const Scenario& scenario) {
  constexpr size_t kBytes = 4096;
  void* shared = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return "";
  auto* message = static_cast<char*>(shared);
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kSecondsMax);
    std::snprintf(message, kBytes, "%s", scenario.run(&Engine::open).c_str());
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::string wrong = message;
  if (WIFSIGNALED(status)) wrong = "died by signal " + std::to_string(WTERMSIG(status));
  munmap(shared, kBytes);
  return wrong;
}

// What caught the active mutation: one line, empty if nothing did.
std::string caughtBy(int rule) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.rule != rule) continue;
    const std::string wrong = runScenario(scenario);
    if (!wrong.empty()) return std::string(scenario.name) + ": " + wrong;
  }
  EnumerateOptions options;
  options.states = ~uint64_t{0} / 4;
  options.histories_max = kHistoriesMax;
  options.seconds_max = kSecondsMax;
  options.seed = kFirstSeed;
  options.lanes = 2;
  const EnumerateResult result = enumerateCrashStates(&Engine::open, options);
  if (result.violation.empty()) return "";
  return "history " + std::to_string(result.histories) + ": " + result.violation;
}

}  // namespace

TEST(mutation_of_each_rule_is_caught) {
  const char* only = std::getenv("RVE_MUTATION");
  std::set<int> rules;
  for (const Row& row : kTable) {
    if (only != nullptr && std::strcmp(only, row.name) != 0) continue;
    rules.insert(row.rule);
    active_mutation = row.mutation;
    std::string caught = caughtBy(row.rule);
    active_mutation = Mutation::kNone;
    if (only == nullptr) caught = caught.substr(0, caught.find('\n')).substr(0, 140);
    std::printf("  R%-2d %-28s %s\n", row.rule, row.name,
                caught.empty() ? "NOT CAUGHT" : caught.c_str());
    std::fflush(stdout);
    CHECK_EQ(caught.empty() ? std::string(row.name) : "", std::string());
  }
  if (only == nullptr) CHECK_EQ(rules.size(), 13u);
}

// The same scenarios and the same seeds find nothing in the engine as it is.
TEST(mutation_free_engine_passes_what_catches_the_mutations) {
  for (const Scenario& scenario : scenarios()) CHECK_EQ(runScenario(scenario), std::string());
  EnumerateOptions options;
  options.histories_max = 40;
  options.states = ~uint64_t{0} / 4;
  options.seed = kFirstSeed;
  options.lanes = 2;
  const EnumerateResult result = enumerateCrashStates(&Engine::open, options);
  std::printf("  %s\n", summaryOf(result).c_str());
  CHECK_EQ(result.violation, std::string());
  CHECK_EQ(result.histories, 40u);
}

}  // namespace rve::test

#endif  // RVE_MUTATIONS
