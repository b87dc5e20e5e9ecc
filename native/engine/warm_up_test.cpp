// What is read behind the first queries, on threads of its own: all of it once, and no more after
// stop().
#include "engine/warm_up.hpp"

#include <condition_variable>
#include <mutex>
#include <vector>

#include "test/test.hpp"
#include "test/sim/refusing_file.hpp"

namespace rve::test {
namespace {

constexpr uint64_t kMiB = 1 << 20;

// Notes what is asked for; bytes from `ends_at` on cannot be read.
class NotedFile final : public RefusingFile {
 public:
  explicit NotedFile(uint64_t ends_at = ~uint64_t{0}) : ends_at_(ends_at) {}

  Status read(uint64_t offset, MutableBytes out) override {
    std::lock_guard lock(mutex_);
    reads_.push_back({offset, out.size()});
    changed_.notify_all();
    return offset + out.size() <= ends_at_ ? Status() : refused();
  }
  // The reads, once they cover so many bytes.
  std::vector<FileRange> readsOf(uint64_t bytes) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      uint64_t sum = 0;
      for (const FileRange& range : reads_) sum += range.bytes;
      return sum >= bytes;
    });
    return reads_;
  }

 private:
  const uint64_t ends_at_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<FileRange> reads_;
};

}  // namespace

TEST(every_byte_of_the_ranges_is_read_once_in_order_and_in_pieces) {
  NotedFile file;
  const std::vector<FileRange> ranges = {{4096, 100}, {kMiB, 300'000}, {0, 0}, {7, 1}};
  WarmUp warm_up(&file, ranges);
  const std::vector<FileRange> reads = file.readsOf(300'101);
  size_t at = 0;
  for (const FileRange& range : ranges) {
    for (uint64_t done = 0; done < range.bytes; done += reads[at++].bytes) {
      REQUIRE(at < reads.size());
      CHECK_EQ(reads[at].offset, range.offset + done);
      CHECK(reads[at].bytes > 0 && reads[at].bytes <= 128 << 10);
    }
  }
  CHECK_EQ(at, reads.size());
}

TEST(a_warm_up_that_is_stopped_reads_no_more) {
  NotedFile file;
  WarmUp warm_up(&file, {{0, 1 << 30}});
  file.readsOf(1);
  warm_up.stop();
  const size_t reads = file.readsOf(1).size();
  CHECK(reads < 8192);  // of a GiB in pieces of 128 KiB
  warm_up.stop();
  CHECK_EQ(file.readsOf(1).size(), reads);
}

TEST(a_warm_up_ends_at_the_first_byte_that_cannot_be_read) {
  NotedFile file(kMiB);
  {
    WarmUp warm_up(&file, {{kMiB, 1}, {0, 1}});
    file.readsOf(1);
  }
  CHECK_EQ(file.readsOf(1).size(), size_t{1});
}

}  // namespace rve::test
