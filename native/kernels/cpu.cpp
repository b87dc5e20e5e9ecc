#include "kernels/cpu.hpp"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace rve {
namespace {

#if defined(__x86_64__)
// clang 16 has no name for it.
bool hasF16c() {
  constexpr unsigned kF16cBit = 1u << 29;  // of ECX in leaf 1
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & kF16cBit) != 0;
}
#endif

// Numbers of the Linux ABI, stated here because older headers lack them.
#if defined(__aarch64__)
// The compiler takes SDOT only with the whole of ARMv8.2-A: asked for as well is what it might use
// of that by itself, CRC32, atomics (LSE) and RDM. All CPUs with SDOT have them.
constexpr unsigned long kHwcapDotProduct =
    1ul << 20 | 1ul << 7 | 1ul << 8 | 1ul << 12;  // ASIMDDP, CRC32, ATOMICS, ASIMDRDM
#endif

#if defined(__riscv) && __riscv_xlen == 64
constexpr unsigned long kHwcapVector = 1ul << ('V' - 'A');
constexpr long kSysHwprobe = 258;          // riscv_hwprobe, Linux 6.4 and later
constexpr int64_t kKeyImaExt0 = 4;         // RISCV_HWPROBE_KEY_IMA_EXT_0
constexpr uint64_t kImaVector = 1u << 2;   // RISCV_HWPROBE_IMA_V: version 1.0, all harts
constexpr int kPrctlVectorControl = 70;    // PR_RISCV_V_GET_CONTROL, Linux 6.5 and later
constexpr int kVectorControlMask = 3;      // PR_RISCV_V_VSTATE_CTRL_CUR_MASK
constexpr int kVectorControlOff = 1;       // PR_RISCV_V_VSTATE_CTRL_OFF

struct HwprobePair {
  int64_t key;  // set to -1 by a kernel that does not know it
  uint64_t value;
};

// Tells version 1.0 from the draft 0.7.1 where the kernel is too old to say, and its vendor may
// have set the V bit for the draft. Both know VSETVLI by the same encoding and refuse an unknown
// type by the `vill` bit, without a trap. The type taken here, e8 m1 ta ma (0xC0), has the agnostic
// bits in places that the draft reserves. Requires: vector registers are switched on.
bool typeIsOfVersion1() {
  unsigned long type;
  asm volatile(
      ".4byte 0x0C0072D7\n"  // vsetvli t0, x0, e8, m1, ta, ma
      "csrr %0, 0xC21\n"  // vtype
      : "=r"(type)
      :
      : "t0");
  return type == 0xC0;
}
#endif

}  // namespace

bool cpuHasAvx2() {
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks the OS (XGETBV) whether it saves the wider registers.
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && hasF16c();
#else
  return false;
#endif
}

bool cpuHasAvx512() {
#if defined(__x86_64__)
  return cpuHasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq");
#else
  return false;
#endif
}

bool cpuHasDotProduct() {
#if defined(__aarch64__)
  // Where cores differ, Linux reports what all of them have.
  return (getauxval(AT_HWCAP) & kHwcapDotProduct) == kHwcapDotProduct;
#else
  return false;
#endif
}

bool cpuHasVector() {
#if defined(__riscv) && __riscv_xlen == 64
  // A process may have been started with vectors switched off, whatever the CPU has.
  const int control = prctl(kPrctlVectorControl, 0, 0, 0, 0);
  if (control >= 0 && (control & kVectorControlMask) == kVectorControlOff) return false;
  HwprobePair pair{kKeyImaExt0, 0};
  if (syscall(kSysHwprobe, &pair, 1, 0, nullptr, 0) == 0) {
    return pair.key == kKeyImaExt0 && (pair.value & kImaVector) != 0;
  }
  return (getauxval(AT_HWCAP) & kHwcapVector) != 0 && typeIsOfVersion1();
#else
  return false;
#endif
}

}  // namespace rve
