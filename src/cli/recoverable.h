// What can be recovered from a vault, source by source.
#pragma once

#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_span.h"
#include "vault/vault.h"

namespace holdfast {

struct RecoveryFilter {
  std::vector<std::string> sources;  // empty: all
  std::vector<std::string> classes;  // empty: all
  Timestamp until = Timestamp::max();

  bool takes(const std::string& backup_class, const std::string& source, Timestamp time) const;
};

// What there is, whatever the filter.
struct KnownSources {
  std::set<std::string> sources;
  std::set<std::string> classes;
};

// Throws Error(kNotFound), with what there is, when the filter names a source or class that is
// unknown.
void require_known(const RecoveryFilter& filter, const KnownSources& known);

// A backup that cannot be taken, and why.
struct PassedOver {
  BackupName backup;
  std::string problem;
};

struct RecoverableSource {
  std::string backup_class;
  std::string name;
  std::vector<BackupName> backups;  // oldest first, at least one
  // The newest one whose everything is there; when there is none, the newest that can be read.
  std::optional<StoredBackup> best;
  bool whole = false;
  std::vector<PassedOver> passed_over;  // newer than the best; newest first
  std::optional<LogSpan> log;           // behind the best; of the latest moment alone

  // The newest moment that can be recovered. There is a best.
  Timestamp recovery_point() const;
  std::string key() const { return backup_class + "/" + name; }
};

// Those of `names`, the vault's backups, that fit the filter, in the order of classes and names.
std::vector<RecoverableSource> find_recoverable(const Vault& vault,
                                                const std::vector<BackupName>& names,
                                                const RecoveryFilter& filter, std::stop_token stop);

}  // namespace holdfast
