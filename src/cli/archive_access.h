// Reaching the archives of a store, with or without a vault around them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/context.h"
#include "cli/session.h"
#include "cli/thaw.h"
#include "protect/archive_check.h"
#include "protect/archive_find.h"

namespace holdfast {

// The store of the vault's address, to put archives into. With kWrite a directory or bucket that
// does not exist is made.
std::unique_ptr<ObjectStore> open_archive_store(Context& context, Access access);

// The same, where a vault or archives have to be. Needs no key. Throws kNotFound.
std::unique_ptr<ObjectStore> open_any_store(Context& context, Access access);

// A store, and what was asked for in it.
struct OpenedPlace {
  std::unique_ptr<ObjectStore> store;
  std::variant<BackupName, StoredArchive> wanted;
};
// The same store with what `wanted` means there: a backup as find_backup knows it, else an archive.
// Throws kNotFound.
OpenedPlace open_wanted(Context& context, Access access, const std::string& wanted);

// The archive that `wanted` means when it means one: by its file's name or key, or, where the store
// has no vault or no backup of that name, in any way that find_archive knows.
std::optional<StoredArchive> wanted_archive(ObjectStore& store, const std::string& wanted);

// Asks for the archive where it lies in an archive tier, and waits until it can be read. Of a dry
// run only says so: false then. Throws what bring_from_archive throws.
bool bring_archive(Context& context, ObjectStore& store, const StoredArchive& archive,
                   const ThawOptions& options, bool dry_run = false);

// What opens sealed archives: the file `given` or, when that is empty, the one of the source (which
// may be null). Empty when there is none.
std::vector<Key> archive_identities(const SourceSettings* source, const std::string& given);

// The same, but an archive that is sealed needs one: Error(kDenied) says where it can come from.
std::vector<Key> identities_for(Context& context, const ArchiveName& name,
                                const std::string& given);

}  // namespace holdfast
