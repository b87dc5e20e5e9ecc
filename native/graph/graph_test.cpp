// Build, search, audit, merge, hostile bytes.
#include <set>

#include "graph/pack.hpp"
#include "graph/test_kit.hpp"

namespace rve {
namespace {

using namespace graph_test;

TEST(a_graph_search_finds_the_nearest_rows_and_every_row_is_in_reach) {
  SplitMix random(11);
  const Grid grid = clustered(random, 5000);
  const LargeBytes graph = build(grid.space(), {.links = 16, .ef_construction = 64, .seed = 3});
  const GraphView view = open(graph);
  GraphAudit audit;
  REQUIRE_OK(auditGraph(view, &audit));
  CHECK(audit.sound());
  CHECK_EQ(audit.reachable, 5000u);
  CHECK(recall(view, grid.space(), withEf(64)) >= 0.98);
  CHECK(recall(view, grid.space(), withEf(16)) >= 0.90);
  CHECK(view.entryCount() <= kGraphEntryMax);
}

TEST(a_graph_of_any_small_size_answers_exactly) {
  SplitMix random(12);
  for (const uint32_t rows : {1u, 2u, 3u, 17u, 100u, 512u}) {
    const Grid grid = clustered(random, rows);
    const LargeBytes graph = build(grid.space(), {.links = 4, .ef_construction = 8, .seed = 3});
    const GraphView view = open(graph);
    std::vector<int8_t> values(kDims);
    const NavQueryView query = navQueryFromRow(grid.space(), rows / 2, values.data());
    const Answer answer = search(view, grid.space(), query, withEf(10));
    TopRows top;
    top.reset(10);
    scanRecords(grid.space(), query, 0, rows, {}, {}, &top);
    REQUIRE_EQ(answer.rows.size(), top.sorted().size());
    for (size_t i = 0; i < answer.rows.size(); ++i) {
      CHECK_EQ(answer.rows[i].distance, top.sorted()[i].distance);
    }
  }
}

TEST(a_result_is_sorted_without_repeats_and_no_longer_than_ef) {
  SplitMix random(13);
  const Grid grid = clustered(random, 2000);
  const LargeBytes graph = build(grid.space(), {});
  const GraphView view = open(graph);
  std::vector<int8_t> values(kDims);
  for (uint32_t q = 0; q < 20; ++q) {
    const NavQueryView query = navQueryFromRow(grid.space(), q * 99, values.data());
    const Answer answer = search(view, grid.space(), query, withEf(40));
    CHECK_EQ(answer.rows.size(), size_t{40});
    std::set<uint32_t> seen;
    for (size_t i = 0; i < answer.rows.size(); ++i) {
      CHECK(i == 0 || answer.rows[i - 1].distance <= answer.rows[i].distance);
      CHECK(seen.insert(answer.rows[i].row).second);
    }
    CHECK(answer.stats.distances > 0 && answer.stats.skipped == 0);
  }
}

TEST(a_walk_with_a_bound_gives_up_what_is_beyond_it_and_little_before_it) {
  SplitMix random(rve::test::seed());
  const Grid grid = clustered(random, 4000);
  const NavSpace space = grid.space();
  const LargeBytes graph = build(space, {});
  const GraphView view = open(graph);
  std::vector<int8_t> values(kDims);
  uint32_t whole_expanded = 0, bound_expanded = 0, same = 0;
  for (uint32_t q = 0; q < 4000; q += 100) {
    const NavQueryView query = navQueryFromRow(space, q, values.data());
    const Answer whole = search(view, space, query, withEf(64));
    GraphSearchParams params = withEf(64);
    params.sure = 16;
    params.bound = whole.rows[20].distance;
    const Answer bound = search(view, space, query, params);
    whole_expanded += whole.stats.expanded;
    bound_expanded += bound.stats.expanded;
    REQUIRE(bound.rows.size() >= 10);
    for (size_t i = 0; i < 10; ++i) same += bound.rows[i].distance == whole.rows[i].distance;
    // With a filter there is no bound.
    params.bound = 0;
    params.filter = {EvenRows::accept, nullptr};
    CHECK_EQ(search(view, space, query, params).rows.size(), size_t{64});
  }
  CHECK(same > 380);
  CHECK(bound_expanded < whole_expanded / 2);
}

TEST(a_filter_withholds_rows_but_does_not_stop_the_walk) {
  SplitMix random(14);
  const Grid grid = clustered(random, 5000);
  const LargeBytes graph = build(grid.space(), {.links = 16, .ef_construction = 64, .seed = 3});
  const GraphView view = open(graph);
  GraphSearchParams params = withEf(32);
  params.filter.accept = EvenRows::accept;
  CHECK(recall(view, grid.space(), params) >= 0.95);
  std::vector<int8_t> values(kDims);
  const NavQueryView query = navQueryFromRow(grid.space(), 7, values.data());
  const Answer answer = search(view, grid.space(), query, params);
  CHECK_EQ(answer.rows.size(), size_t{32});
  for (const Scored& hit : answer.rows) CHECK_EQ(hit.row % 2, 0u);
  params.pool_max = 32;  // No room for stepping stones: fewer come back, and it ends.
  CHECK(search(view, grid.space(), query, params).rows.size() < 32);
}

TEST(the_same_seed_and_records_give_the_same_bytes_whatever_the_steps) {
  SplitMix random(15);
  const Grid grid = clustered(random, 1500);
  const GraphParams params{.links = 8, .ef_construction = 40, .seed = 5};
  const LargeBytes a = build(grid.space(), params);
  GraphBuilder builder;
  REQUIRE_OK(builder.begin(grid.space(), params));
  std::atomic<bool> stop{true};
  CHECK_EQ(builder.step(10, &stop), 0u);
  stop = false;
  CHECK_EQ(builder.step(1, &stop), 1u);
  CHECK_EQ(builder.rowsWaiting(), 1499u);
  while (!builder.done()) builder.step(1000, &stop);
  const LargeBytes b = builder.finish();
  CHECK(a.bytes == b.bytes && std::equal(a.data.get(), a.data.get() + a.bytes, b.data.get()));
  GraphParams other = params;
  other.seed = 6;
  const LargeBytes c = build(grid.space(), other);
  CHECK(a.bytes != c.bytes || !std::equal(a.data.get(), a.data.get() + a.bytes, c.data.get()));
  CHECK(a.bytes + 1500 * 6 <= GraphBuilder::bytesNeeded(1500, params));
}

// A machine at rest sends one vector over and over: equal rows must not wall themselves in.
TEST(thousands_of_equal_rows_stay_in_reach_and_do_not_hide_the_others) {
  SplitMix random(16);
  Grid grid = clustered(random, 1500);
  const Grid source = grid;
  for (uint32_t copy = 0; copy < 1500; ++copy) {
    grid.addCopy(source, 3);
    if (copy % 3 == 0) grid.addCopy(source, 700);
  }
  const LargeBytes graph = build(grid.space(), {.links = 8, .ef_construction = 40, .seed = 1});
  const GraphView view = open(graph);
  GraphAudit audit;
  REQUIRE_OK(auditGraph(view, &audit));
  CHECK(audit.sound());
  CHECK_EQ(audit.reachable, grid.rows);
  CHECK(recall(view, grid.space(), withEf(64)) >= 0.95);
}

struct Merge {
  Grid grid;
  std::vector<uint32_t> old_to_new;
  LargeBytes graph;
};

// The old rows that survive, `dead_of_8` in 8 of them being dead, interleaved with `added` new
// ones.
Merge merge(const Grid& old_grid, const GraphView& old, const Grid& added, uint32_t dead_of_8,
            const GraphParams& params) {
  Merge out;
  uint32_t next_added = 0;
  for (uint32_t row = 0; row < old_grid.rows; ++row) {
    if (next_added < added.rows && row % 3 == 0) out.grid.addCopy(added, next_added++);
    const bool dead = row * 2654435761u >> 29 < dead_of_8;
    out.old_to_new.push_back(dead ? kNoRow : out.grid.rows);
    if (!dead) out.grid.addCopy(old_grid, row);
  }
  GraphBuilder builder;
  CHECK_OK(builder.beginFrom(out.grid.space(), params, old, out.old_to_new));
  CHECK(builder.rowsWaiting() < next_added + out.grid.rows / 20 + 1);
  while (!builder.done()) builder.step(1000, nullptr);
  out.graph = builder.finish();
  return out;
}

TEST(a_merge_that_reuses_lists_keeps_recall_with_none_few_and_most_rows_dead) {
  SplitMix random(17);
  Grid grid = clustered(random, 6000);
  Grid old_grid;
  Grid added;
  for (uint32_t row = 0; row < 6000; ++row) {
    (row < 4500 ? old_grid : added).addCopy(grid, row);
  }
  const GraphParams params{.links = 12, .ef_construction = 64, .seed = 5};
  const LargeBytes old_graph = build(old_grid.space(), params);
  const GraphView old = open(old_graph);
  for (const uint32_t dead_of_8 : {0u, 1u, 4u, 7u}) {
    const Merge merged = merge(old_grid, old, added, dead_of_8, params);
    const GraphView view = open(merged.graph);
    GraphAudit audit;
    REQUIRE_OK(auditGraph(view, &audit));
    CHECK(audit.sound());
    CHECK_EQ(audit.reachable, merged.grid.rows);
    CHECK(recall(view, merged.grid.space(), withEf(64)) >= 0.97);
  }
}

// Rows of a few values at the smallest M: rows are lost, given a link and lost again, round by
// round.
TEST(crowds_of_equal_rows_at_small_m_give_sound_graphs_merge_after_merge) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SplitMix random(seed);
    const Grid values =
        clustered(random, 3 + static_cast<uint32_t>(random.next() % (10u << seed % 8)));
    const auto rows_of = [&](uint32_t rows) {
      Grid grid;
      while (grid.rows < rows)
        grid.addCopy(values, static_cast<uint32_t>(random.next() % values.rows));
      return grid;
    };
    const GraphParams params{.links = 2 + static_cast<uint32_t>(seed % 3),
                             .ef_construction = 4 + static_cast<uint32_t>(seed % 13),
                             .seed = seed};
    Grid grid = rows_of(200 + 100 * static_cast<uint32_t>(seed % 7));
    LargeBytes graph = build(grid.space(), params);
    for (uint32_t round = 0; round < 4; ++round) {
      const GraphView view = open(graph);
      GraphAudit audit;
      REQUIRE_OK(auditGraph(view, &audit));
      CHECK(audit.sound());
      CHECK_EQ(audit.reachable, grid.rows);
      Grid next;
      std::vector<uint32_t> map;
      for (uint32_t row = 0; row < grid.rows; ++row) {
        const bool dead = random.next() % 8 < (3 * round) % 8;
        map.push_back(dead ? kNoRow : next.rows);
        if (!dead) next.addCopy(grid, row);
      }
      const Grid added = rows_of(300);
      for (uint32_t row = 0; row < added.rows; ++row) next.addCopy(added, row);
      GraphBuilder builder;
      REQUIRE_OK(builder.beginFrom(next.space(), params, view, map));
      while (!builder.done()) builder.step(1000, nullptr);
      graph = builder.finish();
      grid = std::move(next);
    }
  }
}

