// What the backups of a vault need.
#pragma once

#include <stop_token>

#include "vault/live_set.h"
#include "vault/vault.h"

namespace holdfast {

// Everything that `backups` reach; one that is gone meanwhile reaches nothing. `index` must have
// been loaded after the backups were listed: what they need is written before they are. Throws
// Error(kCorrupt) when a backup or a page of one cannot be read: then nobody knows what is needed.
LiveSet reachable_from(const Vault& vault, const std::vector<BackupName>& backups,
                       std::shared_ptr<const Index> index, const DoomSet& doom,
                       std::stop_token stop);

}  // namespace holdfast
