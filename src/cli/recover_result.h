// What became of the sources of a recovery.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/recoverable.h"
#include "cli/restore_run.h"

namespace holdfast {

// One source from its choice to its result.
struct Recovery {
  RestoreJob job;
  const RecoverableSource* source = nullptr;
  Timestamp point{};  // the moment that comes back
  bool done_before = false;
  std::optional<Restored> restored;
  std::optional<Error> error;

  int code() const {
    if (error) return exit_code(error->code());
    return restored ? code_of(*restored) : kExitSuccess;
  }
};

// The cells of its row in the table of all, and its object in the document.
std::vector<std::string> recovery_cells(const Recovery& recovery, Timestamp now);
Json recovery_json(const Recovery& recovery, Timestamp now);

// The exit code of two: the first failure decides, and then any warning.
int worse(int code, int other);

}  // namespace holdfast
