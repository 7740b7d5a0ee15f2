// The place that a physical backup of a database has on its host, for restores into it.
#pragma once

#include <optional>
#include <string>

#include "vault/vault.h"

namespace holdfast {

// The data directory that a backup was made of; nothing when it does not say. Throws as
// read_backup() does, kDenied for a key that cannot read content.
std::optional<std::string> original_directory(const Vault& vault, const BackupName& backup);

// Throws Error(kConflict), with what to do, when a restore into `directory` would meet a server
// that runs, or the files of one: this one or another. One that is absent or empty is free,
// and so is one in which a restore was interrupted. `backup` and its `name` are for the message.
void require_free_directory(const std::string& directory, const DatabaseFacts& backup,
                            const BackupName& name);

}  // namespace holdfast
