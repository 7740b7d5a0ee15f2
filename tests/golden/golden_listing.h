// What a golden vault holds, as text: one line for each entry of a backup.
#pragma once

#include <string>

#include "vault/vault.h"

namespace holdfast {

// Everything that the vault knows of every entry, with the SHA-256 of the content of files, read
// chunk by chunk.
std::string golden_listing(const Vault& vault, const BackupName& name);

// The content of a file that the golden vaults hold: the same for ever.
inline constexpr std::uint64_t kGoldenSeed = 20251110;
inline constexpr std::size_t kGoldenSize = 40'000;
inline constexpr const char* kGoldenPassphrase = "correct horse battery staple";

}  // namespace holdfast
