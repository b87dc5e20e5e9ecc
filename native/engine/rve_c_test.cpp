#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "rve/rve.h"
#include "test/test.hpp"

namespace {

// A path in a folder of its own; both are removed at the end.
class Place {
 public:
  Place() {
    const char* base = std::getenv("TMPDIR");
    folder_ = std::string(base == nullptr ? "/tmp" : base) + "/rve-c-XXXXXX";
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
    path_ = folder_ + "/c.rve";
  }
  ~Place() {
    std::remove(path_.c_str());
    std::remove(folder_.c_str());
  }
  const char* path() const { return path_.c_str(); }

 private:
  std::string folder_, path_;
};

rve_memory* openFour(const char* path, rve_metric metric = RVE_METRIC_L2) {
  rve_options options;
  rve_options_init(&options);
  options.dimensions = 4;
  options.metric = metric;
  rve_memory* memory = nullptr;
  CHECK_EQ(rve_open(path, &options, &memory), RVE_OK);
  return memory;
}

const float kRows[] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0};

}  // namespace

TEST(c_door_keeps_ids_labels_times_and_payloads_across_a_reopen) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  const uint64_t given[] = {7, 8, 9};
  const int64_t times[] = {100, 200, -300};
  const char* labels[] = {"a", nullptr, "c"};
  const void* payloads[] = {"xyz", nullptr, "!"};
  const uint32_t payload_bytes[] = {3, 0, 1};
  rve_insert_options options;
  rve_insert_options_init(&options);
  options.ids = given;
  options.times_ms = times;
  options.source = "robot";
  options.label_count = 3;
  options.labels = labels;
  options.payloads = payloads;
  options.payload_bytes = payload_bytes;
  int64_t ids[3] = {};
  uint64_t lsn = 0;
  CHECK_EQ(rve_insert(memory, kRows, 3, &options, ids, &lsn), RVE_OK);
  CHECK(ids[0] == 7 && ids[1] == 8 && ids[2] == 9 && lsn > 0);
  CHECK_EQ(rve_close(memory), RVE_OK);

  memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  rve_record* record = nullptr;
  CHECK_EQ(rve_get(memory, 9, &record), RVE_OK);
  REQUIRE(record != nullptr);
  CHECK_EQ(record->id, 9u);
  CHECK_EQ(record->time_ms, -300);
  CHECK(record->dimensions == 4 && record->vector[2] == 2);
  CHECK(std::strcmp(record->source, "robot") == 0 && std::strcmp(record->label, "c") == 0);
  CHECK_EQ(record->payload_kind, RVE_PAYLOAD_BYTES);
  CHECK(record->payload_bytes == 1 && std::memcmp(record->payload, "!", 1) == 0);
  rve_record_free(record);
  CHECK_EQ(rve_get(memory, 8, &record), RVE_OK);
  REQUIRE(record != nullptr);
  CHECK(record->label == nullptr && record->payload == nullptr);
  CHECK_EQ(record->payload_kind, RVE_PAYLOAD_NONE);
  rve_record_free(record);
  CHECK_EQ(rve_get(memory, 10, &record), RVE_OK);
  CHECK(record == nullptr);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_door_finds_the_nearest_that_its_filter_lets_through) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  const char* labels[] = {"x", "y", "y"};
  rve_insert_options options;
  rve_insert_options_init(&options);
  options.label_count = 3;
  options.labels = labels;
  CHECK_EQ(rve_insert(memory, kRows, 3, &options, nullptr, nullptr), RVE_OK);
  int64_t ids[10];
  float scores[10];
  uint32_t count = 0;
  CHECK_EQ(rve_query(memory, kRows, nullptr, ids, scores, &count), RVE_OK);
  CHECK(count == 3 && ids[0] == 0 && ids[1] == 1 && ids[2] == 2);
  CHECK(scores[0] == 0 && std::fabs(scores[1] - 2) < 1e-3f && std::fabs(scores[2] - 5) < 1e-3f);
  const char* wanted[] = {"y"};
  rve_query_options query;
  rve_query_options_init(&query);
  query.k = 1;
  query.label_count = 1;
  query.labels = wanted;
  CHECK_EQ(rve_query(memory, kRows, &query, ids, scores, &count), RVE_OK);
  CHECK(count == 1 && ids[0] == 1);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_door_forgets_by_id_and_by_source_and_counts_it) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  rve_insert_options options;
  rve_insert_options_init(&options);
  options.source = "s";
  CHECK_EQ(rve_insert(memory, kRows, 3, &options, nullptr, nullptr), RVE_OK);
  const uint64_t ids[] = {1, 99};
  uint64_t gone = 0;
  CHECK_EQ(rve_forget(memory, ids, 2, &gone), RVE_OK);
  CHECK_EQ(gone, 1u);
  CHECK_EQ(rve_forget_source(memory, "s", &gone), RVE_OK);
  CHECK_EQ(gone, 2u);
  rve_statistics stats;
  stats.bytes = sizeof stats;
  CHECK_EQ(rve_stats(memory, &stats), RVE_OK);
  CHECK_EQ(stats.live, 0u);
  CHECK_EQ(stats.next_id, 3u);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_door_stores_a_known_sequence_once) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  rve_insert_options options;
  rve_insert_options_init(&options);
  options.source = "s";
  options.has_sequence = 1;
  options.boot = 5;
  options.sequence = 40;
  int64_t ids[2] = {};
  CHECK_EQ(rve_insert(memory, kRows, 2, &options, ids, nullptr), RVE_OK);
  CHECK(ids[0] == 0 && ids[1] == 1);
  CHECK_EQ(rve_insert(memory, kRows, 2, &options, ids, nullptr), RVE_OK);
  CHECK(ids[0] == -1 && ids[1] == -1);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_door_sets_every_out_parameter_on_an_error) {
  rve_memory* memory = static_cast<rve_memory*>(static_cast<void*>(stdout));
  CHECK_EQ(rve_open(nullptr, nullptr, &memory), RVE_ERR_ARGUMENT);
  CHECK(memory == nullptr);
  CHECK_EQ(rve_open("x.rve", nullptr, nullptr), RVE_ERR_ARGUMENT);
  int64_t ids[2] = {5, 5};
  uint64_t lsn = 5, gone = 5;
  uint32_t count = 5;
  float scores[1] = {};
  CHECK_EQ(rve_insert(nullptr, kRows, 2, nullptr, ids, &lsn), RVE_ERR_ARGUMENT);
  CHECK(ids[0] == -1 && ids[1] == -1 && lsn == 0);
  CHECK_EQ(rve_query(nullptr, kRows, nullptr, ids, scores, &count), RVE_ERR_ARGUMENT);
  CHECK_EQ(count, 0u);
  CHECK_EQ(rve_forget(nullptr, nullptr, 1, &gone), RVE_ERR_ARGUMENT);
  CHECK_EQ(gone, 0u);
  CHECK_EQ(rve_flush(nullptr), RVE_ERR_ARGUMENT);
  CHECK_EQ(rve_settle(nullptr), RVE_ERR_ARGUMENT);
  CHECK_EQ(rve_checkpoint(nullptr), RVE_ERR_ARGUMENT);
  CHECK_EQ(rve_stats(nullptr, nullptr), RVE_ERR_ARGUMENT);
  CHECK_EQ(rve_close(nullptr), RVE_OK);
  rve_record_free(nullptr);
}

