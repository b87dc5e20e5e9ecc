// Opens what a crash left and holds it against the model. Every sentence it returns is a broken
// promise.
#pragma once
#include <memory>
#include <string>

#include "test/crash/driver.hpp"
#include "test/sim/sim_disk.hpp"

namespace rve::test {

// What the enumerator opens, again and again.
struct Setup {
  std::string path = "/sim/store.rve";
  OpenOptions options;  // path, disk, clock and rng are filled in
  SimDiskOptions disk;
  OpenFunction open;
};

// The tiny layout: 64-byte sectors, 256-byte pages. `real`: the released layout on 512-byte
// sectors.
Setup makeSetup(const OpenFunction& open, bool real);

struct Depth {
  bool deep = false;          // check(true): every checksum, and the graphs
  bool probe = false;         // redeliver, insert, forget; cut the power; open and compare again
  bool may_write_first = false;  // the store does not exist yet: opening creates it
  bool rot = false;           // a slot was damaged on purpose: notes about it are no violation
};

// What a recovery showed.
struct Found {
  Model::Match match;
  uint64_t next_id = 0;
};

class Checker {
 public:
  explicit Checker(const Setup& setup) : setup_(setup) {}

  // Opens a store with the setup's options on `disk`. Fails the same way as Engine::open.
  Status open(SimDisk* disk, Clock* clock, Rng* rng, std::unique_ptr<Engine>* out) const;

  // Recovers `disk` and compares with S(floor) ... of `model`. No File stays open.
  std::string check(SimDisk* disk, const Model& model, uint64_t floor, const Depth& depth,
                    SimRng& rng, Found* found) const;

  // Compares a running engine with one state exactly: scan, get, count, self-query.
  std::string compare(Engine* engine, const State& state, SimRng& rng) const;

 private:
  std::string probe(SimDisk* disk, Engine* engine, Model* model, SimRng& rng) const;
  std::string lookAround(Engine* engine, const State& state, SimRng& rng) const;

  const Setup& setup_;
};

// All live records in id order; a sentence if the scan misbehaves.
std::string scanAll(Engine* engine, std::vector<Record>* out);

// A fresh row: vector, payload and label are functions of the serial.
ModelRow makeRow(uint32_t serial, const std::string& source, int64_t time_ms);

}  // namespace rve::test
