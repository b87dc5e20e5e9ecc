// SIGKILL of a real process: threads on, real files. The child works under mixed load and writes
// the number of each acknowledged call into a pipe; the parent kills it at a random moment, opens
// the store and compares.
//
// RVE_TORTURE_KILLS=N (10; 100 under RVE_VERIFY=1), RVE_TORTURE_MS=N: each child lives 1..N ms
// after its first acknowledgement (150; 2,000 under RVE_VERIFY=1).
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "test/crash/checker.hpp"
#include "test/test.hpp"
#include "test/torture/torture_calls.hpp"

namespace rve::test {
namespace {

constexpr uint64_t kInFlightMax = 48;   // calls sent and not yet acknowledged
constexpr uint64_t kStartMsMax = 20'000;  // a sanitized child on a loaded machine opens in far less
constexpr char kChildEnv[] = "RVE_TORTURE_CHILD";
constexpr char kChildTest[] = "a_torture_child_works_until_it_is_killed";

OpenOptions optionsFor(const std::string& path, bool manual) {
  OpenOptions options;
  options.path = path;
  options.dimensions = kModelDimensions;
  options.has_metric = true;
  options.metric = Metric::kL2;
  options.tuning.all_manual = manual;
  options.tuning.query_threads = 1;
  // Seals, links, compactions and checkpoints many times a second.
  options.tuning.freeze_rows = 200;
  options.tuning.code_list_rows = 200;
  options.tuning.checkpoint_groups = 24;
  options.tuning.hnsw_m = 4;
  options.tuning.hnsw_ef_construction = 16;
  // Records move between tiers, and read the same in each.
  options.tiers.profile = Profile::kEdge;
  options.tiers.originals = Originals::kKeep;
  return options;
}

uint64_t numberFrom(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

// --- the child ---

struct Flow {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t answered = 0;
  int pipe = -1;
  bool broken = false;

  // Acknowledged calls go into the pipe at once: 8 bytes, atomic by POSIX.
  void answer(uint64_t number, const Status& status, bool as_foreseen) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      ++answered;
      broken |= !status.ok() || !as_foreseen;
    }
    const uint64_t word = status.ok() && as_foreseen ? number : ~uint64_t{0};
    if (write(pipe, &word, sizeof(word)) != sizeof(word)) _exit(3);
    changed.notify_one();
  }
};

void send(Engine* engine, Flow* flow, uint64_t number, const ModelCall& call,
          State::Effect effect) {
  const auto forgotten = [=](ForgetResult&& r) {
    flow->answer(number, r.status, r.count == effect.forgotten);
  };
  Status status;
  switch (call.kind) {
    case CallKind::kInsert:
      status = engine->submitInsert(batchOf(call), [=](InsertResult&& r) {
        flow->answer(number, r.status, r.ids == effect.ids);
      });
      break;
    case CallKind::kForget: status = engine->submitForget(call.ids, forgotten); break;
    case CallKind::kForgetSource:
      status = engine->submitForgetSource(call.source, forgotten);
      break;
  }
  if (!status.ok()) flow->answer(number, status, false);
}

// A model whose state is what the engine holds: the parent derives the same one.
bool modelOf(Engine* engine, Model* model) {
  std::vector<Record> records;
  if (!scanAll(engine, &records).empty()) return false;
  model->begin(records, engine->stats().next_id);
  return true;
}

void readBeside(Engine* engine, uint64_t seed, const std::atomic<bool>* stop) {
  SimRng rng(seed);
  while (!stop->load()) {
    QueryRequest request;
    request.vectors = vectorOfSerial(static_cast<uint32_t>(rng.next()));
    request.k = 5;
    QueryResult result;
    (void)engine->query(request, nullptr, &result).ok();
    std::vector<Record> records;
    (void)engine->get({rng.below(1000), rng.below(1000)}, &records).ok();
  }
}

int runChild(const std::string& path, uint64_t seed, int pipe) {
  std::unique_ptr<Engine> engine;
  if (!Engine::open(optionsFor(path, false), &engine).ok()) return 4;
  Model model;
  if (!modelOf(engine.get(), &model)) return 5;
  Flow flow;
  flow.pipe = pipe;
  std::atomic<bool> stop{false};
  std::thread reader(readBeside, engine.get(), seed, &stop);
  TortureCalls calls(seed, &model);
  for (uint64_t number = 1;; ++number) {
    State::Effect effect;
    const ModelCall call = calls.next(&effect);
    std::unique_lock<std::mutex> lock(flow.mutex);
    flow.changed.wait(lock, [&] { return flow.broken || number - flow.answered <= kInFlightMax; });
    if (flow.broken) break;
    lock.unlock();
    send(engine.get(), &flow, number, call, std::move(effect));
    model.acked(model.made(), true);  // The child's model only foresees: it keeps no history.
  }
  stop.store(true);
  reader.join();
  return 6;
}

// --- the parent ---

struct Child {
  pid_t pid = -1;
  int pipe = -1;
};

Child startChild(const std::string& path, uint64_t seed) {
  int ends[2];
  Child child;
  if (pipe(ends) != 0) return child;
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
  if (length <= 0) return child;
  self[length] = '\0';
  const std::string order = std::to_string(seed) + ' ' + std::to_string(ends[1]) + ' ' + path;
  std::fflush(stdout);
  child.pid = fork();
  if (child.pid == 0) {
    close(ends[0]);
    setenv(kChildEnv, order.c_str(), 1);
    execl(self, self, "--filter", kChildTest, static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  child.pipe = ends[0];
  return child;
}

// Reads acknowledgements for up to `ms`, or until the pipe closes; `until_first`: returns with the
// first one. The clock measures the child's life, which is the stimulus of this test; nothing waits
// on it to be in step.
void readAcks(int pipe, uint64_t ms, bool until_first, uint64_t* last) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd poll_fd{pipe, POLLIN, 0};
    if (poll(&poll_fd, 1, static_cast<int>(std::max<int64_t>(0, left.count()))) <= 0) return;
    uint64_t words[512];
    const ssize_t got = read(pipe, words, sizeof(words));
    if (got <= 0) return;
    *last = words[static_cast<size_t>(got) / sizeof(uint64_t) - 1];
    if (until_first || *last == ~uint64_t{0}) return;
  }
}

struct Outcome {
  std::string wrong;
  uint64_t acked = 0;
};

// One life of a child; afterwards `model` holds what the store holds.
Outcome killOnce(const std::string& path, uint64_t seed, uint64_t live_ms, Model* model) {
  Outcome outcome;
  const Child child = startChild(path, seed);
  if (child.pid < 0) return {"cannot start a child", 0};
  readAcks(child.pipe, kStartMsMax, true, &outcome.acked);
  readAcks(child.pipe, live_ms, false, &outcome.acked);
  kill(child.pid, SIGKILL);
  int status = 0;
  waitpid(child.pid, &status, 0);
  // What it had written; ends when the pipe is empty.
  readAcks(child.pipe, kStartMsMax, false, &outcome.acked);
  close(child.pipe);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    outcome.wrong = "the child ended by itself: status " + std::to_string(status);
    return outcome;
  }
  if (outcome.acked == ~uint64_t{0}) {
    outcome.wrong = "the child saw a wrong answer";
    return outcome;
  }
  TortureCalls calls(seed, model);
  const uint64_t first = model->made();
  for (uint64_t i = 0; i < outcome.acked + kInFlightMax + 1; ++i) {
    State::Effect effect;
    (void)calls.next(&effect);
    if (i + 1 == outcome.acked) model->acked(first + outcome.acked, true);
  }
  std::unique_ptr<Engine> engine;
  const Status opened = Engine::open(optionsFor(path, true), &engine);
  if (!opened.ok()) return {"open() answers " + opened.message(), outcome.acked};
  std::vector<Record> records;
  outcome.wrong = scanAll(engine.get(), &records);
  uint64_t hash = 0;
  for (const Record& record : records) hash ^= modelRecordOf(record).hash;
  Model::Match match;
  const Stats stats = engine->stats();
  if (outcome.wrong.empty() && !model->find(hash, model->floor(), &match)) {
    outcome.wrong = "what is there is no prefix with all acknowledged calls:" +
                    explainDifference(records, model->stateAt(model->floor()));
  }
  if (outcome.wrong.empty() && (stats.holes != 0 || stats.degraded)) {
    outcome.wrong = "a kill is taken for corruption";
  }
  CheckReport report;
  if (outcome.wrong.empty() && (!engine->check(true, &report).ok() || !report.ok)) {
    outcome.wrong =
        "check() finds damage" + (report.damaged.empty() ? "" : ": " + report.damaged[0]);
  }
  if (outcome.wrong.empty()) model->begin(records, stats.next_id);
  return outcome;
}

}  // namespace

