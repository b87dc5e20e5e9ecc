// The real disk on the real file system, in a folder of its own under TMPDIR (default /tmp).
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/env.hpp"
#include "test/test.hpp"

namespace rve {
namespace {

// A folder that is gone when the test ends, with all that lies directly in it.
class TempFolder {
 public:
  TempFolder() {
    const char* base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr ? base : "/tmp") + "/rve-env-XXXXXX";
    RVE_ASSERT(mkdtemp(path_.data()) != nullptr);
  }
  ~TempFolder() {
    std::vector<std::string> names;
    (void)makePosixDisk()->list(at("x"), "", &names);
    for (const std::string& name : names) {
      if (name == "." || name == "..") continue;
      if (unlink(at(name).c_str()) != 0) rmdir(at(name).c_str());
    }
    rmdir(path_.c_str());
  }
  std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::vector<std::byte> randomBytes(size_t count) {
  std::mt19937_64 rng(test::seed());
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(rng());
  return bytes;
}

// Creates `path` with the given size; the test goes on with a null file if that fails.
std::unique_ptr<File> create(Disk& disk, const std::string& path, uint64_t bytes) {
  std::unique_ptr<File> file;
  CHECK_OK(disk.open(path, OpenMode::kCreateExclusive, &file));
  if (file != nullptr) CHECK_OK(file->grow(bytes));
  return file;
}

Code openCode(Disk& disk, const std::string& path, OpenMode mode) {
  std::unique_ptr<File> file;
  const Status status = disk.open(path, mode, &file);
  CHECK_EQ(status.ok(), file != nullptr);
  return status.code();
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(a_second_open_in_the_same_process_is_busy_and_names_this_process) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  auto file = create(*disk, folder.at("a"), 4096);
  std::unique_ptr<File> second;
  for (OpenMode mode : {OpenMode::kReadWrite, OpenMode::kReadOnly}) {
    const Status status = disk->open(folder.at("a"), mode, &second);
    CHECK_EQ(status.code(), Code::kBusy);
    CHECK(contains(status.message(), "process " + std::to_string(getpid()) + " "));
  }
  file.reset();
  CHECK_OK(disk->open(folder.at("a"), OpenMode::kReadWrite, &second));
}

TEST(readers_share_a_file_and_keep_a_writer_out) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  create(*disk, folder.at("a"), 4096).reset();
  std::unique_ptr<File> first;
  std::unique_ptr<File> second;
  CHECK_OK(disk->open(folder.at("a"), OpenMode::kReadOnly, &first));
  CHECK_OK(disk->open(folder.at("a"), OpenMode::kReadOnly, &second));
  CHECK_EQ(openCode(*disk, folder.at("a"), OpenMode::kReadWrite), Code::kBusy);
  first.reset();
  CHECK_EQ(openCode(*disk, folder.at("a"), OpenMode::kReadWrite), Code::kBusy);
  second.reset();
  CHECK_EQ(openCode(*disk, folder.at("a"), OpenMode::kReadWrite), Code::kOk);
}

// Method: a forked child opens and says so through a pipe; it dies by SIGKILL while it holds the
// lock.
TEST(a_lock_of_another_process_names_its_pid_and_ends_with_it) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  create(*disk, folder.at("a"), 4096).reset();
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::unique_ptr<File> held;
    const bool ok = makePosixDisk()->open(folder.at("a"), OpenMode::kReadWrite, &held).ok();
    const char answer = ok ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    for (;;) pause();
  }
  char answer = 0;
  CHECK_EQ(read(ready[0], &answer, 1), 1);
  CHECK_EQ(answer, 'y');
  std::unique_ptr<File> file;
  const Status status = disk->open(folder.at("a"), OpenMode::kReadWrite, &file);
  CHECK_EQ(status.code(), Code::kBusy);
  CHECK(contains(status.message(), "process " + std::to_string(child) + " "));
  CHECK_EQ(kill(child, SIGKILL), 0);
  CHECK_EQ(waitpid(child, nullptr, 0), child);
  close(ready[0]);
  close(ready[1]);
  CHECK_OK(disk->open(folder.at("a"), OpenMode::kReadWrite, &file));
}

