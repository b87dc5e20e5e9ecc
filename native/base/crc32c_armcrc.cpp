#include <arm_acle.h>

#include "base/crc32c_hardware.hpp"

namespace rve {
namespace {

uint32_t step(uint32_t crc, uint64_t word) {
  return __crc32cd(crc, word);
}

}  // namespace

uint32_t crc32cArm(uint32_t crc, const std::byte* at, size_t bytes) {
  crc = crc32cThreeStreams(crc, at, bytes, step);
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    crc = step(crc, word);
  }
  for (; bytes > 0; --bytes, ++at) crc = __crc32cb(crc, static_cast<uint8_t>(*at));
  return crc;
}

}  // namespace rve