TEST(a_merge_from_a_bad_graph_or_map_is_refused) {
  SplitMix random(18);
  const Grid grid = clustered(random, 600);
  const GraphParams params{.links = 8, .ef_construction = 20, .seed = 5};
  const LargeBytes graph = build(grid.space(), params);
  const GraphView view = open(graph);
  std::vector<uint32_t> map(600);
  for (uint32_t row = 0; row < 600; ++row) map[row] = row;
  GraphBuilder builder;
  CHECK_OK(builder.beginFrom(grid.space(), params, view, map));
  CHECK(builder.done());
  map[5] = 6;
  CHECK(builder.beginFrom(grid.space(), params, view, map).code() == Code::kArgument);
  map[5] = 600;
  CHECK(builder.beginFrom(grid.space(), params, view, map).code() == Code::kArgument);
  map.pop_back();
  CHECK(builder.beginFrom(grid.space(), params, view, map).code() == Code::kArgument);
  map.push_back(599);
  map[5] = 5;
  GraphParams other = params;
  other.links = 4;
  CHECK(builder.beginFrom(grid.space(), other, view, map).code() == Code::kArgument);
  store<uint32_t>({graph.data.get(), graph.bytes}, view.flatOffset(0, 9), 600);
  CHECK(builder.beginFrom(grid.space(), params, view, map).code() == Code::kCorrupt);
}

