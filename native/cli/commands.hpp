// The commands of rve-core, and what more than one of them needs.
#pragma once
#include "cli/args.hpp"
#include "rve/rve.h"

namespace rve::cli {

Command insertCommand();
Command queryCommand();
Command statsCommand();
Command checkCommand();
Command benchCommand();

// One open memory; closed at the end of its scope where finish() was not called.
class Memory {
 public:
  ~Memory() { (void)rve_close(memory_); }
  rve_status open(const char* path, const rve_options& options) {
    return rve_open(path, &options, &memory_);
  }
  rve_memory* get() const { return memory_; }
  rve_status finish() {
    rve_memory* memory = memory_;
    memory_ = nullptr;
    return rve_close(memory);
  }

 private:
  rve_memory* memory_ = nullptr;
};

// Options of a command that creates: --dims, --metric, --profile, --durability.
std::vector<Option> createOptions();
rve_options openOptions(const Args& args);
// For a command that only asks: the store must be there, and is not written to.
rve_options readOnlyOptions();

}  // namespace rve::cli
