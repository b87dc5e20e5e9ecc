#include "base/crc32c.hpp"

#include <random>
#include <string>
#include <vector>

#include "test/test.hpp"

namespace rve {
namespace {

std::vector<std::byte> randomBytes(size_t count) {
  std::mt19937_64 rng(test::seed());
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng());
  return bytes;
}

// Straight from the definition, one bit at a time: shares nothing with the code under test.
uint32_t bitwise(Bytes bytes, uint32_t crc = 0) {
  crc = ~crc;
  for (std::byte byte : bytes) {
    crc ^= static_cast<uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

void checkBoth(Bytes bytes, uint32_t wanted) {
  CHECK_EQ(crc32c(bytes), wanted);
  CHECK_EQ(crc32cPortable(bytes), wanted);
}

// RFC 3720 B.4 prints the bytes of each CRC in wire order, lowest first.
TEST(crc32c_gives_the_answers_of_rfc_3720) {
  std::vector<std::byte> bytes(32, std::byte{0});
  checkBoth(bytes, 0x8a9136aa);
  std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
  checkBoth(bytes, 0x62a8ab43);
  for (size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(i);
  checkBoth(bytes, 0x46dd794e);
  for (size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
  checkBoth(bytes, 0x113fdb5c);
  const std::string digits = "123456789";
  checkBoth(bytesOf(digits.data(), digits.size()), 0xe3069283);
  checkBoth({}, 0);
}

TEST(crc32c_twins_agree_at_every_length_and_alignment) {
  const std::vector<std::byte> bytes = randomBytes(300);
  for (size_t start = 0; start < 16; ++start) {
    for (size_t length = 0; length <= 256; ++length) {
      const Bytes part = Bytes(bytes).subspan(start, length);
      const uint32_t wanted = bitwise(part);
      if (crc32c(part) != wanted || crc32cPortable(part) != wanted) {
        CHECK_EQ(start, size_t{999});  // Prints where.
        CHECK_EQ(length, size_t{999});
        return;
      }
    }
  }
  CHECK(true);
}

// Lengths around the blocks of the three-stream loop (3 x 2,048 bytes), where the streams are
// joined.
TEST(crc32c_twins_agree_around_the_stream_blocks) {
  const std::vector<std::byte> bytes = randomBytes(40'000);
  for (size_t base : {2048, 4096, 6144, 12288, 18432}) {
    for (size_t length = base - 9; length <= base + 9; ++length) {
      for (size_t start : {0, 1, 7}) {
        const Bytes part = Bytes(bytes).subspan(start, length);
        const uint32_t wanted = bitwise(part);
        CHECK_EQ(crc32c(part), wanted);
        CHECK_EQ(crc32cPortable(part), wanted);
      }
    }
  }
}

TEST(crc32c_of_two_parts_equals_that_of_the_whole) {
  const std::vector<std::byte> bytes = randomBytes(13'000);
  const uint32_t whole = crc32c(bytes);
  for (size_t cut : {size_t{0}, size_t{1}, size_t{7}, size_t{4096}, size_t{6145}, bytes.size()}) {
    const Bytes all(bytes);
    CHECK_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), whole);
    CHECK_EQ(crc32cPortable(all.subspan(cut), crc32cPortable(all.first(cut))), whole);
  }
}

TEST(crc32c_notices_every_single_flipped_bit_of_a_header) {
  std::vector<std::byte> bytes = randomBytes(64);
  const uint32_t before = crc32c(bytes);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const std::byte mask = static_cast<std::byte>(1u << (bit % 8));
    bytes[bit / 8] ^= mask;
    CHECK(crc32c(bytes) != before);
    bytes[bit / 8] ^= mask;
  }
}

}  // namespace
}  // namespace rve
