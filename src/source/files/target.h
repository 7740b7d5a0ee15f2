// The mirror of the walker: puts entries back below a target directory, and never anywhere else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "os/file.h"
#include "vault/entry.h"

namespace holdfast {

struct RestoreRights {
  bool owner = true;         // set owner and group (needs root)
  bool numeric_ids = false;  // use the ids, not the names, of the source host
  bool xattrs = true;
};

// A directory that a restore writes into. Every path is resolved beneath it without following any
// symlink (openat2 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, with a component-wise fallback), so
// neither ".." nor a planted symlink leads outside: Error(kDenied) instead. Paths are in stored
// form relative to the target; "" is the target itself, which can be read and given metadata but
// not replaced. Thread-safe. Paths may be longer than PATH_MAX.
class Target {
 public:
  // Opens `directory`, creating it and those above it when `create`.
  Target(const std::string& directory, bool create, RestoreRights rights);
  ~Target();

  const std::string& directory() const;  // as given

  // lstat; false when there is nothing.
  bool stat(std::string_view path, struct stat& status) const;

  // True for a directory with something in it; false also for one that cannot be read.
  bool holds_something(std::string_view path) const;

  // Creates the directory with mode 0700 (its own mode comes with apply_metadata at the end). An
  // existing directory is kept; anything else in the way is removed when `replace`, else
  // Error(kConflict). Returns false when the directory was there.
  bool make_directory(std::string_view path, bool replace);

  // A new empty file at entry.path, open for reading and writing; nobody has more rights to it than
  // apply_metadata gives. With `replace`, whatever is in the way (a directory: only if empty) goes
  // first; otherwise Error(kConflict).
  Fd create_file(const Entry& entry, bool replace);
  // An existing regular file with a single link, open for reading and writing; invalid otherwise.
  Fd open_existing(std::string_view path);

  // Symlinks, hard links, fifos, devices. `replace` as above. Devices without the right to create
  // them: Error(kDenied). The link_target of a hard link is relative to the target, like its path.
  void make_special(const Entry& entry, bool replace);

  // Owner, xattrs, mode, times, in an order that lets each survive. By descriptor for files, by
  // name (`fd` < 0) for everything else; nothing for hard links, which share their file's. Returns
  // a description of what could not be set, empty when all was. Throws when the object is not
  // there, or is of another type than the entry. Attributes that the entry does not have are
  // removed (an ACL inherited from the directory above, say), except labels of the system. Set-id
  // bits of a file are left out when its owner could not be set. An owner that we have no right to
  // set is only counted, as that is the same for all.
  std::string apply_metadata(const Entry& entry, int fd);

  // How often apply_metadata had no right to set an owner.
  std::uint64_t refused_owners() const;

  // Removes a file or a whole tree (for --delete); nothing there is fine.
  void remove_tree(std::string_view path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
