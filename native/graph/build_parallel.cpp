// Several threads that insert rows into one graph, as hnswlib does, but without locks for readers:
// a link slot is one word, so a walk that meets a list while it is rewritten sees old links, new
// ones or the end, and each of them is a good link. Who writes a list holds its lock; who raises
// the top of the graph holds another, so that its levels are connected. Rows that are inserted at
// the same instant may miss each other; reachAll makes up for the worst of it.
#include <new>
#include <thread>

#include "graph/build_state.hpp"

namespace rve {

// What the threads of one call take turns at.
struct BuildState::Shared {
  const std::atomic<bool>* stop;
  uint32_t rows_max;
  std::atomic<uint32_t> started{0};  // inserts, rows_max and a few beyond
  std::atomic<uint32_t> next_row;
};

Status BuildState::prepare(Worker* worker) const {
  const uint32_t pool = std::max(params_.ef_construction, 2 * params_.links);
  RVE_TRY(worker->scratch.reserve(space_.rows, pool));
  worker->found.resize(pool);
  worker->query_values.resize(space_.padded_dims);
  worker->other_values.resize(space_.padded_dims);
  return {};
}

// A row that is started is also inserted: stop is looked at before.
uint32_t BuildState::work(Worker* worker, Shared* shared) {
  uint32_t inserted = 0;
  while (shared->stop == nullptr || !shared->stop->load(std::memory_order_relaxed)) {
    if (shared->started.fetch_add(1, std::memory_order_relaxed) >= shared->rows_max) break;
    uint32_t row;
    do {
      row = shared->next_row.fetch_add(1, std::memory_order_relaxed);
    } while (row < space_.rows && (state_[row] & kInserted) != 0);
    if (row >= space_.rows) break;
    insertRow(worker, row);
    ++inserted;
  }
  return inserted;
}

uint32_t BuildState::stepParallel(uint32_t rows_max, uint32_t threads,
                                  const std::atomic<bool>* stop) {
  threads = std::min(threads, GraphBuilder::kThreadsMax);
  while (helpers_.size() + 1 < threads) {
    std::unique_ptr<Worker> helper(new (std::nothrow) Worker);
    if (helper == nullptr || !prepare(helper.get()).ok()) break;
    helpers_.push_back(std::move(helper));
  }
  const size_t helpers = std::min<size_t>(helpers_.size(), threads - 1);
  locks_.reset(new (std::nothrow) std::mutex[kLocks]);
  if (helpers == 0 || locks_ == nullptr) {
    locks_.reset();
    return step(rows_max, stop);
  }
  Shared shared{.stop = stop, .rows_max = std::min(rows_max, waiting_), .next_row = next_row_};
  std::atomic<uint32_t> inserted{0};
  std::vector<std::thread> running;
  running.reserve(helpers);
  for (size_t i = 0; i < helpers; ++i) {
    running.emplace_back([&, i] { inserted += work(helpers_[i].get(), &shared); });
  }
  inserted += work(&worker_, &shared);
  for (std::thread& thread : running) thread.join();
  locks_.reset();
  next_row_ = std::min(shared.next_row.load(), space_.rows);
  waiting_ -= inserted;
  return inserted;
}

}  // namespace rve
