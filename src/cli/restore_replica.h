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
  // Throws kUsage for what cannot become a replica, and what check_mariadb_primary() throws.
  ReplicaPlan(Context& context, const Vault& vault, const RestoreJob& job,
              const std::string& primary);

  // After the restore of `job`, which must have brought everything back.
  void complete() const;

 private:
  Context& context_;
  const RestoreJob& job_;
  MariadbPrimary primary_;
  MariadbSettings settings_;
  std::string password_;
};

}  // namespace holdfast
