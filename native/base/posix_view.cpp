#include "base/posix_view.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/bytes.hpp"
#include "base/mapping_guard.hpp"
#include "base/posix_error.hpp"

namespace rve {
namespace {

// 64 GiB of addresses: far above any store of an edge board, and small beside the 256 GiB that a
// three-level RISC-V (Sv39) process has. Halved while the system refuses (ulimit -v).
constexpr uint64_t kReserveBytes = 64ull << 30;
constexpr uint64_t kReserveBytesMin = 64ull << 20;

uint64_t pageBytes() {
  static const uint64_t bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

PosixView::~PosixView() {
  if (guard_slot_ >= 0) MappingGuard::remove(guard_slot_);
  if (base_ != nullptr) munmap(base_, reserved_bytes_);
}

Status PosixView::open(int fd, uint64_t bytes, const std::string& path) {
  RVE_ASSERT(base_ == nullptr);
  const uint64_t needed = roundUp(bytes, pageBytes());
  const uint64_t least = std::max(needed, kReserveBytesMin);
  for (uint64_t wanted = std::max(kReserveBytes, 2 * needed);;
       wanted = std::max(wanted / 2, least)) {
    void* at = mmap(nullptr, wanted, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at != MAP_FAILED) {
      base_ = static_cast<std::byte*>(at);
      reserved_bytes_ = wanted;
      break;
    }
    if (wanted == least) return posixStatus(ENOMEM, "Cannot reserve addresses for the view", path);
  }
  guard_slot_ = MappingGuard::add(base_, reserved_bytes_);
  if (guard_slot_ < 0) {
    return Status(Code::kBusy, "Cannot map: this process has too many files open (" + path + ")");
  }
  return extend(fd, bytes, path);
}

Status PosixView::extend(int fd, uint64_t bytes, const std::string& path) {
  const uint64_t wanted = roundUp(bytes, pageBytes());
  RVE_ASSERT(wanted <= reserved_bytes_);
  // A page that was mapped while the file ended inside it shows the new bytes by itself.
  if (wanted <= mapped_bytes_) return {};
  const void* at = mmap(base_ + mapped_bytes_, wanted - mapped_bytes_, PROT_READ,
                        MAP_SHARED | MAP_FIXED, fd, static_cast<off_t>(mapped_bytes_));
  if (at == MAP_FAILED) return posixStatus(errno, "Cannot map", path);
  // A graph walk touches single pages: read-ahead of megabytes per fault made the first answer
  // after a cold start wait for most of the file. What is read in order is asked for by prefetch().
  madvise(base_ + mapped_bytes_, wanted - mapped_bytes_, MADV_RANDOM);
  mapped_bytes_ = wanted;
  return {};
}

uint64_t PosixView::faults() const { return MappingGuard::faults(guard_slot_); }

}  // namespace rve