TEST(every_wrong_header_field_is_refused) {
  SplitMix random(19);
  const Grid grid = clustered(random, 700);
  const LargeBytes graph = build(grid.space(), {.links = 8, .ef_construction = 20, .seed = 5});
  REQUIRE(open(graph).levels() >= 2);
  const MutableBytes bytes{graph.data.get(), graph.bytes};
  GraphView view;
  // Every word of the header and of the first level's entry, changed in its low and its high bits.
  for (size_t at = 0; at < kGraphHeaderBytes + kGraphTableEntryBytes; at += 4) {
    const auto good = load<uint32_t>(bytes, at);
    for (const uint32_t flip : {1u, 0x80000000u, 0xFFFFFFFFu}) {
      store(bytes, at, good ^ flip);
      const Status status = GraphView::open(graph.view(), &view);
      // Only the entry level may be another one and still be well-formed.
      CHECK(!status.ok() || at == 24);
    }
    store(bytes, at, good);
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{63}, uint64_t{64}, graph.bytes - 64}) {
    CHECK(!GraphView::open(graph.view().first(size), &view).ok());
  }
  CHECK_OK(GraphView::open(graph.view(), &view));
}

// Method: flip bytes anywhere, open, search, audit and merge. Nothing may crash (ASan, UBSan in
// make verify), run on, or return a row out of range; what happens to recall is not the question.
TEST(hostile_graph_and_record_bytes_never_crash_or_leave_the_row_range) {
  SplitMix random(test::seed());
  Grid grid = clustered(random, 800);
  const LargeBytes good = build(grid.space(), {.links = 8, .ef_construction = 20, .seed = 5});
  std::vector<std::byte> saved(good.data.get(), good.data.get() + good.bytes);
  const std::vector<std::byte> saved_records = grid.records;
  std::vector<int8_t> values(kDims);
  std::vector<uint32_t> map(800);
  for (uint32_t row = 0; row < 800; ++row) map[row] = row % 5 == 0 ? kNoRow : row - row / 5 - 1;
  size_t opened = 0;
  for (int round = 0; round < 300; ++round) {
    const uint64_t first = round % 3 == 0 ? 0 : kGraphLevel0Offset;  // header too, at times
    for (uint64_t i = random.next() % 200 + 1; i > 0; --i) {
      good.data[first + random.next() % (good.bytes - first)] =
          static_cast<std::byte>(random.next());
      grid.records[random.next() % grid.records.size()] = static_cast<std::byte>(random.next());
    }
    GraphView view;
    if (GraphView::open(good.view(), &view).ok() && view.rows() == grid.rows) {
      ++opened;
      const NavQueryView query =
          navQueryFromRow(grid.space(), static_cast<uint32_t>(random.next() % 800), values.data());
      const Answer answer = search(view, grid.space(), query, withEf(30));
      for (const Scored& hit : answer.rows) CHECK(hit.row < grid.rows);
      GraphAudit audit;
      CHECK_OK(auditGraph(view, &audit));
      GraphBuilder builder;
      if (builder.beginFrom(grid.space(), {.links = 8, .ef_construction = 8}, view, map).ok()) {
        while (!builder.done()) builder.step(1000, nullptr);
        (void)builder.finish();
      }
    }
    std::copy(saved.begin(), saved.end(), good.data.get());
    grid.records = saved_records;
  }
  CHECK(opened >= 150);
}

