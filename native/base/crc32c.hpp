// CRC-32C (Castagnoli, RFC 3720 B.4; polynomial 0x1EDC6F41, reflected, init and final xor ~0).
// Any error burst of up to 32 bits is detected for certain. Hardware instructions where the CPU has
// them (SSE4.2, ARMv8 CRC), chosen at run time; slicing-by-8 elsewhere.
#pragma once
#include "base/bytes.hpp"

namespace rve {

// The checksum of `bytes`, continuing from `crc` (0 to start): crc32c(b, crc32c(a)) == crc32c(a ++
// b).
uint32_t crc32c(Bytes bytes, uint32_t crc = 0);

// The portable twin, for the test that compares the two.
uint32_t crc32cPortable(Bytes bytes, uint32_t crc = 0);

}  // namespace rve
