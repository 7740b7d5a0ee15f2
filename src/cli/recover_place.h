// Where recover --in-place brings a database back to.
#pragma once

#include <string>

#include "cli/recoverable.h"
#include "vault/vault.h"

namespace holdfast {

// The directory that `backup`, one of `source`, was made of. It has to be free (Error(kConflict)),
// unless the source `is_back` already: what to do with a server that is there is a decision of its
// own. Throws kUsage, with what to do instead, for dumps and for backups that do not say.
std::string place_of_database(const Vault& vault, const RecoverableSource& source,
                              const BackupName& backup, bool is_back);

}  // namespace holdfast
