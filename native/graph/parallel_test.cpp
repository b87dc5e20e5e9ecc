// Builds by several threads: as good as by one, whatever their turns were.
#include <thread>

#include "graph/test_kit.hpp"

namespace rve {
namespace {

using namespace graph_test;

LargeBytes buildBy(uint32_t threads, const NavSpace& space, const GraphParams& params) {
  GraphBuilder builder;
  CHECK_OK(builder.begin(space, params));
  uint32_t inserted = 0;
  while (!builder.done()) inserted += builder.stepParallel(1700, threads, nullptr);
  CHECK_EQ(inserted, space.rows);
  return builder.finish();
}

double recallOf(const GraphView& view, const NavSpace& space, uint32_t ef) {
  NavRowQueries rows(space);
  GraphRecall out;
  CHECK_OK(auditRecall(view, rows.queries(), {.queries = 400, .seed = 7, .ef = ef}, &out));
  CHECK_EQ(out.queries, std::min(400u, space.rows));
  return out.recall();
}

TEST(a_build_by_several_threads_is_sound_and_finds_as_much_as_by_one) {
  SplitMix random(41);
  const Grid grid = clustered(random, 6000);
  const GraphParams params{.links = 16, .ef_construction = 64, .seed = 3};
  const LargeBytes serial = build(grid.space(), params);
  const double want = recallOf(open(serial), grid.space(), 64);
  for (const uint32_t threads : {2u, 4u}) {
    const LargeBytes graph = buildBy(threads, grid.space(), params);
    GraphAudit audit;
    REQUIRE_OK(auditGraph(open(graph), &audit));
    CHECK(audit.sound());
    CHECK_EQ(audit.reachable, grid.rows);
    CHECK(recallOf(open(graph), grid.space(), 64) >= want - 0.005);
  }
}

TEST(one_thread_gives_the_bytes_of_step) {
  SplitMix random(42);
  const Grid grid = clustered(random, 1500);
  const GraphParams params{.links = 8, .ef_construction = 40, .seed = 5};
  const LargeBytes a = build(grid.space(), params);
  const LargeBytes b = buildBy(1, grid.space(), params);
  CHECK(a.bytes == b.bytes && std::equal(a.data.get(), a.data.get() + a.bytes, b.data.get()));
}

TEST(graphs_of_any_small_size_and_crowds_of_equal_rows_are_sound_by_many_threads) {
  SplitMix random(43);
  for (const uint32_t rows : {1u, 2u, 3u, 17u, 100u, 600u}) {
    Grid grid = clustered(random, rows);
    const Grid source = grid;
    for (uint32_t copy = 0; copy < rows; ++copy) grid.addCopy(source, copy % 3 % rows);
    const GraphParams params{.links = 2 + rows % 5, .ef_construction = 8, .seed = 3};
    const LargeBytes graph = buildBy(8, grid.space(), params);
    GraphAudit audit;
    REQUIRE_OK(auditGraph(open(graph), &audit));
    CHECK(audit.sound());
    CHECK_EQ(audit.reachable, grid.rows);
  }
}

TEST(threads_that_are_stopped_leave_a_build_that_goes_on) {
  SplitMix random(44);
  const Grid grid = clustered(random, 2500);
  GraphBuilder builder;
  REQUIRE_OK(builder.begin(grid.space(), {.links = 8, .ef_construction = 40}));
  std::atomic<bool> stop{true};
  CHECK_EQ(builder.stepParallel(1000, 3, &stop), 0u);
  CHECK_EQ(builder.rowsWaiting(), 2500u);
  stop = false;
  CHECK_EQ(builder.stepParallel(1000, 3, &stop), 1000u);
  CHECK_EQ(builder.step(5, &stop), 5u);
  CHECK_EQ(builder.rowsWaiting(), 1495u);
  // Stopped whenever the machine pleases: what is reported is what is done.
  std::thread stopper([&] { stop = true; });
  const uint32_t inserted = builder.stepParallel(5000, 3, &stop);
  stopper.join();
  CHECK_EQ(builder.rowsWaiting(), 1495u - inserted);
  while (!builder.done()) builder.stepParallel(5000, 3, nullptr);
  const LargeBytes graph = builder.finish();
  GraphAudit audit;
  REQUIRE_OK(auditGraph(open(graph), &audit));
  CHECK(audit.sound());
  CHECK_EQ(audit.reachable, grid.rows);
}

TEST(a_merge_by_several_threads_keeps_recall) {
  SplitMix random(45);
  const Grid grid = clustered(random, 4000);
  Grid old_grid;
  for (uint32_t row = 0; row < 2000; ++row) old_grid.addCopy(grid, row);
  const GraphParams params{.links = 12, .ef_construction = 64, .seed = 5};
  const LargeBytes old_graph = build(old_grid.space(), params);
  std::vector<uint32_t> map;
  Grid merged;
  for (uint32_t row = 0; row < 4000; ++row) {
    const bool dead = row % 4 == 0;
    if (row < 2000) map.push_back(dead ? kNoRow : merged.rows);
    if (!dead) merged.addCopy(grid, row);
  }
  GraphBuilder builder;
  REQUIRE_OK(builder.beginFrom(merged.space(), params, open(old_graph), map));
  while (!builder.done()) builder.stepParallel(5000, 2, nullptr);
  const LargeBytes graph = builder.finish();
  GraphAudit audit;
  REQUIRE_OK(auditGraph(open(graph), &audit));
  CHECK(audit.sound());
  CHECK_EQ(audit.reachable, merged.rows);
  CHECK(recallOf(open(graph), merged.space(), 64) >= 0.97);
}

TEST(a_recall_audit_sees_a_graph_that_finds_little_and_counts_unreadable_rows) {
  SplitMix random(46);
  const Grid grid = clustered(random, 3000);
  LargeBytes graph = build(grid.space(), {.links = 8, .ef_construction = 40});
  const GraphView view = open(graph);
  const double whole = recallOf(view, grid.space(), 40);
  // Every list keeps its first two links only.
  for (uint32_t row = 0; row < 3000; ++row) {
    for (uint32_t slot = 2; slot < 16; ++slot) {
      store<uint32_t>({graph.data.get(), graph.bytes}, view.flatOffset(0, row) + 4 * slot, kNoRow);
    }
  }
  CHECK(whole >= 0.95);
  CHECK(recallOf(view, grid.space(), 40) < whole - 0.1);
  GraphAudit audit;
  REQUIRE_OK(auditGraph(view, &audit));
  CHECK(audit.degreeMax() <= 2 && audit.degreeMean() <= 2);
  CHECK(audit.degreeMin() <= audit.degreeMax());
  Pages pages;
  pages.bad = 3;
  NavRowQueries rows(grid.space(), pages.guard(0));
  GraphRecall out;
  REQUIRE_OK(auditRecall(view, rows.queries(), {.queries = 600}, &out));
  CHECK(out.unreadable > 0 && out.unreadable < 200);
  CHECK_EQ(out.queries + out.unreadable, 600u);
  CHECK(rows.unreadable() > 0);
  CHECK(auditRecall(view, rows.queries(), {.k = 65}, &out).code() == Code::kArgument);
}

}  // namespace
}  // namespace rve
