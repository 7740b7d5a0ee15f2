#include "cli/restore_replica.h"

#include "base/error.h"
#include "base/human.h"
#include "os/scratch.h"
#include "protect/database_restore.h"

namespace holdfast {
namespace {

MariadbSettings settings_of(Context& context, const BackupName& backup) {
  for (const SourceSettings& source : context.settings().sources) {
    if (source.name == backup.source && source.mariadb) return *source.mariadb;
  }
  return {};
}

}  // namespace

ReplicaPlan::ReplicaPlan(Context& context, const Vault& vault, const RestoreJob& job,
                         const std::string& primary)
    : context_(context), job_(job), settings_(settings_of(context, job.backup)) {
  const auto database = database_of(vault, job.backup);
  if (database && database->stop.empty()) {
    throw Error(Code::kUsage, job.backup.id() + " has no GTID: its server wrote no binary log",
                "turn log_bin on at the primary, make a backup, and restore that one");
  }
  primary_ = parse_mariadb_primary(primary);
  password_ = check_mariadb_primary(primary_, context.stop);
}

void ReplicaPlan::check_log(const std::string& gtid) const {
  check_primary_log(primary_, gtid, context_.stop);
}

void ReplicaPlan::complete(const std::string& gtid) const {
  if (job_.dry_run) return;
  const std::string parent = own_scratch();
  remove_abandoned_scratch(parent);
  const ScratchDirectory scratch(parent);
  const std::string own = scratch.path() + "/server";
  make_directories(own, 0700);
  make_mariadb_replica(settings_, primary_, password_, job_.target, gtid, own, context_.stop);
  context_.output.note("a replica of " + printable(primary_.host) + ":" +
                       std::to_string(primary_.port) +
                       ": start the server on it with a server_id of its own; it replicates at "
                       "once (SHOW REPLICA STATUS)\n");
}

}  // namespace holdfast
