#include "storage/wire.hpp"
#include "test/sim/sim_env.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

TEST(varints_round_trip_at_every_width) {
  WireWriter out;
  std::vector<uint64_t> values{0, ~uint64_t{0}};
  for (uint32_t bit = 0; bit < 64; bit++) {
    values.push_back(uint64_t{1} << bit);
    values.push_back((uint64_t{1} << bit) - 1);
  }
  for (const uint64_t value : values) out.putVarint(value);
  WireReader in(out.bytes());
  for (const uint64_t value : values) CHECK_EQ(in.getVarint(), value);
  CHECK(in.atEnd());
}

TEST(a_reader_past_its_end_fails_and_gives_zeros) {
  WireWriter out;
  out.put(uint32_t{5});
  WireReader in(out.bytes());
  CHECK_EQ(in.get<uint64_t>(), 0u);
  CHECK(in.failed());
  CHECK_EQ(in.get<uint8_t>(), 0u);  // stays failed, although a byte is left
  CHECK(!in.atEnd());
}

TEST(a_varint_without_end_fails) {
  WireWriter out;
  for (int i = 0; i < 11; i++) out.put(uint8_t{0xFF});
  WireReader in(out.bytes());
  in.getVarint();
  CHECK(in.failed());
}

TEST(a_count_or_length_beyond_the_input_fails_before_anything_is_allocated) {
  WireWriter out;
  out.putVarint(1ull << 60);
  WireReader count(out.bytes()), name(out.bytes()), bytes(out.bytes());
  CHECK_EQ(count.getCount(1), 0u);
  CHECK(count.failed());
  CHECK_EQ(name.getName(), std::string());
  CHECK(name.failed());
  CHECK(bytes.getBytes(~uint64_t{0}).empty());
  CHECK(bytes.failed());
}

TEST(random_reads_of_random_bytes_stay_inside) {
  SimRng rng(seed());
  uint64_t read = 0;
  for (int round = 0; round < 2000; round++) {
    std::vector<std::byte> bytes(rng.below(64));
    for (std::byte& b : bytes) b = static_cast<std::byte>(rng.next());
    WireReader in(bytes);
    for (int step = 0; step < 20 && !in.failed(); step++) {
      switch (rng.below(5)) {
        case 0: in.getVarint(); break;
        case 1: in.getName(); break;
        case 2: in.getCount(1 + rng.below(30)); break;
        case 3: in.get<uint64_t>(); break;
        default: in.getBytes(rng.below(80)); break;
      }
      CHECK(in.remaining() <= bytes.size());
      read++;
    }
  }
  CHECK(read > 2000);
}

}  // namespace
}  // namespace rve::test