TEST(links_folders_pipes_sockets_and_devices_are_refused_without_hanging) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  create(*disk, folder.at("real"), 4096).reset();
  REQUIRE(symlink(folder.at("real").c_str(), folder.at("link").c_str()) == 0);
  REQUIRE(mkfifo(folder.at("pipe").c_str(), 0600) == 0);
  REQUIRE(mkdir(folder.at("dir").c_str(), 0700) == 0);
  const int server = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string name = folder.at("socket");
  REQUIRE(name.size() < sizeof(address.sun_path));
  std::copy(name.begin(), name.end(), address.sun_path);
  CHECK_EQ(bind(server, static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof(address)), 0);
  for (const std::string& path : {folder.at("link"), folder.at("pipe"), folder.at("dir"), name,
                                  std::string("/dev/null")}) {
    CHECK_EQ(openCode(*disk, path, OpenMode::kReadOnly), Code::kNotRegular);
    CHECK_EQ(openCode(*disk, path, OpenMode::kReadWrite), Code::kNotRegular);
    DiskStat stat;
    CHECK_OK(disk->stat(path, &stat));
    CHECK(stat.exists && !stat.regular);
  }
  close(server);
}

TEST(missing_files_and_impossible_names_have_codes_of_their_own) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  CHECK_EQ(openCode(*disk, folder.at("none"), OpenMode::kReadWrite), Code::kNotFound);
  CHECK_EQ(openCode(*disk, folder.at("no/such/dir"), OpenMode::kCreateExclusive), Code::kNotFound);
  CHECK_EQ(openCode(*disk, "", OpenMode::kReadOnly), Code::kArgument);
  CHECK_EQ(openCode(*disk, folder.at(std::string("a\0b", 3)), OpenMode::kReadOnly),
           Code::kArgument);
  CHECK_EQ(openCode(*disk, folder.at(std::string(300, 'n')), OpenMode::kReadOnly), Code::kArgument);
  DiskStat stat;
  CHECK_OK(disk->stat(folder.at("none"), &stat));
  CHECK(!stat.exists);
}

// Root passes every permission check, so this test gives root up in a child.
TEST(a_file_that_may_not_be_written_is_a_permission_error) {
  const TempFolder folder;
  create(*makePosixDisk(), folder.at("a"), 4096).reset();
  REQUIRE(chmod(folder.at("a").c_str(), 0444) == 0);
  REQUIRE(chmod(folder.at("").c_str(), 0755) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(90);
    std::unique_ptr<File> file;
    const auto disk = makePosixDisk();
    const Code write = disk->open(folder.at("a"), OpenMode::kReadWrite, &file).code();
    const Code read = disk->open(folder.at("a"), OpenMode::kReadOnly, &file).code();
    _exit(write == Code::kPermission && read == Code::kOk ? 0 : 1);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0);
}

TEST(create_exclusive_makes_a_private_file_and_never_opens_an_existing_one) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  create(*disk, folder.at("a"), 8192).reset();
  struct stat info = {};
  CHECK_EQ(::stat(folder.at("a").c_str(), &info), 0);
  CHECK_EQ(info.st_mode & 07777, 0600u);
  CHECK_EQ(openCode(*disk, folder.at("a"), OpenMode::kCreateExclusive), Code::kBusy);
  CHECK_EQ(symlink(folder.at("nowhere").c_str(), folder.at("link").c_str()), 0);
  CHECK_EQ(openCode(*disk, folder.at("link"), OpenMode::kCreateExclusive), Code::kBusy);
  DiskStat stat;
  CHECK_OK(disk->stat(folder.at("a"), &stat));
  CHECK_EQ(stat.bytes, 8192u);
}

TEST(rename_no_replace_moves_a_name_and_keeps_an_existing_target) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  create(*disk, folder.at("a"), 4096).reset();
  create(*disk, folder.at("b"), 8192).reset();
  CHECK_EQ(disk->renameNoReplace(folder.at("a"), folder.at("b")).code(), Code::kBusy);
  DiskStat stat;
  CHECK_OK(disk->stat(folder.at("b"), &stat));
  CHECK_EQ(stat.bytes, 8192u);
  CHECK_OK(disk->renameNoReplace(folder.at("a"), folder.at("c")));
  CHECK_OK(disk->syncFolder(folder.at("c")));
  std::vector<std::string> names;
  CHECK_OK(disk->list(folder.at("x"), "", &names));
  CHECK_EQ(names.size(), 4u);  // . .. b c
  CHECK_OK(disk->list(folder.at("x"), "c", &names));
  CHECK(names == std::vector<std::string>{"c"});
  CHECK_OK(disk->remove(folder.at("c")));
  CHECK_EQ(disk->remove(folder.at("c")).code(), Code::kNotFound);
  CHECK_EQ(disk->renameNoReplace(folder.at("c"), folder.at("d")).code(), Code::kNotFound);
}

