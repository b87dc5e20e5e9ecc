// A File that refuses everything: tests override what they watch.
#pragma once
#include "base/env.hpp"

namespace rve::test {

class RefusingFile : public File {
 public:
  Status read(uint64_t, MutableBytes) override { return refused(); }
  Status readDevice(uint64_t, MutableBytes) override { return refused(); }
  Status write(uint64_t, Bytes) override { return refused(); }
  Status sync() override { return refused(); }
  Status grow(uint64_t) override { return refused(); }
  Status reserve(uint64_t, uint64_t) override { return refused(); }
  Status punch(uint64_t, uint64_t) override { return refused(); }
  uint64_t size() const override { return 0; }
  uint64_t allocatedBytes() const override { return 0; }
  const std::byte* view() const override { return nullptr; }
  uint64_t viewFaults() const override { return 0; }
  void unlock() override {}

 protected:
  static Status refused() { return Status(Code::kIo, "a file that refuses"); }
};

}  // namespace rve::test
