// native_test [--filter TEXT[,TEXT...]] [--without TEXT[,TEXT...]] [--list] [--seed N]
// Exits 1 if a test failed or none ran. A filter keeps the tests whose name, or whose file's path,
// holds one of the texts; --without leaves such tests out, and says how many it left out.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "test/test.hpp"

namespace rve::test {
namespace {

struct Case {
  const char* name;
  const char* file;
  int line;
  Body body;
};

// A function, not a global: registrations of other files may run before this file's globals exist.
std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

struct Running {
  std::atomic<uint64_t> checks{0};
  std::atomic<uint64_t> failures{0};
  std::string skip_reason;
};

Running running;
std::mutex print_mutex;
uint64_t run_seed = 0;

// The path below native/, so that lines look the same wherever the project lies.
const char* shortPath(const char* file) {
  const char* found = std::strstr(file, "native/");
  return found != nullptr ? found : file;
}

double nowMs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

struct Options {
  const char* filter = "";
  const char* without = nullptr;
  bool list = false;
};

bool parse(int argc, char** argv, Options* out) {
  std::random_device device;
  run_seed = (static_cast<uint64_t>(device()) << 32) | device();
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--list") {
      out->list = true;
    } else if (word == "--filter" && has_value) {
      out->filter = argv[++i];
    } else if (word == "--without" && has_value) {
      out->without = argv[++i];
    } else if (word == "--seed" && has_value) {
      run_seed = std::strtoull(argv[++i], nullptr, 0);
    } else {
      std::fprintf(stderr,
                   "Usage: native_test [--filter TEXT[,TEXT...]] [--without TEXT[,TEXT...]] "
                   "[--list] [--seed N]\n");
      return false;
    }
  }
  return true;
}

bool matches(const Case& test, std::string_view filter) {
  while (true) {
    const size_t comma = filter.find(',');
    const std::string_view text = filter.substr(0, comma);
    const bool found = std::string_view(test.name).find(text) != std::string_view::npos ||
                       std::string_view(test.file).find(text) != std::string_view::npos;
    if (found || comma == std::string_view::npos) return found;
    filter.remove_prefix(comma + 1);
  }
}

struct Totals {
  uint64_t passed = 0;
  uint64_t failed = 0;
  uint64_t skipped = 0;
};

void runOne(const Case& test, Totals* totals) {
  running.checks = 0;
  running.failures = 0;
  running.skip_reason.clear();
  const double start = nowMs();
  test.body();
  const double took = nowMs() - start;
  const bool skipped = !running.skip_reason.empty();
  if (!skipped && running.checks == 0) {
    report(false, test.file, test.line, "the test makes at least one check", {});
  }
  const bool failed = running.failures != 0;
  const char* word = failed ? "FAIL" : skipped ? "skip" : "ok  ";
  std::printf("%s %8.1f ms  %s", word, took, test.name);
  if (skipped) std::printf(": %s", running.skip_reason.c_str());
  if (failed) std::printf(" (seed 0x%llx)", static_cast<unsigned long long>(run_seed));
  std::printf("\n");
  std::fflush(stdout);
  ++(failed ? totals->failed : skipped ? totals->skipped : totals->passed);
}

}  // namespace

Registration::Registration(const char* name, const char* file, int line, Body body) {
  cases().push_back({name, file, line, body});
}

uint64_t seed() { return run_seed; }

bool report(bool passed, const char* file, int line, const char* text, const std::string& detail) {
  running.checks.fetch_add(1, std::memory_order_relaxed);
  if (passed) return true;
  running.failures.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(print_mutex);
  std::printf("%s:%d: %s", shortPath(file), line, text);
  if (!detail.empty()) std::printf(": %s", detail.c_str());
  std::printf("\n");
  std::fflush(stdout);
  return false;
}

void skip(const char* reason) { running.skip_reason = reason; }

}  // namespace rve::test

int main(int argc, char** argv) {
  using namespace rve::test;
  Options options;
  if (!parse(argc, argv, &options)) return 2;
  std::stable_sort(cases().begin(), cases().end(), [](const Case& a, const Case& b) {
    return std::strcmp(a.file, b.file) < 0;
  });
  Totals totals;
  int left_out = 0;
  for (const Case& test : cases()) {
    if (!matches(test, options.filter)) continue;
    if (options.without != nullptr && matches(test, options.without)) {
      ++left_out;
      continue;
    }
    if (options.list) {
      std::printf("%s  %s:%d\n", test.name, shortPath(test.file), test.line);
      continue;
    }
    runOne(test, &totals);
  }
  if (options.list) return 0;
  if (left_out > 0) std::printf("%d left out by --without\n", left_out);
  std::printf("%llu passed, %llu failed", static_cast<unsigned long long>(totals.passed),
              static_cast<unsigned long long>(totals.failed));
  if (totals.skipped > 0) {
    std::printf(", %llu skipped", static_cast<unsigned long long>(totals.skipped));
  }
  std::printf("\n");
  const bool none = totals.passed + totals.failed + totals.skipped == 0;
  if (none) std::fprintf(stderr, "No test matches the filter.\n");
  return totals.failed > 0 || none ? 1 : 0;
}
