// The read-only view of a file that grows in place. Inner to base: other rooms see only env.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/status.hpp"

namespace rve {

// Reserves a range of addresses once and maps the file into it piece by piece, so that pointers
// into the view stay good while the file grows. Reserved addresses cost no memory.
class PosixView {
 public:
  PosixView() = default;
  PosixView(const PosixView&) = delete;
  PosixView& operator=(const PosixView&) = delete;
  ~PosixView();

  // Reserves and maps [0, bytes). Once. kNoMemory if not even the file itself fits.
  Status open(int fd, uint64_t bytes, const std::string& path);
  // Whether the reserved range can hold so many bytes.
  bool fits(uint64_t bytes) const { return bytes <= reserved_bytes_; }
  // Maps up to `bytes`, which the file must have. Requires: fits(bytes). What is mapped stays as it
  // is.
  Status extend(int fd, uint64_t bytes, const std::string& path);

  const std::byte* base() const { return base_; }
  // Pages that could not be read and became zero bytes since open().
  uint64_t faults() const;

 private:
  std::byte* base_ = nullptr;
  uint64_t reserved_bytes_ = 0;
  uint64_t mapped_bytes_ = 0;  // A multiple of the page size.
  int guard_slot_ = -1;
};

}  // namespace rve
