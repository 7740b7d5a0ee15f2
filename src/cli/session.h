// From options and configuration to an open vault.
#pragma once

#include <memory>
#include <string>

#include "cli/context.h"
#include "store/open_store.h"
#include "vault/vault.h"

namespace holdfast {

enum class Access {
  kRead,  // the store stays exactly as it is
  kWrite,
  kWriteIfPossible,  // else for reading: a restore from a read-only copy works
  kDryRun,           // everything seems to happen, nothing does
};

// --vault, else $HOLDFAST_VAULT, else the configuration, else the bucket $BACKUP_BUCKET. Throws
// Error(kUsage) without any.
std::string vault_url(Context& context);

// How the configuration wants the store at `url` to be reached, as it is now.
OpenStoreOptions place_options(Context& context, const std::string& url);
// The same of what is read: as it was at --as-of, if that is given.
OpenStoreOptions store_options(Context& context, const std::string& url);
// Without `looks` a bucket that is not there is noticed by the first request only.
std::unique_ptr<ObjectStore> open_store_for(Context& context, const std::string& url, Access access,
                                            bool looks = true);

struct OpenedVault {
  std::unique_ptr<ObjectStore> store;
  std::unique_ptr<Vault> vault;
};
// The vault of the context with the user's key.
OpenedVault open_vault(Context& context, Access access);
// The same, in a store that was opened before.
OpenedVault open_vault(Context& context, std::unique_ptr<ObjectStore> store);
// What is not a writer's to do; `what` says it: "prune the vault". Throws Error(kDenied).
void refuse_writer(const Vault& vault, std::string_view what);
// The same for what needs no key: asks the key that was given, if it opens the vault.
void refuse_writer_key(Context& context, ObjectStore& store, std::string_view what);
// Its store alone, for what needs no key; Error(kNotFound) when it holds no vault.
std::unique_ptr<ObjectStore> open_vault_store(Context& context, Access access);

}  // namespace holdfast
