// Runs many histories, in as many processes as asked for, until enough crash states were checked.
#pragma once
#include <string>

#include "test/crash/world.hpp"

namespace rve::test {

struct EnumerateOptions {
  uint64_t states = 20'000;    // at least that many; checked states of all lanes together
  uint64_t seed = 1;           // history i has seed + i
  uint64_t histories_max = 0;  // 0: no other limit than `states`
  uint32_t lanes = 1;          // processes; 0: in this one (a debugger, a mutation)
  uint32_t seconds_max = 0;  // 0: none; else the lanes stop early, and `states` may not be reached
};

struct EnumerateResult {
  Tally tally;
  uint64_t histories = 0;
  double seconds = 0;
  std::string violation;  // the first one found; empty if none
};

// History number `index`: most at the tiny layout with random moments, every tenth short and
// exhaustive (every subset of up to 12 sectors at every moment), about one state in a hundred at
// the released layout; metrics vary.
struct History {
  Setup setup;
  WorldOptions options;
  uint64_t states_max = 0;
};
History historyOf(const OpenFunction& open, uint64_t index);

EnumerateResult enumerateCrashStates(const OpenFunction& open, const EnumerateOptions& options);

// "20,114 states (..."; one line for the test's output.
std::string summaryOf(const EnumerateResult& result);

}  // namespace rve::test
