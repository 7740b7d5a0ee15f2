#include "cli/sandbox_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "os/file.h"

namespace holdfast {
namespace {

constexpr const char* kScratch = "/var/tmp/holdfast";

}  // namespace

// Everybody may write beside it, so it must not be somebody else's.
std::string own_scratch() {
  make_directories(kScratch, 0711);
  struct stat status {};
  if (::lstat(kScratch, &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
    throw Error(Code::kDenied, std::string(kScratch) + " belongs to somebody else",
                "choose another place for the sandbox: --scratch DIR");
  }
  if (::chmod(kScratch, 0711) != 0) throw system_error(errno, "cannot set the mode of the scratch");
  return kScratch;
}

}  // namespace holdfast
