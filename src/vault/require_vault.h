// For places that have to hold a vault.
#pragma once

#include <string>

#include "store/object_store.h"
#include "vault/ids.h"

namespace holdfast {

// The id of the vault in `store`. Throws Error(kNotFound) with this hint, and with what a remote
// store answered, when there is none.
VaultId require_vault(ObjectStore& store, const std::string& hint);

}  // namespace holdfast
