// holdfast init: a new vault and its first key.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/credential.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "os/file.h"
#include "protect/archive_name.h"
#include "store/dry_run_store.h"
#include "store/memory_store.h"
#include "store/s3/probe.h"

namespace holdfast {
namespace {

struct InitOptions {
  bool dry_run = false;
};

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

// Asks for nothing and makes nothing; the secret opens what a dry run makes, and no more.
FirstKey key_for_dry_run(Context& context) {
  FirstKey key;
  key.credential = KeyFileSecret{random_array<32>()};
  key.file = key_file_path(context);
  if (key.file.empty()) {
    if (environment_value("HOLDFAST_PASSPHRASE").empty() && !can_prompt()) {
      key.credential = new_passphrase(context, "HOLDFAST_PASSPHRASE");  // says what is missing
    }
  } else if (path_exists(key.file)) {
    key.credential = existing_key_file(key.file);
  } else {
    const std::string parent = std::filesystem::path(key.file).parent_path().string();
    require_writable_directory(parent.empty() ? "." : parent);
    key.made = true;
  }
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

constexpr std::string_view kFile = "file://";

// As the store itself would name the place.
std::string full_url(const std::string& url) {
  if (is_s3_url(url)) return url;
  const std::string path = url.starts_with(kFile) ? url.substr(kFile.size()) : url;
  return std::string(kFile) + std::filesystem::absolute(path).lexically_normal().string();
}

// What lies within a vault is taken for objects of that one.
void refuse_within_a_vault(const std::string& url) {
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

// The place as it is, in which nothing really happens; one that does not exist yet is empty.
std::unique_ptr<ObjectStore> open_for_dry_run(Context& context, const std::string& url) {
  OpenStoreOptions options = store_options(context, url);
  options.read_only = true;
  try {
    return std::make_unique<DryRunStore>(open_store(url, options), context.clock);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
  }
  if (!is_s3_url(url)) {
    std::filesystem::path path = full_url(url).substr(kFile.size());
    while (path.has_relative_path() && !path_exists(path)) path = path.parent_path();
    require_writable_directory(path);
  }
  return std::make_unique<MemoryStore>(context.clock);
}

std::unique_ptr<ObjectStore> open_place(Context& context, const std::string& url, bool dry_run) {
  if (dry_run) return open_for_dry_run(context, url);
  OpenStoreOptions options = store_options(context, url);
  options.create = true;
  return open_store(url, options);
}

int report(Context& context, const std::string& url, const std::string& id, const FirstKey& key,
           const std::optional<Error>& weakness) {
  context.output.print(fmt::format("vault {} in {}\n", id, url));
  context.output.print(key.file.empty()
                           ? std::string("its key: your passphrase\n")
                           : fmt::format("its key: {}{}\n", key.file, key.made ? " (new)" : ""));
  context.output.note(
      "\nWithout the key nobody can read the backups, you included. Print the recovery sheet now\n"
      "and keep it where the disaster does not reach:\n\n  holdfast key recover-sheet\n");
  context.output.document(Json{{"vault", id},
                               {"url", url},
                               {"key_file", key.file.empty() ? Json() : Json(key.file)},
                               {"key_file_created", key.made},
                               {"warning", weakness ? error_json(*weakness) : Json()},
                               {"dry_run", false}});
  if (!weakness) return kExitSuccess;
  context.output.warning(*weakness);
  return kExitWarnings;
}

int report_dry_run(Context& context, const std::string& url, const FirstKey& key) {
  context.output.print(fmt::format("would make a vault in {}\n", url));
  context.output.print(key.file.empty() ? std::string("its key would be your passphrase\n")
                                        : fmt::format("its key would be {}{}\n", key.file,
                                                      key.made ? ", which would be made" : ""));
  context.output.document(Json{{"vault", Json()},
                               {"url", url},
                               {"key_file", key.file.empty() ? Json() : Json(key.file)},
                               {"key_file_created", key.made},
                               {"dry_run", true}});
  return kExitSuccess;
}

int run_init(Context& context, const InitOptions& init) {
  const std::string url = vault_url(context);
  const auto store = open_place(context, url, init.dry_run);
  refuse_existing(*store);
  refuse_within_a_vault(init.dry_run ? full_url(url) : store->traits().url);
  std::optional<Error> weakness;
  if (is_s3_url(url) && !init.dry_run) {  // it writes to find out
    S3Store bucket(url, store_options(context, url).s3, context.clock, context.stop);
    sweep_probes(bucket);
    require_conditions(bucket);
    weakness = trouble_with_encryption(bucket);
  }
  const FirstKey key = init.dry_run ? key_for_dry_run(context) : first_key(context);
  VaultId id;
  try {
    id = create_vault(context, *store, key.credential).vault;
  } catch (...) {
    if (key.made && !init.dry_run) ::unlink(key.file.c_str());
    throw;
  }
  if (init.dry_run) return report_dry_run(context, full_url(url), key);
  return report(context, store->traits().url, to_hex(id), key, weakness);
}

}  // namespace

void add_init_command(Command& root) {
  const auto o = std::make_shared<InitOptions>();
  root.subcommand("init", "Create a vault and its key")
      .flag("-n,--dry-run", o->dry_run, "Say what would be made, and check the place; make nothing")
      .examples({"holdfast init --vault /srv/vault --key-file ~/vault.key",
                 "HOLDFAST_PASSPHRASE=... holdfast init --vault file:///srv/vault",
                 "holdfast init    # all from the configuration"})
      .run([o](Context& context) { return run_init(context, *o); });
}

}  // namespace holdfast
