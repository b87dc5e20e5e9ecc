// The launcher: a static program that carries Node, its libraries and the program as one zstd
// stream (payload.hpp), extracts them once into a private folder (cache.cpp), and becomes Node.
#include <fcntl.h>
#include <limits.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cache.hpp"
#include "payload.hpp"

namespace {

using rve::launcher::Payload;

// Path of this executable, also where /proc is not mounted.
std::string selfPath() {
  char path[PATH_MAX];
  const ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - 1);
  // An emulator that interprets this file is not it.
  const auto* given = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (bytes > 0) return std::string(path, static_cast<size_t>(bytes));
  return given == nullptr ? "" : given;
}

int openSelf(Payload* payload, std::string* path, std::string* error) {
  *path = selfPath();
  int fd = open(path->c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && rve::launcher::readPayload(fd, payload, error)) return fd;
  if (fd < 0) *error = std::string("cannot open ") + *path + ": " + std::strerror(errno);
  return -1;
}

std::string replaced(std::string word, const std::string& folder, const std::string& self) {
  for (size_t at = word.find('%'); at != std::string::npos; at = word.find('%', at)) {
    const char which = at + 1 < word.size() ? word[at + 1] : '\0';
    const std::string& by = which == '0' ? self : folder;
    if (which != '0' && which != 'D') {
      ++at;
      continue;
    }
    word.replace(at, 2, by);
    at += by.size();
  }
  return word;
}

int becomeProgram(const Payload& payload, const std::string& folder, const std::string& self,
                  int argc, char** argv) {
  std::vector<std::string> words;
  for (const std::string& word : payload.command) words.push_back(replaced(word, folder, self));
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  for (int i = 1; i < argc; ++i) pointers.push_back(argv[i]);
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  std::fprintf(stderr, "rve: cannot start %s: %s\n", pointers[0], std::strerror(errno));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Payload payload;
  std::string self, error;
  const int fd = openSelf(&payload, &self, &error);
  if (fd < 0) {
    std::fprintf(stderr, "rve: %s\n", error.c_str());
    return 1;
  }
  std::string tried;
  for (const std::string& base : rve::launcher::candidates()) {
    std::string folder;
    if (rve::launcher::prepare(fd, payload, base, &folder, &error)) {
      return becomeProgram(payload, folder, self, argc, argv);
    }
    tried += "\n  " + base + ": " + error;
  }
  std::fprintf(stderr,
               "rve: Found no folder to unpack Node into.%s\nTry: RVE_CACHE_DIR=/a/private/folder, "
               "on a file system that allows programs, with 110 MB free\n",
               tried.c_str());
  return 1;
}