TEST(bytes_written_are_read_back_by_read_view_and_device_at_any_alignment) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  const uint64_t size = (1 << 20) + 4096 + 123;  // Ends inside a page, and inside a device block.
  const auto file = create(*disk, folder.at("a"), size);
  const std::vector<std::byte> bytes = randomBytes(size);
  REQUIRE_OK(file->write(0, bytes));
  REQUIRE_OK(file->sync());
  CHECK(std::equal(bytes.begin(), bytes.end(), file->view()));
  for (uint64_t offset :
       {uint64_t{0}, uint64_t{1}, uint64_t{511}, uint64_t{4096}, uint64_t{300'000}}) {
    for (uint64_t length :
         {uint64_t{0}, uint64_t{1}, uint64_t{4095}, uint64_t{262'145}, size - offset}) {
      if (length > size - offset) continue;
      std::vector<std::byte> plain(length);
      std::vector<std::byte> device(length);
      CHECK_OK(file->read(offset, plain));
      CHECK_OK(file->readDevice(offset, device));
      CHECK(plain == device);
      CHECK(std::equal(plain.begin(), plain.end(), bytes.begin() + static_cast<ptrdiff_t>(offset)));
    }
  }
}

TEST(a_read_beyond_the_end_says_truncated) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  const auto file = create(*disk, folder.at("a"), 5000);
  std::vector<std::byte> out(16);
  for (uint64_t offset : {uint64_t{4985}, uint64_t{5000}, uint64_t{9000}, ~uint64_t{0} - 4}) {
    CHECK_EQ(file->read(offset, out).code(), Code::kTruncated);
    CHECK_EQ(file->readDevice(offset, out).code(), Code::kTruncated);
  }
  CHECK_OK(file->read(4984, out));
  CHECK_OK(file->readDevice(4984, out));
}

TEST(the_view_keeps_its_address_and_shows_new_bytes_while_the_file_grows) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  const auto file = create(*disk, folder.at("a"), 100);
  const std::byte* base = file->view();
  const std::byte mark{0x5a};
  for (uint64_t size = 100; size < (8 << 20); size = size * 3 + 17) {
    CHECK_OK(file->grow(size));
    CHECK_EQ(file->size(), size);
    CHECK_OK(file->write(size - 1, Bytes(&mark, 1)));
    CHECK(file->view() == base);
    CHECK(base[size - 1] == mark);
  }
  CHECK_EQ(file->viewFaults(), 0u);
}

TEST(space_is_reserved_by_grow_given_back_by_punch_and_taken_again_by_reserve) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  const uint64_t size = 4 << 20;
  const auto file = create(*disk, folder.at("a"), size);
  CHECK(file->allocatedBytes() >= size);
  const std::vector<std::byte> bytes = randomBytes(size);
  REQUIRE_OK(file->write(0, bytes));
  REQUIRE_OK(file->sync());
  const uint64_t before = file->allocatedBytes();
  REQUIRE_OK(file->punch(1 << 20, 2 << 20));
  CHECK_EQ(file->size(), size);
  const uint64_t after = file->allocatedBytes();
  if (after == before) SKIP("this file system does not punch holes");
  CHECK(after + (2 << 20) <= before);
  for (uint64_t at = 1 << 20; at < (3 << 20); at += 4096) CHECK(file->view()[at] == std::byte{0});
  CHECK(file->view()[(1 << 20) - 1] == bytes[(1 << 20) - 1]);
  CHECK(file->view()[3 << 20] == bytes[3 << 20]);
  REQUIRE_OK(file->reserve(1 << 20, 2 << 20));
  CHECK(file->allocatedBytes() >= size);
  CHECK(file->view()[2 << 20] == std::byte{0});
  CHECK(file->view()[3 << 20] == bytes[3 << 20]);
}

