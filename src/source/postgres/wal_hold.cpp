#include "source/postgres/wal_hold.h"

#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "codec/kdf.h"

namespace holdfast {

PgWalHold::PgWalHold(const PostgresSettings& settings, std::stop_token stop)
    : connection_(settings, "", std::move(stop)),
      cluster_(read_cluster(connection_)),
      slot_("holdfast_backup_" + to_hex(random_array<6>())) {
  if (cluster_.wal_level == "minimal") {
    throw Error(Code::kConflict,
                "wal_level is minimal: no backup of the running server is possible",
                "set wal_level = replica and restart the server");
  }
  make_slot();
}

void PgWalHold::make_slot() {
  try {
    connection_.query("select pg_create_physical_replication_slot($1, true, true)", {slot_});
  } catch (Error& error) {
    if (error.code() == Code::kExhausted) {
      error.suggest(
          "a backup needs one free replication slot: raise max_replication_slots, or drop one that "
          "nobody uses (select * from pg_replication_slots where not active)");
    }
    if (error.code() == Code::kDenied) {
      error.suggest("a backup needs a role with REPLICATION: ALTER ROLE ... REPLICATION");
    }
    throw;
  }
}

void PgWalHold::release() { connection_.query("select pg_drop_replication_slot($1)", {slot_}); }

namespace {

// A container, say, may see the data directory without the disk that the link leads to: its tables
// would look as if they had been dropped. A server has a directory of its own in each.
bool is_visible(const PgTablespace& space, const std::string& part) {
  if (!space.location.starts_with('/')) return true;  // in the data directory
  return ::access((space.location + "/" + part).c_str(), R_OK | X_OK) == 0;
}

}  // namespace

bool PgWalHold::files_are_here() const {
  if (cluster_.data_directory.empty()) return false;
  const auto readable = [this](const std::string& name) {
    return ::access((cluster_.data_directory + "/" + name).c_str(), R_OK) == 0;
  };
  return readable("PG_VERSION") && readable("pg_replslot/" + slot_ + "/state") &&
         std::all_of(cluster_.tablespaces.begin(), cluster_.tablespaces.end(),
                     [this](const PgTablespace& space) {
                       return is_visible(space, cluster_.tablespace_part);
                     });
}

}  // namespace holdfast
