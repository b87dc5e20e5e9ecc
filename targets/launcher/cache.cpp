// The protocol, in one place:
//
//   BASE/               owned by this user, 0700: nobody else can put anything there
//   BASE/tmp.PID-XXXX/  being extracted, locked by its launcher; a free lock means that it died
//   BASE/SHA256/        complete: it got its name by rename(), after all in it was synced
//
// A power cut during extraction leaves a tmp folder, which is never run and goes at the next start.
// A cache is run only after size, owner, mode and CRC-32C of each file were compared with the
// manifest in the executable; what differs is extracted anew. RVE_CACHE_VERIFY=quick leaves out the
// checksums, and with them the reading of all bytes at each start.
#include "cache.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/crc32c.hpp"
#include "extract.hpp"

namespace rve::launcher {
namespace {

constexpr size_t kReadBytes = 1 << 20;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  ~Fd() { reset(-1); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  void reset(int fd) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }
  int get() const { return fd_; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }

 private:
  int fd_;
};

bool failErrno(std::string* error, const std::string& what) {
  *error = what + ": " + std::strerror(errno);
  return false;
}

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Makes `path` and what is missing above it.
bool makePath(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string above = path.substr(0, slash);
    if (mkdir(above.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (slash == std::string::npos) return true;
  }
}

// Nobody but this user and root may rename `path`, or put something else in its place.
bool parentIsSafe(const std::string& path, std::string* error) {
  const std::string parent = path.substr(0, std::max<size_t>(1, path.rfind('/')));
  struct stat stat;
  if (::stat(parent.c_str(), &stat) != 0) return failErrno(error, parent);
  const bool owned = stat.st_uid == geteuid() || stat.st_uid == 0;
  const bool open_to_all = (stat.st_mode & 022) != 0 && (stat.st_mode & S_ISVTX) == 0;
  if (owned && !open_to_all) return true;
  *error = parent + " can be written by others";
  return false;
}

bool openBase(const std::string& base, Fd* out, std::string* error) {
  if (base.empty() || base[0] != '/') {
    *error = "not an absolute path";
    return false;
  }
  if (!makePath(base)) return failErrno(error, "cannot make it");
  if (!parentIsSafe(base, error)) return false;
  out->reset(open(base.c_str(), kFolder));
  if (out->get() < 0) return failErrno(error, "cannot open it");
  struct stat stat;
  if (fstat(out->get(), &stat) != 0) return failErrno(error, "cannot look at it");
  if (stat.st_uid != geteuid() || (stat.st_mode & 077) != 0) {
    *error = "it must belong to this user alone (mode 0700)";
    return false;
  }
  struct statvfs mount;
  if (fstatvfs(out->get(), &mount) == 0 && (mount.f_flag & ST_NOEXEC) != 0) {
    *error = "its file system is mounted noexec";
    return false;
  }
  return true;
}

bool sameContent(int fd, const File& file) {
  static const std::unique_ptr<std::byte[]> buffer(new std::byte[kReadBytes]);
  uint32_t crc = 0;
  uint64_t bytes = 0;
  while (true) {
    const ssize_t got = read(fd, buffer.get(), kReadBytes);
    if (got < 0) return false;
    if (got == 0) return bytes == file.bytes && crc == file.crc32c;
    crc = crc32c({buffer.get(), static_cast<size_t>(got)}, crc);
    bytes += static_cast<uint64_t>(got);
  }
}

bool verified(int folder, const Payload& payload) {
  const char* how = std::getenv("RVE_CACHE_VERIFY");
  const bool quick = how != nullptr && std::strcmp(how, "quick") == 0;
  for (const File& file : payload.files) {
    const Fd fd(openat(folder, file.path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat stat;
    if (fd.get() < 0 || fstat(fd.get(), &stat) != 0) return false;
    const bool mine = S_ISREG(stat.st_mode) && stat.st_uid == geteuid() &&
                      (stat.st_mode & 07777) == (file.mode & 0700);
    if (!mine || static_cast<uint64_t>(stat.st_size) != file.bytes) return false;
    if (!quick && !sameContent(fd.get(), file)) return false;
  }
  return true;
}

void removeTree(int parent, const char* name) {
  const int fd = openat(parent, name, kFolder);
  if (fd >= 0) {
    if (DIR* list = fdopendir(fd)) {
      while (const dirent* entry = readdir(list)) {
        const bool dots = std::strcmp(entry->d_name, ".") == 0 ||
                          std::strcmp(entry->d_name, "..") == 0;
        if (!dots && unlinkat(fd, entry->d_name, 0) != 0) removeTree(fd, entry->d_name);
      }
      closedir(list);
    } else {
      close(fd);
    }
  }
  unlinkat(parent, name, AT_REMOVEDIR);
}

bool isOurName(const char* name) {
  if (std::strncmp(name, "tmp.", 4) == 0) return true;
  return std::strlen(name) == 32 && std::strspn(name, "0123456789abcdef") == 32;
}

// Removes what dead launchers left, and the folders of other versions that nobody runs.
void removeStale(int base, const std::string& keep) {
  const int fd = openat(base, ".", kFolder);
  DIR* list = fd < 0 ? nullptr : fdopendir(fd);
  if (list == nullptr) return;
  while (const dirent* entry = readdir(list)) {
    if (!isOurName(entry->d_name) || keep == entry->d_name) continue;
    const Fd old(openat(base, entry->d_name, kFolder));
    if (old.get() < 0 || flock(old.get(), LOCK_EX | LOCK_NB) != 0) continue;
    removeTree(base, entry->d_name);
  }
  closedir(list);
}

std::string temporaryName() {
  uint32_t draw = 0;
  if (getrandom(&draw, sizeof draw, GRND_NONBLOCK) != sizeof draw) draw = 0;
  char name[48];
  std::snprintf(name, sizeof name, "tmp.%d-%08x", static_cast<int>(getpid()), draw);
  return name;
}

// False with an empty error: another launcher was quicker, or removed ours; look again.
bool extractAs(int self, const Payload& payload, int base, const std::string& name,
               std::string* error) {
  const std::string temporary = temporaryName();
  if (mkdirat(base, temporary.c_str(), 0700) != 0) return failErrno(error, "cannot make a folder");
  const Fd folder(openat(base, temporary.c_str(), kFolder));
  struct stat stat;
  // Before it was locked another launcher may have taken it for one that was left behind.
  if (folder.get() < 0 || flock(folder.get(), LOCK_SH | LOCK_NB) != 0 ||
      fstat(folder.get(), &stat) != 0 || stat.st_nlink == 0) {
    error->clear();
    return false;
  }
  if (!extract(self, payload, folder.get(), error)) {
    removeTree(base, temporary.c_str());
    return false;
  }
  if (renameat(base, temporary.c_str(), base, name.c_str()) != 0) {
    removeTree(base, temporary.c_str());
    error->clear();
    return false;
  }
  return fsync(base) == 0 || failErrno(error, "cannot sync the cache");
}

// A cache that differs: out of the way by rename, so that whoever runs it keeps its files.
void setAside(int base, const std::string& name) {
  const std::string aside = temporaryName();
  if (renameat(base, name.c_str(), base, aside.c_str()) == 0) removeTree(base, aside.c_str());
}

}  // namespace

std::vector<std::string> candidates() {
  const auto given = [](const char* name) {
    const char* text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  if (const std::string only = given("RVE_CACHE_DIR"); !only.empty()) return {only};
  std::vector<std::string> all;
  const auto add = [&all](const std::string& above, const char* below) {
    if (!above.empty()) all.push_back(above + below);
  };
  add(given("XDG_CACHE_HOME"), "/ruvector-edge");
  // $HOME of a service is often "/".
  if (given("HOME") != "/") add(given("HOME"), "/.cache/ruvector-edge");
  if (geteuid() == 0) add("/var/cache", "/ruvector-edge");
  // RAM: 100 MB of it, so last.
  add(given("XDG_RUNTIME_DIR"), "/ruvector-edge");
  if (geteuid() == 0) add("/run", "/ruvector-edge");
  return all;
}

bool prepare(int self, const Payload& payload, const std::string& base, std::string* folder,
             std::string* error) {
  Fd base_fd;
  if (!openBase(base, &base_fd, error)) return false;
  const std::string name = nameOf(payload);
  // Each round ends well, with an error, or because another launcher did something meanwhile.
  for (int round = 0; round < 3; ++round) {
    Fd found(openat(base_fd.get(), name.c_str(), kFolder));
    if (found.get() >= 0) {
      if (flock(found.get(), LOCK_SH | LOCK_NB) != 0) continue;
      if (verified(found.get(), payload)) {
        *folder = base + "/" + name;
        fcntl(found.release(), F_SETFD, 0);  // inherited, with its lock
        return true;
      }
      setAside(base_fd.get(), name);
    }
    removeStale(base_fd.get(), name);
    if (!extractAs(self, payload, base_fd.get(), name, error) && !error->empty()) return false;
  }
  *error = "what was written there does not read back as it was written";
  return false;
}

}  // namespace rve::launcher
