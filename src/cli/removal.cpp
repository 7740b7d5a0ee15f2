#include "cli/removal.h"

#include "base/error.h"
#include "base/human.h"
#include "cli/run_log.h"

namespace holdfast {

void remove_backups(Context& context, ObjectStore& store, const std::vector<BackupName>& backups) {
  RunLog log(context, "backup", "retention");
  log.info("removing " + plural(backups.size(), "backup") + " from " + store.traits().url);
  const Duration begin = context.clock.monotonic();
  try {
    for (const BackupName& name : backups) {
      context.check_stop();
      store.remove(name.key());
      log.info("removed " + name.id());
    }
  } catch (Error& error) {
    log.failure("removing backups", error.message());
    log.duration(context.clock.monotonic() - begin);
    if (error.code() == Code::kCancelled) error.suggest("run the same command again to go on");
    throw;
  }
  log.duration(context.clock.monotonic() - begin);
}

}  // namespace holdfast
