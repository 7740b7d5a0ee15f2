// What the backups of a vault need.
#pragma once

#include <stop_token>

#include "vault/live_set.h"
#include "vault/vault.h"

namespace holdfast {

// Everything that the backups now in the store reach. Throws Error(kCorrupt) when a backup or a
// page of one cannot be read: then nobody knows what is needed.
LiveSet reachable_now(const Vault& vault, std::shared_ptr<const Index> index, const DoomSet& doom,
                      std::stop_token stop);

}  // namespace holdfast
