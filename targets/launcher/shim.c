/* Preloaded into Debian's Node where its files do not lie where Debian puts them.
 *
 * That Node loads some of its built-in modules from /usr/share/nodejs at every start: they are
 * found below the folder that this library lies in. And it is started through its dynamic loader,
 * so that /proc/self/exe names the loader: the path of our own executable is told instead, which
 * becomes process.execPath. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char folder[PATH_MAX];     /* without its last slash; "" before the constructor ran */
static char executable[PATH_MAX];

__attribute__((constructor)) static void find_places(void) {
  Dl_info info;
  /* .../lib/shim.so */
  if (dladdr(&folder, &info) != 0 && info.dli_fname != NULL && info.dli_fname[0] == '/' &&
      strlen(info.dli_fname) < sizeof folder) {
    strcpy(folder, info.dli_fname);
    for (int i = 0; i < 2; ++i) {
      char *slash = strrchr(folder, '/');
      if (slash != NULL) *slash = '\0';
    }
  }
  /* What the launcher gave the loader as --argv0. */
  if (program_invocation_name != NULL && strlen(program_invocation_name) < sizeof executable) {
    strcpy(executable, program_invocation_name);
  }
}

static int open_moved(const char *path, int flags, mode_t mode) {
  static const char prefix[] = "/usr/share/nodejs/";
  char moved[2 * PATH_MAX];
  if (folder[0] != '\0' && path != NULL && strncmp(path, prefix, sizeof prefix - 1) == 0) {
    const int bytes = snprintf(moved, sizeof moved, "%s/share/nodejs/%s", folder,
                               path + sizeof prefix - 1);
    if (bytes > 0 && (size_t)bytes < sizeof moved) path = moved;
  }
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int has_mode(int flags) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

int open(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (has_mode(flags)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  return open_moved(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (has_mode(flags)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  return open_moved(path, flags, mode);
}

ssize_t readlink(const char *path, char *out, size_t out_bytes) {
  if (executable[0] == '/' && strcmp(path, "/proc/self/exe") == 0) {
    const size_t bytes = strlen(executable);
    const size_t taken = bytes < out_bytes ? bytes : out_bytes;
    memcpy(out, executable, taken);
    return (ssize_t)taken;
  }
  return (ssize_t)syscall(SYS_readlinkat, AT_FDCWD, path, out, out_bytes);
}
