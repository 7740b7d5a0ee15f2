// Paths resolved beneath one directory, without ever following a symlink.
#pragma once

#include <string>
#include <string_view>

#include "os/file.h"

namespace holdfast {

// Resolves by openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS where the kernel has it, else
// component by component with O_NOFOLLOW. Every call resolves anew: a cached descriptor would go on
// writing into a directory that somebody has moved away. Thread-safe.
//
// Paths are in stored form, "" being the directory itself. A path with "." or ".." components, or
// with a symlink on its way, is Error(kDenied); something else than a directory on its way is
// Error(kConflict).
class Beneath {
 public:
  // `name` is what messages call the directory.
  Beneath(Fd root, std::string name);

  const std::string& name() const { return name_; }
  std::string full_name(std::string_view path) const;  // for messages

  // Opens with O_NOFOLLOW | O_CLOEXEC. An invalid Fd, with errno in `error`, when there is no such
  // object or it cannot be opened.
  Fd try_open(std::string_view path, int flags, unsigned mode, int& error) const;
  // The same; throws for every error.
  Fd open(std::string_view path, int flags) const;

  // The directory that holds `path`, for *at calls with `name`. Throws Error(kDenied) for "".
  struct Place {
    Fd directory;
    std::string name;
  };
  Place place_of(std::string_view path) const;

 private:
  Fd open_long(std::string path, int flags, unsigned mode) const;
  Fd open_in(int directory, const std::string& path, int flags, unsigned mode) const;
  Fd open_components(int directory, const std::string& path, int flags, unsigned mode) const;
  [[noreturn]] void refuse_way(std::string_view path, int error) const;

  Fd root_;
  std::string name_;
  bool has_openat2_ = false;
};

}  // namespace holdfast
