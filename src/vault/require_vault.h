// For places that have to hold a vault.
#pragma once

#include <memory>
#include <string>

#include "store/object_store.h"
#include "vault/ids.h"

namespace holdfast {

// The id of the vault in `store`. Throws Error(kNotFound) with this hint, and with what a remote
// store answered, when there is none.
VaultId require_vault(ObjectStore& store, const std::string& hint);

// The same store for a command that asks more than once what vault it holds: holdfast.json, which
// never changes, is read once at most.
std::unique_ptr<ObjectStore> with_known_config(std::unique_ptr<ObjectStore> store);

}  // namespace holdfast
