// Which vector extensions this CPU has, and this OS lets a program use. Asked of the OS, never
// tried: no signal handler, no file read. Decided anew at each call; keep the answer.
#pragma once

namespace rve {

// AVX2, FMA and F16C; and with them AVX-512 F, BW, VL, DQ, VNNI and VPOPCNTDQ (x86-64).
bool cpuHasAvx2();
bool cpuHasAvx512();

// SDOT and UDOT (AArch64). Plain NEON needs no question: it is part of the baseline.
bool cpuHasDotProduct();

// The vector extension V in its ratified version 1.0, at least 128 bits wide (RISC-V). The draft
// 0.7.1 of the T-Head C906 and C910, whose encodings differ, does not count.
bool cpuHasVector();

}  // namespace rve
