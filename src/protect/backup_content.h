// The content of single files of a backup.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace holdfast {

// The paths of all regular files, in order. Meant for backups that have few: dumps.
std::vector<std::string> files_of(const Vault& vault, const BackupName& backup);

// Calls `take` with the content of the file at `path`, piece by piece, until it answers false.
// Returns the bytes given. Throws kNotFound when the backup has no such file; holes are not given.
std::uint64_t read_backup_file(const Vault& vault, const BackupName& backup,
                               const std::string& path, const std::function<bool(ByteView)>& take);

}  // namespace holdfast
