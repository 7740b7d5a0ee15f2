#include "cli/session.h"

#include "base/error.h"
#include "cli/credential.h"
#include "cli/store_trouble.h"
#include "settings/settings.h"
#include "store/dry_run_store.h"
#include "vault/require_vault.h"

namespace holdfast {
namespace {

std::unique_ptr<ObjectStore> open_for_reading(const std::string& url, OpenStoreOptions options) {
  options.read_only = true;
  return open_store(url, options);
}

}  // namespace

std::string vault_url(Context& context) {
  if (!context.options.vault.empty()) return context.options.vault;
  if (std::string url = environment_value("HOLDFAST_VAULT"); !url.empty()) return url;
  if (!context.settings().vault.empty()) return context.settings().vault;
  if (std::string bucket = environment_value("BACKUP_BUCKET"); !bucket.empty()) {
    return "s3://" + bucket;
  }
  throw Error(Code::kUsage, "no vault was given",
              "give --vault PATH or s3://BUCKET, set HOLDFAST_VAULT or BACKUP_BUCKET, or put "
              "'vault:' into the configuration");
}

OpenStoreOptions place_options(Context& context, const std::string& url) {
  OpenStoreOptions options;
  options.clock = &context.clock;
  options.stop = context.stop;
  options.s3 = s3_options_for(context.settings(), url);
  options.s3.notice = [&output = context.output](const std::string& text) { output.message(text); };
  options.s3.outage = note_store_trouble;
  return options;
}

OpenStoreOptions store_options(Context& context, const std::string& url) {
  OpenStoreOptions options = place_options(context, url);
  if (!context.options.as_of.empty()) {
    if (!is_s3_url(url)) {
      throw Error(Code::kUsage, "--as-of needs a versioned bucket, and " + url + " is a directory");
    }
    options.s3.as_of = parse_moment(context.options.as_of, context.clock.now());
  }
  return options;
}

std::unique_ptr<ObjectStore> open_store_for(Context& context, const std::string& url, Access access,
                                            bool looks) {
  OpenStoreOptions options = store_options(context, url);
  options.looks = looks;
  try {
    switch (access) {
      case Access::kRead:
        return open_for_reading(url, options);
      case Access::kDryRun:
        return std::make_unique<DryRunStore>(open_for_reading(url, options), context.clock);
      case Access::kWrite:
      case Access::kWriteIfPossible:
        return open_store(url, options);
    }
  } catch (const Error& error) {
    if (error.code() == Code::kDenied && access == Access::kWriteIfPossible) {
      return open_for_reading(url, options);
    }
    throw;
  }
  throw Error(Code::kInternal, "unknown kind of access");
}

std::unique_ptr<ObjectStore> open_vault_store(Context& context, Access access) {
  const std::string url = vault_url(context);
  auto store = open_store_for(context, url, access);
  require_vault(*store,
                "check the address, or make a vault there with: holdfast init --vault " + url);
  return store;
}

void refuse_writer(const Vault& vault, std::string_view what) {
  if (vault.ring().role != Role::kWriter) return;
  throw Error(Code::kDenied, "a writer key may not " + std::string(what),
              "use an operator key or a restorer key: --key-file FILE");
}

void refuse_writer_key(Context& context, ObjectStore& store, std::string_view what) {
  std::unique_ptr<Vault> vault;
  try {
    const auto credential = given_credential(context);
    if (!credential || !vault_id_of(store)) return;
    vault = Vault::open(store, context.clock, *credential, "");
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled || error.code() == Code::kUsage) throw;
    return;  // a key that does not fit says nothing of who this is
  }
  refuse_writer(*vault, what);
}

OpenedVault open_vault(Context& context, Access access) {
  // First the store: nobody should type a passphrase for a vault that is not there.
  return open_vault(context, open_vault_store(context, access));
}

OpenedVault open_vault(Context& context, std::unique_ptr<ObjectStore> store) {
  OpenedVault opened;
  opened.store = std::move(store);
  opened.vault = Vault::open(*opened.store, context.clock, find_credential(context),
                             context.settings().cache_directory);
  return opened;
}

}  // namespace holdfast
