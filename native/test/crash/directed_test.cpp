// Each rule's scenario on the engine as it is. That each can fail is shown by mutation_test.cpp.
#include "test/crash/directed.hpp"
#include "test/test.hpp"

namespace rve::test {
namespace {

void runRule(int rule, size_t scenarios_min) {
  size_t ran = 0;
  for (const Scenario& scenario : scenarios()) {
    if (scenario.rule != rule) continue;
    ++ran;
    const std::string wrong = scenario.run(&Engine::open);
    CHECK_EQ(std::string(scenario.name) + ": " + wrong, std::string(scenario.name) + ": ");
  }
  CHECK(ran >= scenarios_min);
}

}  // namespace

TEST(a_held_version_keeps_its_bytes_while_their_chunks_would_be_reused) { runRule(6, 1); }
TEST(a_full_store_can_still_forget_and_checkpoint_and_then_takes_inserts_again) { runRule(7, 1); }
TEST(a_stale_group_of_an_earlier_life_never_validates_again) { runRule(8, 2); }
TEST(what_a_failed_sync_lost_is_not_trusted_after_a_restart) { runRule(9, 2); }
TEST(what_a_sigkill_left_is_made_durable_before_it_is_acknowledged) { runRule(10, 2); }
TEST(a_held_version_shows_one_state_and_a_later_one_the_next) { runRule(13, 2); }

}  // namespace rve::test
