// An archive of a dump as a file, expanded and opened: what psql or mariadb reads.
#pragma once

#include <string>

#include "cli/context.h"
#include "cli/session.h"
#include "cli/thaw.h"
#include "protect/archive_name.h"

namespace holdfast {

struct DumpRestore {
  StoredArchive archive;
  std::string directory;   // made if needed
  bool overwrite = false;  // else a file that exists stays
  bool dry_run = false;    // reads it all the same
  std::string identity;    // file of age identities
  ThawOptions thaw;
};

struct DumpRestored {
  std::string path;
  bool stayed = false;  // what was there before
  std::uint64_t bytes = 0;
  Duration duration{};
};

// DIRECTORY/backup-20251110-120000-shop.sql: there only when it is whole, and readable for its
// owner alone. Throws kCorrupt when the archive stops before its end, kDenied when it is sealed.
DumpRestored restore_dump(Context& context, ObjectStore& store, const DumpRestore& restore);

}  // namespace holdfast
