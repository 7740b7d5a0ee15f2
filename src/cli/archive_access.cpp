#include "cli/archive_access.h"

#include <algorithm>

#include "base/error.h"
#include "os/file.h"
#include "store/at_once.h"
#include "vault/require_vault.h"

namespace holdfast {
namespace {

bool is_latest(const std::string& wanted) {
  return wanted == "latest" || wanted.starts_with("latest:");
}

bool fits_backup(const std::vector<BackupName>& backups, const std::string& wanted) {
  if (wanted == "latest") return !backups.empty();
  return std::any_of(backups.begin(), backups.end(), [&](const BackupName& name) {
    return is_latest(wanted) ? "latest:" + name.source == wanted : name.id().starts_with(wanted);
  });
}

std::optional<StoredArchive> fitting_archive(ObjectStore& store,
                                             const std::vector<BackupName>& backups,
                                             const std::string& wanted) {
  if (names_archive(wanted)) return find_archive(list_archives(store), wanted);
  // A backup in the vault comes first: it has more to it.
  if (fits_backup(backups, wanted)) return std::nullopt;
  const std::vector<StoredArchive> archives = list_archives(store);
  if (archives.empty()) return std::nullopt;
  return find_archive(archives, wanted);
}

// Commands ask a far store for what they need at once: each answer takes a round trip.
std::unique_ptr<ObjectStore> open_quickly(Context& context, Access access) {
  return with_known_config(open_store_for(context, vault_url(context), access, false));
}

// Throws unless `store`, which holds no vault, holds archives.
void require_archives(Context& context, Access access, ObjectStore& store) {
  const std::string url = vault_url(context);
  open_store_for(context, url, access);  // says when there is no such bucket
  if (!list_archives(store).empty()) return;
  require_vault(store,
                "check the address, or make a vault there with: holdfast init --vault " + url);
}

}  // namespace

std::unique_ptr<ObjectStore> open_archive_store(Context& context, Access access) {
  const std::string url = vault_url(context);
  if (access != Access::kWrite) return open_store_for(context, url, access);
  OpenStoreOptions options = store_options(context, url);
  options.create = true;
  return open_store(url, options);
}

std::unique_ptr<ObjectStore> open_any_store(Context& context, Access access) {
  auto store = open_quickly(context, access);
  if (!vault_id_of(*store)) require_archives(context, access, *store);
  return store;
}

OpenedPlace open_wanted(Context& context, Access access, const std::string& wanted) {
  OpenedPlace place{open_quickly(context, access), {}};
  bool has_vault = false;
  std::vector<BackupName> backups;
  std::optional<Error> no_list;
  const auto list = [&] {
    try {
      backups = list_backups(*place.store);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;
      no_list = error;
    }
  };
  const auto ask = [&](std::size_t i) {
    if (i == 0) list();
    if (i == 1) has_vault = vault_id_of(*place.store).has_value();
  };
  at_once(*place.store, 2, ask, context.stop);
  if (!has_vault) {
    require_archives(context, access, *place.store);  // says, too, when there is no bucket
    backups.clear();
  } else if (no_list) {
    throw Error(*no_list);
  }
  if (auto archive = fitting_archive(*place.store, backups, wanted)) {
    place.wanted = std::move(*archive);
  } else {
    place.wanted = find_backup(backups, wanted);
  }
  return place;
}

std::optional<StoredArchive> wanted_archive(ObjectStore& store, const std::string& wanted) {
  return fitting_archive(
      store, vault_id_of(store) ? list_backups(store) : std::vector<BackupName>(), wanted);
}

bool bring_archive(Context& context, ObjectStore& store, const StoredArchive& archive,
                   const ThawOptions& options, bool dry_run) {
  const std::vector<NeededPack> needed{{archive.name.key(), archive.size}};
  if (!dry_run) {
    bring_from_archive(context, store, needed, options);
    return true;
  }
  const ThawPlan plan = plan_thaw(store, needed, context.stop);
  if (plan.empty()) return true;
  context.output.note(archive.name.file() + ": " + thaw_plan_text(plan) + "\n");
  return false;
}

std::vector<Key> archive_identities(const SourceSettings* source, const std::string& given) {
  const std::string file = !given.empty()      ? given
                           : source != nullptr ? source->archive.identity_file
                                               : "";
  if (file.empty()) return {};
  return parse_age_identities(as_text(read_file(file)));
}

std::vector<Key> identities_for(Context& context, const ArchiveName& name,
                                const std::string& given) {
  if (!name.sealed) return {};
  std::vector<Key> identities =
      archive_identities(source_of_archive(context.settings(), name), given);
  if (!identities.empty()) return identities;
  throw Error(Code::kDenied, name.file() + " is sealed, and there is no identity to open it",
              "give --identity FILE (what age-keygen made), or 'identity_file' under 'archive' of "
              "the source");
}

}  // namespace holdfast
