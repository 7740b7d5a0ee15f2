#include "cli/session.h"

#include "base/error.h"
#include "cli/credential.h"
#include "store/dry_run_store.h"
#include "store/open_store.h"

namespace holdfast {
namespace {

std::unique_ptr<ObjectStore> open_for_reading(const std::string& url) {
  OpenStoreOptions options;
  options.read_only = true;
  return open_store(url, options);
}

}  // namespace

std::string vault_url(Context& context) {
  if (!context.options.vault.empty()) return context.options.vault;
  if (std::string url = environment_value("HOLDFAST_VAULT"); !url.empty()) return url;
  if (!context.settings().vault.empty()) return context.settings().vault;
  throw Error(Code::kUsage, "no vault was given",
              "give --vault PATH, set HOLDFAST_VAULT, or put 'vault:' into the configuration");
}

std::unique_ptr<ObjectStore> open_store_for(Context& context, const std::string& url,
                                            Access access) {
  try {
    switch (access) {
      case Access::kRead:
        return open_for_reading(url);
      case Access::kDryRun:
        return std::make_unique<DryRunStore>(open_for_reading(url), context.clock);
      case Access::kWrite:
      case Access::kWriteIfPossible:
        return open_store(url, {});
    }
  } catch (const Error& error) {
    if (error.code() == Code::kDenied && access == Access::kWriteIfPossible) {
      return open_for_reading(url);
    }
    throw;
  }
  throw Error(Code::kInternal, "unknown kind of access");
}

std::unique_ptr<ObjectStore> open_vault_store(Context& context, Access access) {
  const std::string url = vault_url(context);
  auto store = open_store_for(context, url, access);
  if (!vault_id_of(*store)) {
    throw Error(Code::kNotFound, "there is no vault in " + store->traits().url,
                "check the address, or make a vault there with: holdfast init --vault " + url);
  }
  return store;
}

OpenedVault open_vault(Context& context, Access access) {
  OpenedVault opened;
  // First the store: nobody should type a passphrase for a vault that is not there.
  opened.store = open_vault_store(context, access);
  opened.vault = Vault::open(*opened.store, context.clock, find_credential(context),
                             context.settings().cache_directory);
  return opened;
}

}  // namespace holdfast