// Only a process started by the test below does anything here.
TEST(a_torture_child_works_until_it_is_killed) {
  const char* order = std::getenv(kChildEnv);
  if (order == nullptr) SKIP("runs as the child of the kill test");
  unsigned long long child_seed = 0;
  int pipe = -1, at = 0;
  CHECK(std::sscanf(order, "%llu %d %n", &child_seed, &pipe, &at) == 2);
  _exit(runChild(order + at, child_seed, pipe));
}

TEST(a_killed_process_loses_no_acknowledged_call) {
  const bool verify = std::getenv("RVE_VERIFY") != nullptr;
  const uint64_t kills = numberFrom("RVE_TORTURE_KILLS", verify ? 100 : 10);
  const uint64_t live_ms_max = numberFrom("RVE_TORTURE_MS", verify ? 2000 : 150);
  const char* base = std::getenv("TMPDIR");
  std::string folder = std::string(base != nullptr ? base : "/tmp") + "/rve-torture-XXXXXX";
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/store.rve";
  SimRng rng(seed());
  const uint64_t seed_first = rng.next() >> 16;
  Model model;
  uint64_t acked = 0;
  for (uint64_t i = 0; i < kills; ++i) {
    const Outcome outcome = killOnce(path, seed_first + i, 1 + rng.below(live_ms_max), &model);
    acked += outcome.acked;
    CHECK_EQ(outcome.wrong, std::string());
    if (!outcome.wrong.empty()) {
      std::printf("  kill %llu; the store is left at %s\n", static_cast<unsigned long long>(i),
                  path.c_str());
      return;
    }
  }
  CHECK(acked > 0);
  std::printf("  %llu kills, %llu acknowledged calls, none lost\n",
              static_cast<unsigned long long>(kills), static_cast<unsigned long long>(acked));
  unlink(path.c_str());
  rmdir(folder.c_str());
}

}  // namespace rve::test
