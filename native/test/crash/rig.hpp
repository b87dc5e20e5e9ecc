// A store on a simulated disk beside its model, for directed scenarios: World without its dice.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include "test/crash/checker.hpp"

namespace rve::test {

struct Rig {
  explicit Rig(const OpenFunction& open_function, Durability level = Durability::kGroup,
               uint64_t seed = 1)
      : setup(makeSetup(open_function, false)),
        checker(setup),
        rng(seed),
        disk(setup.disk, seed),
        copy(setup.disk, seed) {
    setup.options.durability = level;
  }

  bool open() {
    const Status status = checker.open(&disk, &clock, &rng, &engine);
    if (!status.ok()) {
      wrong = std::string("open() answers ") + codeName(status.code()) + ' ' + status.message();
      return false;
    }
    driver = std::make_unique<Driver>(engine.get(), &model, setup.options.durability);
    return true;
  }

  void drop() {
    if (driver && wrong.empty()) wrong = driver->violation();
    driver.reset();
    engine.reset();
  }

  // What `copy` holds against the model; on success the model takes it over and `disk` becomes the
  // copy.
  bool reopenCopy(uint64_t floor, bool settled) {
    drop();
    disk.copyFrom(copy);
    Found found;
    if (wrong.empty()) wrong = checker.check(&copy, model, floor, Depth{true}, rng, &found);
    if (!wrong.empty()) return false;
    model.recovered(found.match, settled, found.next_id);
    return open();
  }

  // Cuts the power of `disk` with everything pending lost, and compares.
  std::string cutAndCheck() {
    drop();
    if (!wrong.empty()) return wrong;
    disk.cutPower();
    Found found;
    return checker.check(&disk, model, model.floor(), Depth{true}, rng, &found);
  }

  ModelCall rows(uint32_t count, const char* source = "") {
    ModelCall call;
    for (uint32_t i = 0; i < count; ++i) {
      call.rows.push_back(makeRow(next_serial++, source, clock.wallMs()));
    }
    return call;
  }

  ModelCall sequenced(uint64_t first, uint32_t count) {
    ModelCall call = rows(count, "pump-1");
    call.source = "pump-1";
    call.boot = 7;
    for (ModelRow& row : call.rows) {
      row.has_sequence = true;
      row.sequence = first++;
    }
    return call;
  }

  void commit(ModelCall call) {
    driver->submit(std::move(call));
    driver->pump();
  }

  Setup setup;
  Checker checker;
  SimRng rng;
  SimClock clock;
  SimDisk disk, copy;
  Model model;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Driver> driver;
  uint32_t next_serial = 1;
  std::string wrong;
};

}  // namespace rve::test
