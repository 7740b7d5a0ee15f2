// Restoring a dump into a running server, in the order of the runbook.
#pragma once

#include <string>

#include "cli/context.h"
#include "cli/thaw.h"

namespace holdfast {

struct IntoOptions {
  std::string backup;
  std::string server;       // how to connect, or "source": the server that the source is of
  std::string database;     // of the backup, when it has several
  std::string as_name;      // what the restored database is to be called
  std::string identity;     // file of age identities
  bool replace = false;     // a database of that name may be there: --overwrite always
  bool disconnect = false;  // ends sessions that still use it
  bool no_safety_backup = false;
  bool ignore_free_space = false;
  bool dry_run = false;
  ThawOptions thaw;
};

// Returns the exit code; prints what it does and the document.
int restore_into(Context& context, const IntoOptions& options);

}  // namespace holdfast
