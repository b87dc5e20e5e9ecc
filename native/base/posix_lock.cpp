#include "base/posix_lock.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/posix_error.hpp"

namespace rve {
namespace {

// Descriptors looked at before the search for a holder gives up: about 0.1 s on a small board.
constexpr int kDescriptorsMax = 65536;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

bool isNumber(const char* name) {
  return *name != '\0' && std::strspn(name, "0123456789") == std::strlen(name);
}

// Reads /proc/<pid>/fdinfo/<fd>: "lock:\t1: OFDLCK  ADVISORY  WRITE -1 fe:00:1234 0 EOF".
bool holdsConflict(const std::string& fdinfo, LockKind wanted) {
  const int fd = open(fdinfo.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  char text[4096];  // Far above any fdinfo of a regular file; the lock lines stand within the first
                    // 300.
  const ssize_t got = read(fd, text, sizeof(text) - 1);
  close(fd);
  if (got <= 0) return false;
  text[got] = '\0';
  const char* lock = std::strstr(text, "OFDLCK");
  return lock != nullptr &&
         (wanted == LockKind::kExclusive || std::strstr(lock, "WRITE") != nullptr);
}

// The fd of process `pid` that is open on `file` and holds a lock against `wanted`.
bool processHolds(const char* pid, const struct stat& file, LockKind wanted, int* budget) {
  const std::string process = std::string("/proc/") + pid;
  const Folder fds(opendir((process + "/fd").c_str()));
  if (fds == nullptr) return false;
  while (const dirent* entry = readdir(fds.get())) {
    if (!isNumber(entry->d_name)) continue;
    if (--*budget < 0) return false;
    struct stat there = {};
    if (fstatat(dirfd(fds.get()), entry->d_name, &there, 0) != 0) continue;
    if (there.st_dev != file.st_dev || there.st_ino != file.st_ino) continue;
    if (holdsConflict(process + "/fdinfo/" + entry->d_name, wanted)) return true;
  }
  return false;
}

std::string holderOf(int fd, LockKind wanted) {
  struct stat file = {};
  const Folder processes(opendir("/proc"));
  if (fstat(fd, &file) != 0 || processes == nullptr) return "unknown";
  int budget = kDescriptorsMax;
  while (const dirent* entry = readdir(processes.get())) {
    if (!isNumber(entry->d_name)) continue;
    if (processHolds(entry->d_name, file, wanted, &budget)) return entry->d_name;
  }
  return "unknown";
}

}  // namespace

Status lockFile(int fd, LockKind kind, const std::string& path) {
  struct flock lock = {};
  lock.l_type = kind == LockKind::kShared ? F_RDLCK : F_WRLCK;
  lock.l_whence = SEEK_SET;  // l_start and l_len 0: the whole file, however it grows.
  int result;
  do {
    result = fcntl(fd, F_OFD_SETLK, &lock);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return {};
  const int error = errno;
  if (error != EAGAIN && error != EACCES) return posixStatus(error, "Cannot lock", path);
  return Status(Code::kBusy,
                "Cannot lock: held by process " + holderOf(fd, kind) + " (" + path + ")");
}

void unlockFile(int fd) {
  struct flock whole = {};
  whole.l_type = F_UNLCK;
  whole.l_whence = SEEK_SET;
  fcntl(fd, F_OFD_SETLK, &whole);
}

}  // namespace rve
