// holdfast restore --as replica: a MariaDB server that goes on from a backup behind its primary.
#pragma once

#include <optional>
#include <string>

#include "cli/context.h"
#include "protect/restore.h"
#include "source/mariadb/replica.h"
#include "vault/vault.h"

namespace holdfast {

// A replica to be made of what is restored. Its primary is asked before anything is written.
class ReplicaPlan {
 public:
  // `job` is of a whole physical backup of MariaDB. Throws kUsage when it has no GTID, and what
  // parse_mariadb_primary() and check_mariadb_primary() throw.
  ReplicaPlan(Context& context, const Vault& vault, const RestoreJob& job,
              const std::string& primary);

  // Throws kNotFound when the primary cannot go on from `gtid`, the state that will be restored.
  void check_log(const std::string& gtid) const;

  // After the restore of `job`, which must have brought everything back, to the state of `gtid`.
  void complete(const std::string& gtid) const;

 private:
  Context& context_;
  const RestoreJob& job_;
  MariadbPrimary primary_;
  MariadbSettings settings_;
  std::string password_;
};

}  // namespace holdfast
