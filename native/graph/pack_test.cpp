// Packed graphs: the same links in fewer bytes, and nothing that hostile ones could do.
#include <algorithm>
#include <cfloat>
#include <string>

#include "graph/pack.hpp"
#include "graph/test_kit.hpp"

namespace rve {
namespace {

using namespace graph_test;

LargeBytes pack(const GraphView& view) {
  LargeBytes out;
  CHECK_OK(packGraph(view, &out));
  return out;
}

bool sameBytes(const LargeBytes& a, const LargeBytes& b) {
  return a.bytes == b.bytes && std::equal(a.data.get(), a.data.get() + a.bytes, b.data.get());
}

std::vector<uint32_t> linksOf(const GraphView& view, uint32_t level, uint32_t node) {
  std::vector<uint32_t> links(kGraphLinks0Max);
  const uint32_t count = view.readLinks(level, node, links.data());
  CHECK(count != GraphView::kUnreadable);
  if (count == GraphView::kUnreadable) return {};
  links.resize(count);
  std::sort(links.begin(), links.end());
  return links;
}

TEST(a_packed_graph_has_every_list_of_the_flat_one_in_a_third_of_the_bytes) {
  SplitMix random(31);
  const Grid grid = clustered(random, 5000);
  const LargeBytes flat_bytes = build(grid.space(), {.links = 16, .ef_construction = 64});
  const GraphView flat = open(flat_bytes);
  const LargeBytes bytes = pack(flat);
  const GraphView packed = open(bytes);
  CHECK(packed.packed() && !flat.packed());
  CHECK(bytes.bytes * 3 < flat_bytes.bytes);
  REQUIRE_EQ(packed.levels(), flat.levels());
  CHECK_EQ(packed.entryLevel(), flat.entryLevel());
  for (uint32_t l = 0; l < flat.levels(); ++l) {
    REQUIRE_EQ(packed.level(l).count, flat.level(l).count);
    for (uint32_t node = 0; node < flat.level(l).count; ++node) {
      CHECK(linksOf(packed, l, node) == linksOf(flat, l, node));
      if (l == 0) continue;
      CHECK_EQ(packed.nodes(l)[node], flat.nodes(l)[node]);
      CHECK_EQ(packed.down(l)[node], flat.down(l)[node]);
    }
  }
  CHECK(sameBytes(bytes, pack(packed)));  // packed again: nothing changes
  GraphAudit audit;
  REQUIRE_OK(auditGraph(packed, &audit));
  CHECK(audit.sound());
  CHECK_EQ(audit.reachable, 5000u);
}

TEST(a_search_finds_the_same_in_both_forms_and_by_both_ways_to_compare) {
  SplitMix random(32);
  for (const uint32_t rows : {1u, 2u, 17u, 512u, 3000u}) {
    const Grid grid = clustered(random, rows);
    const LargeBytes flat_bytes = build(grid.space(), {.links = 8, .ef_construction = 40});
    const GraphView flat = open(flat_bytes);
    const LargeBytes packed_bytes = pack(flat);
    const GraphView packed = open(packed_bytes);
    NavRowQueries by_rows(grid.space());
    const GraphRowQueries queries = by_rows.queries();
    std::vector<int8_t> values(kDims);
    for (uint32_t q = 0; q < rows; q += rows / 16 + 1) {
      const NavQueryView query = navQueryFromRow(grid.space(), q, values.data());
      const Answer want = search(flat, grid.space(), query, withEf(24));
      REQUIRE(queries.prepare(queries.context, q));
      for (const GraphView* view : {&flat, &packed}) {
        const Answer nav = search(*view, grid.space(), query, withEf(24));
        Answer any;
        any.rows.resize(24);
        GraphScratch scratch;
        REQUIRE_OK(scratch.reserve(rows, 24));
        any.rows.resize(searchGraph(*view, queries.distances, withEf(24), &scratch,
                                    any.rows.data(), &any.stats));
        for (const Answer* got : {&nav, static_cast<const Answer*>(&any)}) {
          REQUIRE_EQ(got->rows.size(), want.rows.size());
          for (size_t i = 0; i < want.rows.size(); ++i) {
            CHECK_EQ(got->rows[i].distance, want.rows[i].distance);
          }
          CHECK_EQ(got->stats.skipped, 0u);
        }
      }
    }
  }
}

// Lists as no builder makes them: none, full, all at the ends of the range, all equal.
TEST(any_lists_at_all_survive_packing) {
  SplitMix random(test::seed());
  for (uint32_t round = 0; round < 60; ++round) {
    const auto rows = static_cast<uint32_t>(1 + random.next() % (round % 3 == 0 ? 40 : 3000));
    const Grid grid = clustered(random, rows);
    const uint32_t links = 2 + static_cast<uint32_t>(random.next() % 63);
    const LargeBytes bytes = build(grid.space(), {.links = links, .ef_construction = 1});
    const GraphView flat = open(bytes);
    for (uint32_t row = 0; row < rows; ++row) {
      const auto kind = random.next() % 5;
      const auto count = kind == 0 ? 0 : kind == 1 ? 2 * links : random.next() % (2 * links + 1);
      for (uint32_t slot = 0; slot < 2 * links; ++slot) {
        uint64_t link = random.next() % rows;
        if (kind == 2) link = rows - 1;
        if (kind == 3) link = 0;
        store<uint32_t>({bytes.data.get(), bytes.bytes}, flat.flatOffset(0, row) + 4 * slot,
                        slot < count ? static_cast<uint32_t>(link) : kNoRow);
      }
    }
    const LargeBytes packed_bytes = pack(flat);
    const GraphView packed = open(packed_bytes);
    for (uint32_t row = 0; row < rows; ++row) {
      CHECK(linksOf(packed, 0, row) == linksOf(flat, 0, row));
    }
  }
}

TEST(a_link_out_of_range_is_not_packed) {
  SplitMix random(34);
  const Grid grid = clustered(random, 700);
  const LargeBytes bytes = build(grid.space(), {.links = 8, .ef_construction = 20});
  const GraphView flat = open(bytes);
  store<uint32_t>({bytes.data.get(), bytes.bytes}, flat.flatOffset(0, 9), 700);
  LargeBytes out;
  CHECK(packGraph(flat, &out).code() == Code::kCorrupt);
  CHECK(out.data == nullptr);
}

TEST(a_merge_adopts_a_packed_graph_as_it_does_the_flat_one) {
  SplitMix random(35);
  const Grid grid = clustered(random, 3000);
  const GraphParams params{.links = 12, .ef_construction = 64, .seed = 5};
  const LargeBytes flat = build(grid.space(), params);
  const LargeBytes packed = pack(open(flat));
  for (const uint32_t dead_of_8 : {0u, 2u}) {
    std::vector<uint32_t> map;
    Grid kept;
    for (uint32_t row = 0; row < grid.rows; ++row) {
      const bool dead = row % 8 < dead_of_8;
      map.push_back(dead ? kNoRow : kept.rows);
      if (!dead) kept.addCopy(grid, row);
    }
    for (const LargeBytes* old : {&flat, &packed}) {
      GraphBuilder builder;
      REQUIRE_OK(builder.beginFrom(kept.space(), params, open(*old), map));
      while (!builder.done()) builder.step(1000, nullptr);
      const LargeBytes merged = builder.finish();
      GraphAudit audit;
      REQUIRE_OK(auditGraph(open(merged), &audit));
      CHECK(audit.sound());
      CHECK_EQ(audit.reachable, kept.rows);
      CHECK(recall(open(merged), kept.space(), withEf(64)) >= 0.97);
      // Nothing died: the lists are the old ones, whichever form they came in.
      if (dead_of_8 == 0) CHECK(sameBytes(pack(open(merged)), packed));
    }
  }
}

TEST(every_wrong_header_field_of_a_packed_graph_is_refused) {
  SplitMix random(36);
  const Grid grid = clustered(random, 700);
  const LargeBytes flat = build(grid.space(), {.links = 8, .ef_construction = 20, .seed = 5});
  const LargeBytes graph = pack(open(flat));
  REQUIRE(open(graph).levels() >= 2);
  const MutableBytes bytes{graph.data.get(), graph.bytes};
  GraphView view;
  for (size_t at = 0; at < kGraphHeaderBytes + 2 * kGraphPackedEntryBytes; at += 4) {
    const auto good = load<uint32_t>(bytes, at);
    for (const uint32_t flip : {1u, 0x80000000u, 0xFFFFFFFFu}) {
      store(bytes, at, good ^ flip);
      // Only the entry level may be another one and still be well-formed.
      CHECK(!GraphView::open(graph.view(), &view).ok() || at == 24);
    }
    store(bytes, at, good);
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{63}, uint64_t{64}, graph.bytes - 64}) {
    CHECK(!GraphView::open(graph.view().first(size), &view).ok());
  }
  CHECK_OK(GraphView::open(graph.view(), &view));
}

// Method: bytes anywhere become anything; open, search, audit, pack and merge. Each graph lies at
// the very end of its buffer, so that a read beyond it is seen by ASan.
TEST(hostile_packed_bytes_never_crash_or_leave_the_row_range) {
  SplitMix random(test::seed());
  const Grid grid = clustered(random, 800);
  const LargeBytes flat = build(grid.space(), {.links = 8, .ef_construction = 20, .seed = 5});
  const LargeBytes good = pack(open(flat));
  std::vector<std::byte> saved(good.data.get(), good.data.get() + good.bytes);
  std::vector<int8_t> values(kDims);
  std::vector<uint32_t> map(800);
  for (uint32_t row = 0; row < 800; ++row) map[row] = row % 5 == 0 ? kNoRow : row - row / 5 - 1;
  size_t opened = 0;
  uint32_t unreadable = 0;
  for (int round = 0; round < 400; ++round) {
    const uint64_t first = round % 3 == 0 ? 0 : 256;  // header and table too, at times
    for (uint64_t i = random.next() % 100 + 1; i > 0; --i) {
      good.data[first + random.next() % (good.bytes - first)] =
          static_cast<std::byte>(random.next());
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
      unreadable += audit.lists_unreadable;
      LargeBytes packed;
      (void)packGraph(view, &packed);
      GraphBuilder builder;
      if (builder.beginFrom(grid.space(), {.links = 8, .ef_construction = 8}, view, map).ok()) {
        while (!builder.done()) builder.step(1000, nullptr);
        (void)builder.finish();
      }
    }
    std::copy(saved.begin(), saved.end(), good.data.get());
  }
  CHECK(opened >= 200);
  CHECK(unreadable > 0);
}

TEST(a_packed_list_on_a_bad_page_is_skipped_and_counted) {
  SplitMix random(37);
  const Grid grid = clustered(random, 3000);
  const LargeBytes flat = build(grid.space(), {});
  const LargeBytes graph = pack(open(flat));
  const GraphView view = open(graph);
  std::vector<int8_t> values(kDims);
  const NavQueryView query = navQueryFromRow(grid.space(), 1234, values.data());
  const Answer want = search(view, grid.space(), query, withEf(32));
  uint32_t degraded = 0;
  for (uint64_t bad = 2; bad < 2 + divideUp(graph.bytes, 4096); ++bad) {
    Pages pages;
    pages.bad = bad;
    GraphSearchParams params = withEf(32);
    params.links_guard = pages.guard(8192);
    const Answer got = search(view, grid.space(), query, params);
    CHECK(pages.asked[0] + pages.asked[1] == 0);  // before the guarded bytes
    if (pages.asked[bad] == 0) {
      REQUIRE_EQ(got.rows.size(), want.rows.size());
      for (size_t i = 0; i < got.rows.size(); ++i) CHECK_EQ(got.rows[i].row, want.rows[i].row);
    } else {
      CHECK(got.stats.skipped > 0);
      ++degraded;
    }
  }
  CHECK(degraded > 0);
}

// A permutation of all rows, as when rows move between tiers, and nothing inserted.
TEST(a_graph_adopted_under_a_permutation_has_the_same_links_and_recall) {
  SplitMix random(test::seed());
  const Grid grid = clustered(random, 6000);
  const GraphParams params{.links = 16, .ef_construction = 64, .seed = 5};
  const LargeBytes flat = build(grid.space(), params);
  const LargeBytes packed = pack(open(flat));
  const GraphView old = open(packed);
  std::vector<uint32_t> map(grid.rows);
  for (uint32_t row = 0; row < grid.rows; ++row) map[row] = row;
  for (uint32_t row = grid.rows; row > 1; --row) {
    std::swap(map[row - 1], map[random.next() % row]);
  }
  std::vector<uint32_t> back(grid.rows);
  for (uint32_t row = 0; row < grid.rows; ++row) back[map[row]] = row;
  Grid moved;
  for (uint32_t row = 0; row < grid.rows; ++row) moved.addCopy(grid, back[row]);
  GraphBuilder builder;
  REQUIRE_OK(builder.beginFrom(moved.space(), params, old, map));
  CHECK(builder.done());
  const LargeBytes graph = builder.finish();
  const GraphView view = open(graph);
  for (uint32_t row = 0; row < grid.rows; ++row) {
    std::vector<uint32_t> links = linksOf(old, 0, row);
    for (uint32_t& link : links) link = map[link];
    std::sort(links.begin(), links.end());
    CHECK(linksOf(view, 0, map[row]) == links);
  }
  REQUIRE_EQ(view.levels(), old.levels());
  CHECK_EQ(view.entryLevel(), old.entryLevel());
  GraphAudit audit;
  REQUIRE_OK(auditGraph(view, &audit));
  CHECK(audit.sound());
  CHECK_EQ(audit.reachable, grid.rows);
  for (const uint32_t ef : {16u, 64u}) {
    NavRowQueries before(grid.space());
    NavRowQueries after(moved.space());
    GraphRecall a;
    GraphRecall b;
    REQUIRE_OK(auditRecall(old, before.queries(), {.queries = 500, .ef = ef}, &a));
    REQUIRE_OK(auditRecall(view, after.queries(), {.queries = 500, .ef = ef}, &b));
    CHECK(std::abs(a.recall() - b.recall()) < 0.02);
    CHECK(b.recall() >= (ef == 16 ? 0.90 : 0.98));
  }
}

}  // namespace
}  // namespace rve
