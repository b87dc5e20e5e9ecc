#include "kernels/kernels.hpp"

#include <cstdlib>

#include "kernels/tables.hpp"

namespace rve {
namespace {

// __builtin_cpu_supports also asks the OS (XGETBV) whether it saves the wider registers.
bool runnable([[maybe_unused]] std::string_view name) {
  if (name == "scalar") return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  if (name == "avx2") return avx2;
  if (name == "avx512") {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq");
  }
#endif
  return false;
}

// Slowest first.
const Kernels* const kTables[] = {
    &kKernelsScalar,
#if defined(__x86_64__)
    &kKernelsAvx2,
    &kKernelsAvx512,
#endif
};

const Kernels& choose() {
  const char* wanted = std::getenv("RVE_KERNELS");
  const Kernels* best = &kKernelsScalar;
  for (const Kernels* table : kTables) {
    if (!runnable(table->name)) break;
    best = table;
    if (wanted != nullptr && std::string_view(wanted) == table->name) break;
  }
  return *best;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

const Kernels* kernelsNamed(std::string_view name) {
  for (const Kernels* table : kTables) {
    if (name == table->name) return runnable(name) ? table : nullptr;
  }
  return nullptr;
}

}  // namespace rve
