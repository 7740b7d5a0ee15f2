#include "cli/removal.h"

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "cli/run_log.h"
#include "store/locks.h"

namespace holdfast {

RemovalPlan plan_removal(Context& context, ObjectStore& store,
                         const std::vector<BackupName>& backups) {
  std::vector<std::string> keys;
  for (const BackupName& name : backups) keys.push_back(name.key());
  const Locks locks = find_locks(store, keys, context.stop);
  RemovalPlan plan;
  for (const BackupName& name : backups) {
    const auto lock = locks.find(name.key());
    if (lock == locks.end()) {
      plan.free.push_back(name);
    } else {
      plan.locked.push_back({name, lock->second});
    }
  }
  return plan;
}

std::string locked_text(const std::vector<LockedBackup>& locked) {
  const auto [first, last] = std::minmax_element(
      locked.begin(), locked.end(), [](const auto& a, const auto& b) { return a.until < b.until; });
  if (locked.size() == 1) return "1 backup is locked until " + format_rfc3339(first->until);
  return plural(locked.size(), "backup") + " are locked, the first until " +
         format_rfc3339(first->until) + ", the last until " + format_rfc3339(last->until);
}

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
