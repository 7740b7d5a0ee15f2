// The content of single files of a backup.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace holdfast {

// The paths of what lies at the top, in order: the dumps of a logical backup.
std::vector<std::string> top_paths_of(const Vault& vault, const BackupName& backup);

// Calls `take` with the content of the file at `path`, piece by piece, until it answers false.
// Returns the bytes given. Throws kNotFound when the backup has no such file; holes are not given.
std::uint64_t read_backup_file(const Vault& vault, const BackupName& backup,
                               const std::string& path, const std::function<bool(ByteView)>& take);

// The same for all files at and below `path`, one after the other. Throws kNotFound when there is
// none.
std::uint64_t read_backup_files(const Vault& vault, const BackupName& backup,
                                const std::string& path, const std::function<void(ByteView)>& take);

}  // namespace holdfast
