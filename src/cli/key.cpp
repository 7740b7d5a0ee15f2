// holdfast key: who can open the vault, and in which role.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/credential.h"
#include "cli/recovery_sheet.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "os/file.h"

namespace holdfast {
namespace {

struct KeyOptions {
  std::string role;
  std::string label;
  std::string new_key_file;
  bool new_passphrase = false;
  std::string id;
  bool force = false;
  bool yes = false;
  bool dry_run = false;
  std::string output;
};

Json key_json(const WrappedKey& key) {
  return {{"id", key.id},
          {"role", role_name(key.role)},
          {"label", key.label},
          {"created", key.created},
          {"kind", key.kdf == "argon2id" ? "passphrase" : "key-file"}};
}

int list(Context& context) {
  const auto store = open_vault_store(context, Access::kRead);
  Table table({"ID", "ROLE", "KIND", "CREATED", "LABEL"});
  Json keys = Json::array();
  for (const WrappedKey& key : list_keys(*store)) {
    table.add({key.id, std::string(role_name(key.role)),
               key.kdf == "argon2id" ? "passphrase" : "key file", key.created,
               printable(key.label)});
    keys.push_back(key_json(key));
  }
  context.output.print(table.text());
  context.output.document(Json{{"keys", keys}});
  return kExitSuccess;
}

Role role_given(const KeyOptions& options) {
  try {
    return parse_role(options.role);
  } catch (const Error& error) {
    throw Error(Code::kUsage, error.message(), error.hint());
  }
}

// What making the key file would stumble over.
void check_new_file(const std::string& path) {
  if (path_exists(path)) {
    throw Error(Code::kConflict, printable(path) + " exists",
                "name a file that does not exist yet");
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  require_writable_directory(parent.empty() ? "." : parent);
}

// The new key's credential; writes its file.
Credential new_credential(Context& context, const KeyOptions& options) {
  if (options.new_key_file.empty()) return new_passphrase(context, "HOLDFAST_NEW_PASSPHRASE");
  const KeyFileSecret secret{random_array<32>()};
  write_secret_file(options.new_key_file, key_file_text(secret));
  return secret;
}

int would_add(Context& context, const KeyOptions& options, Role role) {
  Json document{{"role", role_name(role)}, {"label", options.label}};
  if (!options.new_key_file.empty()) {
    check_new_file(options.new_key_file);
    document["file"] = options.new_key_file;
  }
  context.output.print(fmt::format("would add a {} key\n", role_name(role)));
  context.output.document(Json{{"key", document}, {"dry_run", true}});
  return kExitSuccess;
}

int add(Context& context, const KeyOptions& options) {
  if (options.new_key_file.empty() == !options.new_passphrase) {
    throw Error(Code::kUsage, "say what the new key is",
                "give either --new-key-file FILE or --new-passphrase");
  }
  const Role role = role_given(options);
  const OpenedVault opened =
      open_vault(context, options.dry_run ? Access::kDryRun : Access::kWrite);
  refuse_writer(*opened.vault, "add keys");
  const KeyRing ring = opened.vault->ring().restricted_to(role);
  if (options.dry_run) return would_add(context, options, role);
  const Credential credential = new_credential(context, options);
  const WrappedKey key = wrap_key_ring(ring, credential, options.label, context.clock.now());
  try {
    store_key(*opened.store, key);
  } catch (...) {
    if (!options.new_key_file.empty()) ::remove(options.new_key_file.c_str());
    throw;
  }
  context.output.print(fmt::format("added {} key {}\n", role_name(role), key.id));
  Json document = key_json(key);
  if (!options.new_key_file.empty()) document["file"] = options.new_key_file;
  context.output.document(Json{{"key", document}, {"dry_run", false}});
  return kExitSuccess;
}

const WrappedKey& find_key(const std::vector<WrappedKey>& keys, const std::string& id) {
  std::vector<std::string> ids;
  std::vector<const WrappedKey*> fits;
  for (const WrappedKey& key : keys) {
    ids.push_back(key.id);
    if (!id.empty() && key.id.starts_with(id)) fits.push_back(&key);
  }
  if (fits.size() == 1) return *fits[0];
  if (fits.size() > 1) {
    throw Error(Code::kInvalid, fmt::format("'{}' fits {} keys", printable(id), fits.size()),
                "give more of the id");
  }
  const std::string near = nearest(id, ids);
  throw Error(Code::kNotFound, fmt::format("the vault has no key '{}'", printable(id)),
              near.empty() ? "see: holdfast key list" : "did you mean " + near + "?");
}

int remove(Context& context, const KeyOptions& options) {
  // With the key, so that nobody locks others out of a vault by its address alone.
  const OpenedVault opened =
      open_vault(context, options.dry_run ? Access::kDryRun : Access::kWrite);
  refuse_writer(*opened.vault, "remove keys");
  const std::vector<WrappedKey> keys = list_keys(*opened.store);
  const WrappedKey key = find_key(keys, options.id);
  const auto restorers = std::count_if(
      keys.begin(), keys.end(), [](const WrappedKey& one) { return one.role == Role::kRestorer; });
  if (key.role == Role::kRestorer && restorers == 1 && !options.force) {
    throw Error(Code::kConflict, "this is the last key that can restore",
                "add another one first: holdfast key add --role restorer; or give --force if an "
                "exported key or a recovery sheet is in safe hands");
  }
  if (options.dry_run) {
    context.output.print(fmt::format("would remove {} key {}\n", role_name(key.role), key.id));
    context.output.document(Json{{"removed", key_json(key)}, {"dry_run", true}});
    return kExitSuccess;
  }
  if (!options.yes && can_prompt() &&
      !prompt_yes(fmt::format("Remove the {} key {} ({})?", role_name(key.role), key.id,
                              printable(key.label)),
                  context.stop)) {
    throw Error(Code::kCancelled, "nothing was removed");
  }
  opened.store->remove(key_object(key.id));
  context.output.print(fmt::format("removed {} key {}\n", role_name(key.role), key.id));
  context.output.note(
      "Whoever opened the vault with it may have kept what it unlocked: it cannot be taken "
      "back.\n");
  context.output.document(Json{{"removed", key_json(key)}, {"dry_run", false}});
  return kExitSuccess;
}

int export_key(Context& context, const KeyOptions& options) {
  const OpenedVault opened = open_vault(context, Access::kRead);
  const Role role = options.role.empty() ? opened.vault->ring().role : role_given(options);
  const KeyRing ring = opened.vault->ring().restricted_to(role);
  write_secret_file(options.output, key_ring_text(ring));
  context.output.print(
      fmt::format("exported a {} key to {}\n", role_name(role), printable(options.output)));
  context.output.note("It opens the vault by itself, even when the vault's keys are lost.\n");
  Json document{{"role", role_name(role)}};
  set_path(document, "file", options.output);
  context.output.document(document);
  return kExitSuccess;
}

Json places_json(const std::vector<SheetPlace>& places) {
  Json rows = Json::array();
  for (const SheetPlace& place : places) {
    Json row{{"name", place.name}};
    set_path(row, "url", place.url);
    if (!place.endpoint.empty()) {
      row["endpoint"] = place.endpoint;
      row["region"] = place.region;
    }
    rows.push_back(row);
  }
  return rows;
}

int print_sheet(Context& context, const KeyOptions& options) {
  const OpenedVault opened = open_vault(context, Access::kRead);
  const std::string url = opened.store->traits().url;
  const std::vector<SheetPlace> places = sheet_places(context, url);
  const std::string sheet = recovery_sheet(opened.vault->ring(), places, context.clock.now());
  if (options.output.empty()) {
    context.output.print(sheet);
  } else {
    write_secret_file(options.output, sheet);
    context.output.print("the recovery sheet is in " + printable(options.output) +
                         ": print it, then remove the file\n");
  }
  Json document{{"vault", to_hex(opened.vault->parameters().id)},
                {"url", url},
                {"places", places_json(places)}};
  if (options.output.empty()) {
    std::string code = recovery_code(opened.vault->ring());
    std::replace(code.begin(), code.end(), '\n', ' ');
    document["recovery_code"] = code;
  } else {
    set_path(document, "file", options.output);
  }
  context.output.document(document);
  return kExitSuccess;
}

}  // namespace

void add_key_command(Command& root) {
  const auto o = std::make_shared<KeyOptions>();
  Command key = root.subcommand("key", "Keys: who can open the vault, in which role");
  key.require_subcommand().examples(
      {"holdfast key list", "holdfast key add --role writer --label web1 --new-key-file web1.key",
       "holdfast key recover-sheet"});
  key.subcommand("list", "List the keys").examples({"holdfast key list"}).run([](Context& context) {
    return list(context);
  });
  key.subcommand("add", "Add a key")
      .choice("--role", o->role, {"writer", "operator", "restorer"},
              "writer: back up, not read; operator: list, copy, prune; restorer: everything")
      .text("--label", o->label, "A note for people: whose key it is")
      .text("--new-key-file", o->new_key_file, "Make this key file")
      .flag("--new-passphrase", o->new_passphrase,
            "A passphrase: from $HOLDFAST_NEW_PASSPHRASE or a prompt")
      .flag("-n,--dry-run", o->dry_run, "Say what would be added; add nothing")
      .examples({"holdfast key add --role writer --label web1 --new-key-file web1.key",
                 "holdfast key add --role restorer --label alice --new-passphrase"})
      .run([o](Context& context) {
        if (o->role.empty()) {
          throw Error(Code::kUsage, "--role is missing",
                      "the roles are writer, operator and restorer");
        }
        return add(context, *o);
      });
  key.subcommand("remove", "Remove a key")
      .argument("ID", o->id, true, "The id, or its beginning")
      .flag("--force", o->force, "Even the last key that can restore")
      .flag("-n,--dry-run", o->dry_run, "Say what would be removed; remove nothing")
      .flag("-y,--yes", o->yes, "Do not ask")
      .examples({"holdfast key remove 3f2a9c0d11e8b764"})
      .run([o](Context& context) { return remove(context, *o); });
  key.subcommand("export", "Write a key that opens the vault by itself into a file")
      .choice("--role", o->role, {"writer", "operator", "restorer"},
              "The role of the exported key (default: that of yours)")
      .text("-o,--output", o->output, "The file; must not exist")
      .examples({"holdfast key export --output vault.ring",
                 "holdfast key export --role operator --output operator.ring"})
      .run([o](Context& context) {
        if (o->output.empty()) {
          throw Error(Code::kUsage, "--output is missing", "say where to: --output FILE");
        }
        return export_key(context, *o);
      });
  key.subcommand("recover-sheet", "Print the sheet of paper that opens the vault")
      .text("-o,--output", o->output, "Into this file instead; must not exist")
      .examples(
          {"holdfast key recover-sheet | lpr", "holdfast key recover-sheet --output sheet.txt"})
      .run([o](Context& context) { return print_sheet(context, *o); });
}

}  // namespace holdfast