TEST(c_door_refuses_bad_vectors_options_and_ids_and_stores_nothing) {
  const Place place;
  rve_memory* memory = openFour(place.path(), RVE_METRIC_COSINE);
  REQUIRE(memory != nullptr);
  const float bad[] = {1, NAN, 0, 0};
  const float zero[] = {0, 0, 0, 0};
  CHECK_EQ(rve_insert(memory, bad, 1, nullptr, nullptr, nullptr), RVE_ERR_VECTOR);
  CHECK_EQ(rve_insert(memory, zero, 1, nullptr, nullptr, nullptr), RVE_ERR_VECTOR);
  rve_insert_options options;
  rve_insert_options_init(&options);
  const uint64_t twice[] = {4, 4};
  options.ids = twice;
  CHECK_EQ(rve_insert(memory, kRows, 2, &options, nullptr, nullptr), RVE_ERR_ID_DUPLICATE);
  const uint64_t huge[] = {RVE_ID_MAX + 1};
  options.ids = huge;
  CHECK_EQ(rve_insert(memory, kRows, 1, &options, nullptr, nullptr), RVE_ERR_ID_RANGE);
  rve_insert_options_init(&options);
  const std::string large(RVE_PAYLOAD_BYTES_MAX + 1, 'x');
  const void* payloads[] = {large.data()};
  const uint32_t payload_bytes[] = {static_cast<uint32_t>(large.size())};
  options.payloads = payloads;
  options.payload_bytes = payload_bytes;
  CHECK_EQ(rve_insert(memory, kRows, 1, &options, nullptr, nullptr), RVE_ERR_PAYLOAD);
  rve_query_options query;
  rve_query_options_init(&query);
  query.k = RVE_K_MAX + 1;
  int64_t ids[1];
  float scores[1];
  uint32_t count;
  CHECK_EQ(rve_query(memory, kRows, &query, ids, scores, &count), RVE_ERR_OPTION);
  rve_statistics stats;
  stats.bytes = sizeof stats;
  CHECK_EQ(rve_stats(memory, &stats), RVE_OK);
  CHECK_EQ(stats.live, 0u);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_door_refuses_tier_options_out_of_range_and_makes_no_file) {
  const Place place;
  const auto refuses = [&place](auto&& change) {
    rve_options options;
    rve_options_init(&options);
    options.dimensions = 4;
    change(&options);
    rve_memory* memory = nullptr;
    CHECK_EQ(rve_open(place.path(), &options, &memory), RVE_ERR_OPTION);
    CHECK(memory == nullptr && access(place.path(), F_OK) != 0);
  };
  // As bytes: a caller in C may pass any number.
  refuses([](rve_options* o) { std::memset(&o->profile, 3, 1); });
  refuses([](rve_options* o) { std::memset(&o->originals, 2, 1); });
  refuses([](rve_options* o) { o->tier_ratio_max = 0.049; });
  refuses([](rve_options* o) { o->tier_ratio_max = 4.1; });
  refuses([](rve_options* o) { o->tier_ratio_max = NAN; });
}