TEST(a_page_is_verified_at_first_touch_once_and_a_bad_one_is_skipped) {
  SplitMix random(20);
  const Grid grid = clustered(random, 3000);
  const LargeBytes graph = build(grid.space(), {});
  const GraphView view = open(graph);
  Pages links;
  Pages records;
  GraphSearchParams params = withEf(32);
  std::vector<int8_t> values(kDims);
  const NavQueryView query = navQueryFromRow(grid.space(), 1234, values.data());
  const Answer want = search(view, grid.space(), query, params);
  params.links_guard = links.guard(8192);
  params.records_guard = records.guard(4096);
  for (int turn = 0; turn < 2; ++turn) {
    const Answer got = search(view, grid.space(), query, params);
    REQUIRE_EQ(got.rows.size(), want.rows.size());
    for (size_t i = 0; i < got.rows.size(); ++i) CHECK_EQ(got.rows[i].row, want.rows[i].row);
  }
  uint32_t touched = 0;
  for (const Pages* pages : {&links, &records}) {
    for (const uint32_t times : pages->asked) {
      CHECK(times <= 2);  // twice where a record straddles into a page seen alone before
      touched += times;
    }
  }
  CHECK(touched > 0);
  CHECK(links.asked[0] + links.asked[1] == 0);  // before the guarded bytes
  // The page of the nearest row's record goes bad: the row is not returned, the rest is.
  Pages rotten;
  rotten.bad = 1 + want.rows[0].row * Grid::kStride / 4096;
  params.records_guard = rotten.guard(4096);
  const Answer degraded = search(view, grid.space(), query, params);
  CHECK(degraded.stats.skipped > 0);
  CHECK(degraded.rows.empty() || degraded.rows[0].row != want.rows[0].row);
}

