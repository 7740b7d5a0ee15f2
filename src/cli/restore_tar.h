// Restoring an archive of files into a directory, with the system's tar.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/session.h"
#include "cli/thaw.h"
#include "protect/archive_name.h"

namespace holdfast {

struct TarRestore {
  StoredArchive archive;
  std::string target;
  std::vector<std::string> includes;  // paths or globs; empty: everything
  std::vector<std::string> excludes;
  unsigned strip_components = 0;
  bool overwrite = false;  // else what exists stays
  bool numeric_ids = false;
  bool no_owner = false;
  bool no_xattrs = false;
  bool ignore_free_space = false;
  bool dry_run = false;
  std::string identity;  // file of age identities
  ThawOptions thaw;
};

struct TarRestored {
  std::uint64_t bytes = 0;  // of tar
  // Where something else was, which stayed, as restore.overwrite is not set; they were warned of.
  std::vector<std::string> kept;
  Duration duration{};
};

// Reads the archive once to its end, compares the space that its content needs with what is free,
// looks at what is in its way, and then unpacks it as a stream. Interrupted, it can be run again.
// Writes nothing before it was read to its end; until then throws kCorrupt; kInvalid when it does
// not have what was asked for; kConflict for symlinks that lead out of the target, and when an
// earlier run was interrupted and may have cut off a file of a target that had some.
TarRestored unpack_archive(Context& context, ObjectStore& store, const TarRestore& restore);

// The same as a command: returns the exit code; prints what it did and the document.
int restore_tar(Context& context, ObjectStore& store, const TarRestore& restore);

}  // namespace holdfast
