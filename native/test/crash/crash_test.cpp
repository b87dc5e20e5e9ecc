// Power cuts at every kind of moment, on the real engine over a simulated disk.
//
// RVE_CRASH_STATES=N sets the count (default 20,000; 200,000 under RVE_VERIFY=1; fewer under a
// sanitizer), RVE_CRASH_SEED=S the first seed, RVE_CRASH_HISTORIES=N ends early, RVE_CRASH_LANES=0
// stays in this process. One failing seed again, alone: RVE_CRASH_INDEX=<history>
// RVE_CRASH_SEED=<first seed>.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "test/crash/enumerate.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kStatesDefault = 1'500;
#else
constexpr uint64_t kStatesDefault = 20'000;
#endif
constexpr uint64_t kStatesVerify = 200'000;

uint64_t numberFrom(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 0);
}

uint32_t cores() { return static_cast<uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN))); }

}  // namespace

// Method: World. After each visited moment every chosen crash state is opened by the engine and
// compared with the model: what was acknowledged is there, what is there is a prefix of what was
// sent.
TEST(a_power_cut_at_any_moment_leaves_a_prefix_with_every_acknowledged_call) {
  const uint64_t seed_first = numberFrom("RVE_CRASH_SEED", 1);
  const char* one = std::getenv("RVE_CRASH_INDEX");
  if (one != nullptr) {
    const uint64_t index = std::strtoull(one, nullptr, 0);
    const History history = historyOf(&Engine::open, index);
    World world(history.setup, history.options, seed_first + index);
    world.run(history.states_max);
    CHECK_EQ(world.violation(), std::string());
    return;
  }
  EnumerateOptions options;
  options.states = numberFrom(
      "RVE_CRASH_STATES", std::getenv("RVE_VERIFY") != nullptr ? kStatesVerify : kStatesDefault);
  options.seed = seed_first;
  options.histories_max = numberFrom("RVE_CRASH_HISTORIES", 0);
  options.lanes = static_cast<uint32_t>(numberFrom("RVE_CRASH_LANES", std::min(2u, cores())));
  const EnumerateResult result = enumerateCrashStates(&Engine::open, options);
  std::printf("  %s\n", summaryOf(result).c_str());
  CHECK_EQ(result.violation, std::string());
  if (options.histories_max == 0) CHECK(result.tally.states >= options.states);
  // The workload must reach what it is there for.
  const Tally& t = result.tally;
  if (t.states >= 1000) {
    CHECK(t.freezes > 0 && t.compactions > 0 && t.checkpoints > 0 && t.rots > 0);
    CHECK(t.recompressions > 0);
  }
}

}  // namespace rve::test
