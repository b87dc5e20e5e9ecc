#include "base/crc32c.hpp"

#include "base/crc32c_hardware.hpp"

#if defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

namespace rve {
namespace {

// Slicing-by-8 (Kounavis and Berry, 2005): row k holds the effect of a byte that k more bytes
// follow.
struct Tables {
  uint32_t row[8][256];
};

constexpr Tables makeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kCrc32cPolynomial : 0);
    tables.row[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    for (int k = 1; k < 8; ++k) {
      const uint32_t before = tables.row[k - 1][byte];
      tables.row[k][byte] = (before >> 8) ^ tables.row[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = makeTables();

uint32_t portable(uint32_t crc, const std::byte* at, size_t bytes) {
  const auto& row = kTables.row;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    word ^= crc;
    crc = row[7][word & 0xff] ^ row[6][(word >> 8) & 0xff] ^ row[5][(word >> 16) & 0xff] ^
          row[4][(word >> 24) & 0xff] ^ row[3][(word >> 32) & 0xff] ^ row[2][(word >> 40) & 0xff] ^
          row[1][(word >> 48) & 0xff] ^ row[0][word >> 56];
  }
  for (; bytes > 0; --bytes, ++at) {
    crc = (crc >> 8) ^ row[0][(crc ^ static_cast<uint32_t>(*at)) & 0xff];
  }
  return crc;
}

Crc32cKernel pick() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32cSse42;
#elif defined(__aarch64__)
  if ((getauxval(AT_HWCAP) & HWCAP_CRC32) != 0) return crc32cArm;
#endif
  return portable;
}

}  // namespace

uint32_t crc32c(Bytes bytes, uint32_t crc) {
  static const Crc32cKernel kernel = pick();
  return ~kernel(~crc, bytes.data(), bytes.size());
}

uint32_t crc32cPortable(Bytes bytes, uint32_t crc) {
  return ~portable(~crc, bytes.data(), bytes.size());
}

}  // namespace rve