// RLIMIT_FSIZE gives EFBIG where a full disk gives ENOSPC; both are kNoSpace.
TEST(a_grow_that_finds_no_space_leaves_the_file_as_it_was) {
  const TempFolder folder;
  const auto file = create(*makePosixDisk(), folder.at("a"), 8192);
  rlimit old_limit = {};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old_limit) == 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  rlimit limit = old_limit;
  limit.rlim_cur = 1 << 20;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const Status status = file->grow(2 << 20);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  signal(SIGXFSZ, old_handler);
  CHECK_EQ(status.code(), Code::kNoSpace);
  CHECK_EQ(file->size(), 8192u);
  struct stat info = {};
  CHECK_EQ(::stat(folder.at("a").c_str(), &info), 0);
  CHECK_EQ(info.st_size, 8192);
  CHECK_EQ(file->grow(1ull << 60).code(), Code::kNoSpace);
  CHECK_OK(file->grow(2 << 20));
}

TEST(a_file_cut_short_under_its_view_reads_as_zeros_and_is_counted) {
  const TempFolder folder;
  const auto disk = makePosixDisk();
  const auto file = create(*disk, folder.at("a"), 64 * 4096);
  const auto other = create(*disk, folder.at("b"), 4096);
  const std::vector<std::byte> bytes = randomBytes(64 * 4096);
  REQUIRE_OK(file->write(0, bytes));
  REQUIRE(truncate(folder.at("a").c_str(), 4096) == 0);
  const std::byte* view = file->view();
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  for (uint64_t at = page; at < 64 * 4096; at += page) {
    CHECK(*static_cast<const volatile std::byte*>(view + at) == std::byte{0});
  }
  CHECK_EQ(file->viewFaults(), 64 * 4096 / page - 1);
  CHECK_EQ(other->viewFaults(), 0u);
  CHECK(view[0] == bytes[0]);
  std::vector<std::byte> out(16);
  CHECK_EQ(file->read(8192, out).code(), Code::kTruncated);
}

TEST(many_threads_may_meet_lost_pages_at_once) {
  const TempFolder folder;
  const auto file = create(*makePosixDisk(), folder.at("a"), 256 * 4096);
  REQUIRE(truncate(folder.at("a").c_str(), 0) == 0);
  const std::byte* view = file->view();
  std::atomic<uint64_t> nonzero{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (uint64_t at = 0; at < 256 * 4096; at += 512) {
        if (*static_cast<const volatile std::byte*>(view + at) != std::byte{0}) ++nonzero;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK_EQ(nonzero.load(), 0u);
  CHECK(file->viewFaults() > 0);
}

// Method: a child maps a file by itself, cuts it and reads: the guard must let that SIGBUS kill it.
TEST(a_bus_error_outside_our_views_still_ends_the_process) {
  const TempFolder folder;
  const auto guarded = create(*makePosixDisk(), folder.at("a"), 4096);  // The handler is in place.
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit no_core = {};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(SIGALRM, SIG_DFL);
    alarm(20);  // Should the handler loop, the parent sees SIGALRM in place of SIGBUS.
    const int fd = open(folder.at("b").c_str(), O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096) != 0) _exit(70);
    const void* at = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED || ftruncate(fd, 0) != 0) _exit(71);
    _exit(72 + *static_cast<const volatile unsigned char*>(at) % 8);
  }
  int status = 0;
  CHECK_EQ(waitpid(child, &status, 0), child);
  // Sanitizers report a fatal signal and exit by 1 or 66; without them the signal itself ends the
  // child.
  CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : WEXITSTATUS(status) < 70);
}

TEST(the_clock_and_the_random_numbers_are_real) {
  const auto clock = makePosixClock();
  const uint64_t before = clock->monotonicNs();
  CHECK(clock->wallMs() > 1'700'000'000'000);  // 2023; a clock never set would say 1970.
  CHECK(clock->monotonicNs() >= before);
  const auto rng = makePosixRng();
  CHECK(rng->next() != rng->next());
  const BootId id = posixBootId();
  const BootId again = posixBootId();
  CHECK(std::equal(std::begin(id.bytes), std::end(id.bytes), again.bytes));
  CHECK(std::any_of(std::begin(id.bytes), std::end(id.bytes), [](uint8_t b) { return b != 0; }));
}

}  // namespace
}  // namespace rve
