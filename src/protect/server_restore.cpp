#include "protect/server_restore.h"

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "protect/restore_mark.h"
#include "protect/restore_preflight.h"
#include "protect/server_directory.h"

namespace holdfast {
namespace {

[[noreturn]] void refuse_taken(const RestoreJob& job) {
  const auto mark = marked_restore(job.target);
  const bool ended = mark && mark->server && mark->target_was_empty &&
                     mark->backup == job.backup.id() && holds_server(job.target);
  if (ended) {
    throw Error(Code::kConflict,
                printable(job.target) + " holds " + mark->backup + ", whose restore has ended",
                "start the server on it; or put the backup in place of all that is there: "
                "--overwrite if-changed --delete");
  }
  throw Error(Code::kConflict, printable(job.target) + " is not empty",
              "choose an empty directory; or put the backup in place of all that is there: "
              "--overwrite if-changed --delete");
}

}  // namespace

bool is_unfinished_server_restore(const std::string& target) {
  const auto mark = unfinished_restore(target);
  return (mark && mark->server) || is_part_of_server(target);
}

RestoreJob without_mixture(const RestoreJob& given) {
  refuse_other_unfinished(given);
  RestoreJob files = given;
  files.keeps_mark = true;
  if (!is_taken(files.target)) return files;
  const bool was_empty = resumes_into_empty(files.target);
  const bool was_server = is_unfinished_server_restore(files.target);
  const bool keeps = files.overwrite == Overwrite::kNever;
  if (was_empty || (was_server && keeps)) {
    if (keeps) files.overwrite = Overwrite::kIfChanged;
    // Also what the last steps have put into place, of a log that may not be wanted this time.
    files.remove_others = files.remove_others || was_server;
    return files;
  }
  if (keeps) refuse_taken(files);
  if (files.remove_others) return files;
  throw Error(Code::kConflict,
              "what " + printable(files.target) +
                  " has and the backup has not would stay, and the server would use it",
              "add --delete");
}

bool begin_server_restore(const RestoreJob& job) {
  const auto before = unfinished_restore(job.target);
  const bool resumed = before || is_unfinished_server_restore(job.target);
  UnfinishedRestore mark;
  mark.backup = job.backup.id();
  mark.target_was_empty = before ? before->target_was_empty : is_empty_target(job.target);
  mark.server = true;
  mark.safety = job.safety.empty() && before ? before->safety : job.safety;
  make_directories(job.target);
  mark_restore(job.target, mark);
  disarm_server(job.target);
  return resumed;
}

void require_whole(const RestoreResult& result) {
  const char* const left = ": the directory was left incomplete, so that no server starts on it";
  if (result.damaged > 0) {
    throw Error(Code::kCorrupt,
                plural(result.damaged, "file") + " could not be brought back whole" + left,
                "heal the vault from a copy (holdfast repair --from URL) and run this restore "
                "again, or restore an older backup: holdfast list");
  }
  if (result.failed > 0) {
    throw Error(Code::kConflict, plural(result.failed, "object") + " could not be made" + left,
                "the warnings say why: clear the way and run this restore again");
  }
}

void end_server_restore(const std::string& target) { unmark_restore(target); }

}  // namespace holdfast