// A walk over bytes that were never read waits for a device once a step, not once a record or list.
TEST(a_walk_has_pages_read_before_it_touches_them) {
  SplitMix random(21);
  const Grid grid = clustered(random, 3000);
  const LargeBytes flat = build(grid.space(), {});
  LargeBytes packed;
  REQUIRE_OK(packGraph(open(flat), &packed));
  std::vector<int8_t> values(kDims);
  const NavQueryView query = navQueryFromRow(grid.space(), 1234, values.data());
  for (const LargeBytes* graph : {&flat, static_cast<const LargeBytes*>(&packed)}) {
    const GraphView view = open(*graph);
    Pages links, records;
    GraphSearchParams params = withEf(32);
    // Begun at rows, as a walk in tiers is: the upper levels are not looked at.
    const uint32_t entries[] = {7, 2900};
    params.entries = entries;
    params.entry_count = 2;
    params.links_guard = links.guard(0);
    params.records_guard = records.guard(0);
    const Answer got = search(view, grid.space(), query, params);
    CHECK_EQ(got.stats.skipped, 0u);
    CHECK_EQ(records.waited_for, 0u);
    // Only the directory of a packed graph, which is read whole when a store is opened.
    uint32_t directory_pages = 0;
    if (view.packed()) {
      directory_pages = 1 + static_cast<uint32_t>(
          view.packedLinks(0).directory(view.rows()).size() >> PageGuard::kPageShift);
    }
    CHECK(links.waited_for <= directory_pages);
  }
}

TEST(a_flat_scan_and_a_scan_of_listed_rows_agree_and_honour_the_guard) {
  SplitMix random(21);
  const Grid grid = clustered(random, 1000);
  std::vector<int8_t> values(kDims);
  const NavQueryView query = navQueryFromRow(grid.space(), 77, values.data());
  TopRows a;
  TopRows b;
  a.reset(20);
  b.reset(20);
  std::vector<uint32_t> listed;
  for (uint32_t row = 100; row < 900; row += 2) listed.push_back(row);
  scanRecords(grid.space(), query, 100, 800, {EvenRows::accept, nullptr}, {}, &a);
  scanRows(grid.space(), query, listed.data(), listed.size(), {}, &b);
  REQUIRE_EQ(a.sorted().size(), size_t{20});
  for (size_t i = 0; i < 20; ++i) CHECK_EQ(a.sorted()[i].row, b.sorted()[i].row);
  Pages pages;
  pages.bad = 2;
  TopRows c;
  c.reset(1000);
  const uint32_t withheld = scanRecords(grid.space(), query, 0, 1000, {}, pages.guard(0), &c);
  CHECK(withheld > 0);
  CHECK_EQ(c.size() + withheld, size_t{1000});
}

}  // namespace
}  // namespace rve
