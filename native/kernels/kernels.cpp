#include "kernels/kernels.hpp"

#include <cstdlib>

#include "kernels/cpu.hpp"
#include "kernels/tables.hpp"

namespace rve {
namespace {

// A table, and whether this CPU and OS can run it.
struct Candidate {
  const Kernels* table;
  bool (*runnable)();
};

// Slowest first: who can run one can run all before it.
const Candidate kCandidates[] = {
    {&kKernelsScalar, [] { return true; }},
#if defined(__x86_64__)
    {&kKernelsAvx2, cpuHasAvx2},
    {&kKernelsAvx512, cpuHasAvx512},
#elif defined(__aarch64__)
    {&kKernelsNeon, [] { return true; }},
    {&kKernelsDotprod, cpuHasDotProduct},
#elif defined(RVE_HAS_RVV)
    {&kKernelsRvv, cpuHasVector},
#endif
};

const Kernels& choose() {
  const char* wanted = std::getenv("RVE_KERNELS");
  const Kernels* best = &kKernelsScalar;
  for (const Candidate& candidate : kCandidates) {
    if (!candidate.runnable()) break;
    best = candidate.table;
    if (wanted != nullptr && std::string_view(wanted) == best->name) break;
  }
  return *best;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

const Kernels* kernelsNamed(std::string_view name) {
  for (const Candidate& candidate : kCandidates) {
    if (name == candidate.table->name) return candidate.runnable() ? candidate.table : nullptr;
  }
  return nullptr;
}

}  // namespace rve
