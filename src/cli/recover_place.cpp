#include "cli/recover_place.h"

#include "base/error.h"
#include "protect/database_place.h"
#include "protect/database_restore.h"
#include "source/mariadb/engine.h"

namespace holdfast {
namespace {

// What a person types to load a dump.
std::string load_command(const DatabaseFacts& facts, const std::string& source) {
  const std::string cat = "holdfast cat latest:" + source;
  if (facts.engine == kMysqlKey) return cat + " all.sql | mysql";
  if (facts.engine == kMariadbKey) return cat + " all.sql | mariadb";
  return cat + " ~globals.sql | psql, then each DATABASE.sql";
}

}  // namespace

std::string place_of_database(const Vault& vault, const RecoverableSource& source,
                              const BackupName& backup, bool is_back) {
  const auto facts = database_of(vault, backup);
  if (facts && facts->method == "logical") {
    throw Error(Code::kUsage, source.key() + " is a dump, which goes into a server that runs",
                "leave it out (--class files --class config), and load it by itself: " +
                    load_command(*facts, source.name));
  }
  const auto place = original_directory(vault, backup);
  if (!facts || !place) {
    throw Error(Code::kUsage, source.key() + " does not say which directory it was made of",
                "leave it out (--class files --class config), and bring it back by itself: "
                "holdfast restore " +
                    backup.id() + " --target DIR");
  }
  if (!is_back) require_free_directory(*place, *facts, backup);
  return *place;
}

}  // namespace holdfast
