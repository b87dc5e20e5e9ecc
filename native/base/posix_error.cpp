#include "base/posix_error.hpp"

#include <cerrno>
#include <system_error>

namespace rve {
namespace {

Code codeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return Code::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::kPermission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return Code::kNoSpace;
    case ELOOP:   // O_NOFOLLOW met a link
    case EISDIR:  // a folder opened for writing
    case ENXIO:   // a socket, or a pipe without a reader
      return Code::kNotRegular;
    case ENOMEM:
      return Code::kNoMemory;
    case EEXIST:
      return Code::kBusy;
    case ENAMETOOLONG:
      return Code::kArgument;
    default:
      return Code::kIo;
  }
}

}  // namespace

Status posixStatus(int error, const std::string& what, const std::string& path) {
  // system_category().message() is the thread-safe strerror.
  const std::string text = error == EROFS ? "the file system is mounted read-only"
                                          : std::system_category().message(error);
  return Status(codeOf(error), what + ": " + text + " (" + path + ")");
}

}  // namespace rve
