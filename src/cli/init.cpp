// holdfast init: a new vault and its first key.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/credential.h"
#include "cli/session.h"
#include "os/file.h"
#include "protect/archive_name.h"
#include "store/s3/probe.h"

namespace holdfast {
namespace {

struct FirstKey {
  Credential credential;
  std::string file;   // empty: a passphrase
  bool made = false;  // the file is new
};

Credential existing_key_file(const std::string& path) {
  Credential credential = read_key_file(path);
  if (std::holds_alternative<KeyFileSecret>(credential)) return credential;
  throw Error(Code::kConflict, path + " is an exported key ring of another vault",
              "name a file that does not exist yet: it will be made");
}

FirstKey first_key(Context& context) {
  FirstKey key;
  key.file = key_file_path(context);
  if (key.file.empty()) {
    key.credential = new_passphrase(context, "HOLDFAST_PASSPHRASE");
    return key;
  }
  if (path_exists(key.file)) {
    key.credential = existing_key_file(key.file);
    return key;
  }
  const KeyFileSecret secret{random_array<32>()};
  write_secret_file(key.file, key_file_text(secret));
  key.credential = secret;
  key.made = true;
  return key;
}

void refuse_existing(ObjectStore& store) {
  if (!vault_id_of(store)) return;
  const bool without_keys = list_objects(store, "keys/").empty();
  throw Error(Code::kConflict, store.traits().url + " holds a vault already",
              without_keys && list_backups(store).empty()
                  ? "it has neither keys nor backups: an interrupted init left it. Remove "
                    "holdfast.json there and run it again"
                  : "use it as it is, or choose another place");
}

// What lies within a vault is taken for objects of that one.
void refuse_within_a_vault(const ObjectStore& store) {
  constexpr std::string_view kFile = "file://";
  const std::string url = store.traits().url;
  if (!url.starts_with(kFile)) return;
  std::filesystem::path path = url.substr(kFile.size());
  while (path.has_relative_path()) {
    path = path.parent_path();
    if (!path_exists(path / "holdfast.json")) continue;
    throw Error(Code::kConflict, url + " lies within the vault in " + path.string(),
                "choose a place outside of it");
  }
}

KeyRing create_vault(Context& context, ObjectStore& store, const Credential& credential) {
  const KeyRing ring = new_key_ring();
  // Made before the vault, so that nothing can go wrong between the two but the store itself.
  const WrappedKey key = wrap_key_ring(ring, credential, "first key", context.clock.now());
  // Archives that were made there before the vault may stay beside it.
  Vault::create(store, context.clock, ring, {}, "",
                [](std::string_view name) { return parse_archive_key(name).has_value(); });
  try {
    store_key(store, key);
  } catch (...) {
    // A vault that nobody can open is worse than none.
    store.remove("holdfast.json");
    throw;
  }
  return ring;
}

int run_init(Context& context) {
  const std::string url = vault_url(context);
  OpenStoreOptions options = store_options(context, url);
  options.create = true;
  const auto store = open_store(url, options);
  refuse_existing(*store);
  refuse_within_a_vault(*store);
  if (is_s3_url(url)) {
    S3Store bucket(url, options.s3, context.clock, context.stop);
    require_conditions(bucket);
  }
  const FirstKey key = first_key(context);
  VaultId id;
  try {
    id = create_vault(context, *store, key.credential).vault;
  } catch (...) {
    if (key.made) ::unlink(key.file.c_str());
    throw;
  }
  context.output.print(fmt::format("vault {} in {}\n", to_hex(id), store->traits().url));
  context.output.print(key.file.empty()
                           ? std::string("its key: your passphrase\n")
                           : fmt::format("its key: {}{}\n", key.file, key.made ? " (new)" : ""));
  context.output.note(
      "\nWithout the key nobody can read the backups, you included. Print the recovery sheet now\n"
      "and keep it where the disaster does not reach:\n\n  holdfast key recover-sheet\n");
  context.output.document(Json{{"vault", to_hex(id)},
                               {"url", store->traits().url},
                               {"key_file", key.file.empty() ? Json() : Json(key.file)},
                               {"key_file_created", key.made}});
  return kExitSuccess;
}

}  // namespace

void add_init_command(Command& root) {
  root.subcommand("init", "Create a vault and its key")
      .examples({"holdfast init --vault /srv/vault --key-file ~/vault.key",
                 "HOLDFAST_PASSPHRASE=... holdfast init --vault file:///srv/vault",
                 "holdfast init    # all from the configuration"})
      .run(run_init);
}

}  // namespace holdfast
