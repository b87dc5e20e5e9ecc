// Source marks against a reference that remembers every sequence.
#include <set>

#include "storage/marks.hpp"
#include "test/sim/sim_env.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

TEST(a_mark_knows_exactly_what_was_added_within_its_window) {
  SimRng rng(seed());
  SourceMarks marks;
  std::set<uint64_t> added;
  uint64_t high = 0;
  for (int step = 0; step < 3000; step++) {
    const uint64_t jump = rng.chance(2) ? rng.below(1500) : rng.below(4);
    const uint64_t sequence = rng.chance(30) && high > 2000 ? high - rng.below(1100) : high + jump;
    marks.add(1, 7, sequence);
    added.insert(sequence);
    high = std::max(high, sequence);
    for (int probe = 0; probe < 4; probe++) {
      const uint64_t asked = high + 2 - std::min(high, rng.below(1200));
      const bool in_window = asked <= high && high - asked <= SourceMarks::kWindow;
      CHECK_EQ(marks.contains(1, 7, asked), in_window && added.contains(asked));
    }
  }
}

TEST(a_sequence_older_than_the_window_is_unknown_so_that_nothing_is_lost) {
  SourceMarks marks;
  for (uint64_t i = 0; i < 3000; i++) marks.add(1, 1, i);
  CHECK(marks.contains(1, 1, 2999));
  CHECK(marks.contains(1, 1, 2999 - SourceMarks::kWindow));
  CHECK(!marks.contains(1, 1, 2999 - SourceMarks::kWindow - 1));
  CHECK(!marks.contains(1, 1, 3000));
}

TEST(marks_of_other_boots_and_sources_do_not_mix) {
  SourceMarks marks;
  marks.add(1, 1, 5);
  CHECK(!marks.contains(1, 2, 5));
  CHECK(!marks.contains(2, 1, 5));
}

TEST(the_least_recently_used_mark_leaves_first) {
  SourceMarks marks;
  for (uint32_t i = 0; i < SourceMarks::kMarksMax; i++) marks.add(i + 1, 0, 1);
  marks.add(1, 0, 2);  // used again
  marks.add(99999, 0, 1);
  CHECK_EQ(marks.size(), SourceMarks::kMarksMax);
  CHECK(marks.contains(1, 0, 1));
  CHECK(!marks.contains(2, 0, 1));
}

TEST(marks_survive_encoding_with_their_age_and_their_bitmap) {
  SimRng rng(seed());
  SourceMarks marks;
  for (uint64_t i = 0; i < 1200; i++) marks.add(1, 0, i);  // a full window: no bitmap
  for (int i = 0; i < 200; i++) marks.add(2, 0, rng.below(900));
  marks.add(3, 0, 1ull << 53);
  WireWriter out;
  marks.encode(&out);
  SourceMarks back;
  WireReader in(out.bytes());
  REQUIRE(back.decode(&in));
  CHECK(in.atEnd());
  for (uint64_t i = 0; i < 1300; i++) {
    CHECK_EQ(back.contains(1, 0, i), marks.contains(1, 0, i));
    CHECK_EQ(back.contains(2, 0, i), marks.contains(2, 0, i));
  }
  CHECK(back.contains(3, 0, 1ull << 53));
  WireWriter again;
  back.encode(&again);
  CHECK(std::equal(again.bytes().begin(), again.bytes().end(), out.bytes().begin(),
                   out.bytes().end()));
}

TEST(marks_refuse_a_count_that_lies_and_a_mark_that_comes_twice) {
  WireWriter lie;
  lie.putVarint(1ull << 40);
  WireReader lying(lie.bytes());
  CHECK(!SourceMarks().decode(&lying));
  WireWriter twice;
  twice.putVarint(2);
  for (int i = 0; i < 2; i++) {
    twice.put(uint32_t{1});
    twice.put(uint32_t{1});
    twice.put(uint64_t{5});
    twice.put(uint8_t{0});
  }
  WireReader in(twice.bytes());
  CHECK(!SourceMarks().decode(&in));
}

}  // namespace
}  // namespace rve::test
