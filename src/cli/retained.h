// Which backups the retention policy of the configuration keeps.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cli/context.h"
#include "objective/retention.h"
#include "store/object_store.h"
#include "vault/backup_object.h"

namespace holdfast {

struct RetentionPlan {
  std::vector<RetentionDecision> decisions;  // oldest first
  std::map<std::string, BackupName> names;   // by id

  std::vector<BackupName> kept() const { return chosen(true); }
  std::vector<BackupName> dropped() const { return chosen(false); }

 private:
  std::vector<BackupName> chosen(bool keep) const;
};

// Of the backups in `store` that `is_chosen` accepts. `given` takes the place of the
// configuration's rules when any of it is set. Of each source the newest verified one stays
// besides.
RetentionPlan make_retention_plan(Context& context, ObjectStore& store,
                                  const RetentionPolicy& given,
                                  const std::function<bool(const BackupName&)>& is_chosen);

}  // namespace holdfast
