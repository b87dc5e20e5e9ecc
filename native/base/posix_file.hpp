// The real File. Inner to base: other rooms see only env.hpp.
#pragma once
#include <atomic>
#include <mutex>
#include <string>

#include "base/env.hpp"
#include "base/posix_view.hpp"

namespace rve {

class PosixFile final : public File {
 public:
  // Takes over `fd`, an open regular file. Call start() next.
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override;

  // Learns the size and maps the view.
  Status start();

  Status read(uint64_t offset, MutableBytes out) override;
  Status readDevice(uint64_t offset, MutableBytes out) override;
  Status write(uint64_t offset, Bytes in) override;
  Status sync() override;
  Status grow(uint64_t bytes) override;
  Status reserve(uint64_t offset, uint64_t bytes) override;
  Status punch(uint64_t offset, uint64_t bytes) override;
  void prefetch(uint64_t offset, uint64_t bytes) override;
  uint64_t size() const override { return size_.load(std::memory_order_acquire); }
  uint64_t allocatedBytes() const override;
  const std::byte* view() const override { return view_.base(); }
  uint64_t viewFaults() const override { return view_.faults(); }
  void unlock() override;

 private:
  Status truncated(uint64_t offset) const;
  Status readDirect(int fd, uint64_t offset, MutableBytes out, bool* unsupported);
  int directFd();
  int extendTo(uint64_t from, uint64_t to);
  int fillWithZeros(uint64_t from, uint64_t to);

  const int fd_;
  const std::string path_;
  std::atomic<uint64_t> size_{0};
  PosixView view_;
  std::once_flag direct_once_;
  int direct_fd_ = -1;  // O_DIRECT twin of fd_, opened at the first readDevice(); -1 where refused.
};

}  // namespace rve