TEST(c_door_takes_each_profile_and_a_budget_and_tells_the_tier_of_a_record) {
  for (const rve_profile profile :
       {RVE_PROFILE_EDGE, RVE_PROFILE_BALANCED, RVE_PROFILE_PRECISE}) {
    const Place place;
    rve_options options;
    rve_options_init(&options);
    CHECK_EQ(options.profile, RVE_PROFILE_EDGE);
    options.dimensions = 4;
    options.profile = profile;
    options.originals = RVE_ORIGINALS_KEEP;
    options.tier_bytes_max = 1u << 20;
    options.tier_ratio_max = 0.5;
    rve_memory* memory = nullptr;
    CHECK_EQ(rve_open(place.path(), &options, &memory), RVE_OK);
    REQUIRE(memory != nullptr);
    CHECK_EQ(rve_insert(memory, kRows, 3, nullptr, nullptr, nullptr), RVE_OK);
    rve_record* record = nullptr;
    CHECK_EQ(rve_get(memory, 1, &record), RVE_OK);
    REQUIRE(record != nullptr);
    CHECK_EQ(record->tier, RVE_TIER_HOT);  // it is still in the log
    rve_record_free(record);
    CHECK_EQ(rve_close(memory), RVE_OK);
  }
}

TEST(c_query_takes_a_recall_in_place_of_ef_and_refuses_both) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  CHECK_EQ(rve_insert(memory, kRows, 3, nullptr, nullptr, nullptr), RVE_OK);
  rve_query_options query;
  rve_query_options_init(&query);
  int64_t ids[10];
  float scores[10];
  uint32_t count = 0;
  for (const float recall : {0.5f, 0.95f, 0.999f}) {
    query.recall = recall;
    CHECK_EQ(rve_query(memory, kRows, &query, ids, scores, &count), RVE_OK);
    CHECK_EQ(count, 3u);
  }
  for (const float recall : {-0.5f, 0.49f, 1.0f, NAN}) {
    query.recall = recall;
    CHECK_EQ(rve_query(memory, kRows, &query, ids, scores, &count), RVE_ERR_OPTION);
    CHECK_EQ(count, 0u);
  }
  query.recall = 0.9f;
  query.ef = 64;
  CHECK_EQ(rve_query(memory, kRows, &query, ids, scores, &count), RVE_ERR_OPTION);
  CHECK(std::strstr(rve_last_error(), "recall and ef") != nullptr);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_structs_of_older_and_newer_callers_are_read_by_their_size) {
  const Place place;
  struct Newer {
    rve_options known;
    uint64_t unknown;
  } newer = {};
  rve_options_init(&newer.known);
  newer.known.bytes = sizeof newer;
  newer.known.dimensions = 4;
  rve_memory* memory = nullptr;
  newer.unknown = 1;
  CHECK_EQ(rve_open(place.path(), &newer.known, &memory), RVE_ERR_OPTION);
  newer.unknown = 0;
  CHECK_EQ(rve_open(place.path(), &newer.known, &memory), RVE_OK);
  REQUIRE(memory != nullptr);
  rve_statistics stats;
  std::memset(&stats, 0xee, sizeof stats);
  stats.bytes = 8;  // an older caller, who knows two fields
  CHECK_EQ(rve_stats(memory, &stats), RVE_OK);
  CHECK_EQ(stats.dimensions, 4u);
  uint32_t metric = 0;  // As bytes: no rve_metric has this value.
  std::memcpy(&metric, &stats.metric, sizeof metric);
  CHECK_EQ(metric, 0xeeeeeeeeu);
  stats.bytes = 0;
  CHECK_EQ(rve_stats(memory, &stats), RVE_ERR_ARGUMENT);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_door_is_busy_for_a_second_opener_and_read_only_where_asked) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  rve_memory* second = nullptr;
  CHECK_EQ(rve_open(place.path(), nullptr, &second), RVE_ERR_BUSY);
  CHECK(second == nullptr);
  CHECK(std::strstr(rve_last_error(), std::to_string(getpid()).c_str()) != nullptr);
  CHECK_EQ(rve_insert(memory, kRows, 1, nullptr, nullptr, nullptr), RVE_OK);
  CHECK_EQ(rve_close(memory), RVE_OK);
  rve_options options;
  rve_options_init(&options);
  options.read_only = 1;
  CHECK_EQ(rve_open(place.path(), &options, &memory), RVE_OK);
  REQUIRE(memory != nullptr);
  CHECK_EQ(rve_insert(memory, kRows, 1, nullptr, nullptr, nullptr), RVE_ERR_READ_ONLY);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_last_error_belongs_to_its_thread_and_names_are_stable) {
  CHECK_EQ(rve_flush(nullptr), RVE_ERR_ARGUMENT);
  const std::string here = rve_last_error();
  CHECK(here.find("Try: ") != std::string::npos);
  std::string elsewhere = "unset";
  std::thread([&elsewhere] { elsewhere = rve_last_error(); }).join();
  CHECK_EQ(elsewhere, std::string());
  CHECK_EQ(std::string(rve_last_error()), here);
  CHECK_EQ(std::string(rve_status_name(RVE_OK)), std::string("OK"));
  CHECK_EQ(std::string(rve_status_name(RVE_ERR_BUSY)), std::string("ERR_BUSY"));
}

