// Makes calls on an engine (tuning.all_manual) and on the model at once, and holds the engine to
// its answers: completions exactly once and in order, the ids and counts that the model foresaw,
// acknowledgements that raise the model's floors.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "test/crash/model.hpp"
#include "test/sim/sim_env.hpp"

namespace rve::test {

using OpenFunction = std::function<Status(const OpenOptions&, std::unique_ptr<Engine>*)>;

InsertBatch batchOf(const ModelCall& call);

class Driver {
 public:
  // Engine and model must outlive it; `level` is the one that the engine was opened with.
  Driver(Engine* engine, Model* model, Durability level);

  // Queues one call. `call.atom` is set here: calls queued before the next pump() share an atom.
  void submit(ModelCall call);
  // Commits what is queued, and checks that every completion ran.
  void pump();
  uint64_t queued() const { return waiting_.size(); }
  // Calls that an error other than kNoSpace answered: the engine has latched or closed.
  bool refused() const { return refused_; }
  // A call was answered with kNoSpace and withdrawn from the model.
  bool full() const { return full_; }
  // Asks for everything answered so far to be durable, and pumps.
  void waitDurable();
  // Raises the model's floor to what stats().durable_lsn promises (levels kInterval and kBuffered).
  void noteDurable();

  // The first broken promise, in words; empty while there is none.
  const std::string& violation() const { return violation_; }
  void violate(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }

 private:
  struct Waiting {
    uint64_t number = 0;
    State::Effect effect;
    bool has_ids = false;
  };
  struct Written {
    uint64_t number = 0;
    uint64_t lsn = 0;
  };
  void answered(uint64_t ticket, const Status& status, const State::Effect& got, uint64_t lsn);
  void withdraw(uint64_t number);

  Engine* engine_;
  Model* model_;
  Durability level_;
  uint64_t next_ticket_ = 0, answered_ = 0;
  std::deque<Waiting> waiting_;  // tickets answered_ ..., in order
  std::deque<Written> written_;  // answered, not yet known durable
  uint64_t atom_ = 0;
  bool refused_ = false, full_ = false;
  std::string violation_;
};

}  // namespace rve::test