TEST(c_inserts_of_many_threads_are_all_there) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([memory] {
      for (int i = 0; i < 25; ++i) {
        CHECK_EQ(rve_insert(memory, kRows, 3, nullptr, nullptr, nullptr), RVE_OK);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  rve_statistics stats;
  stats.bytes = sizeof stats;
  CHECK_EQ(rve_stats(memory, &stats), RVE_OK);
  CHECK_EQ(stats.live, 300u);
  CHECK_EQ(rve_flush(memory), RVE_OK);
  CHECK_EQ(rve_settle(memory), RVE_OK);
  CHECK_EQ(rve_checkpoint(memory), RVE_OK);
  CHECK_EQ(rve_close(memory), RVE_OK);
}

TEST(c_check_calls_a_sound_store_ok_and_names_what_a_cut_one_lost) {
  const Place place;
  rve_memory* memory = openFour(place.path());
  REQUIRE(memory != nullptr);
  CHECK_EQ(rve_insert(memory, kRows, 3, nullptr, nullptr, nullptr), RVE_OK);
  rve_check_report* report = nullptr;
  CHECK_EQ(rve_check(memory, 1, &report), RVE_OK);
  REQUIRE(report != nullptr);
  CHECK(report->ok != 0 && report->damaged_count == 0 && report->lost == 0);
  rve_check_report_free(report);
  CHECK_EQ(rve_close(memory), RVE_OK);

  CHECK_EQ(truncate(place.path(), 20 * 1024), 0);
  CHECK_EQ(rve_check_file(place.path(), &report), RVE_OK);
  REQUIRE(report != nullptr);
  CHECK(report->ok == 0);
  REQUIRE(report->damaged_count > 0);
  CHECK(std::strlen(report->damaged[0]) > 0);
  rve_check_report_free(report);
  rve_check_report_free(nullptr);
}

TEST(c_check_without_a_memory_a_path_or_a_place_for_its_report_is_an_error) {
  rve_check_report* report = nullptr;
  CHECK_EQ(rve_check(nullptr, 0, &report), RVE_ERR_ARGUMENT);
  CHECK(report == nullptr);
  CHECK_EQ(rve_check_file("", &report), RVE_ERR_ARGUMENT);
  CHECK_EQ(rve_check_file(nullptr, &report), RVE_ERR_ARGUMENT);
  CHECK_EQ(rve_check_file("x", nullptr), RVE_ERR_ARGUMENT);
}
