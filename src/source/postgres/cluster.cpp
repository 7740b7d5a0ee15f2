#include "source/postgres/cluster.h"

#include "base/error.h"
#include "base/path.h"

namespace holdfast {
namespace {

constexpr int kOldestVersion = 130000;

std::uint64_t number(const std::optional<std::string>& text) {
  return std::stoull(text.value_or("0"));
}

constexpr const char* kFacts = R"(
select current_setting('server_version'),
       (select system_identifier::text from pg_control_system()),
       case when pg_has_role(current_user, 'pg_read_all_settings', 'usage')
            then current_setting('data_directory') end,
       (select setting from pg_settings where name = 'wal_segment_size'),
       current_setting('block_size'),
       (select timeline_id from pg_control_checkpoint()),
       current_setting('data_checksums'),
       pg_is_in_recovery(),
       current_setting('wal_level'),
       (select catalog_version_no from pg_control_system()))";

constexpr const char* kTablespaces = R"(
select oid::text, pg_tablespace_location(oid) from pg_tablespace
where spcname not in ('pg_default', 'pg_global') order by oid)";

}  // namespace

std::string tablespace_part(int major, std::uint32_t catalog_version) {
  return "PG_" + std::to_string(major) + "_" + std::to_string(catalog_version);
}

PgCluster read_cluster(PgConnection& connection) {
  PgCluster cluster;
  cluster.version_number = connection.server_version();
  if (cluster.version_number < kOldestVersion) {
    throw Error(Code::kUnsupported, "PostgreSQL before 13 is not supported",
                "upgrade the server; until then dump it in a hook of a source of class files");
  }
  const PgRow row = connection.query(kFacts).at(0);
  const std::string version = row[0].value_or("");
  cluster.version = version.substr(0, version.find(' '));
  cluster.system_identifier = row[1].value_or("");
  cluster.data_directory = row[2].value_or("");
  cluster.segment_size = number(row[3]);
  cluster.block_size = static_cast<std::uint32_t>(number(row[4]));
  cluster.timeline = static_cast<std::uint32_t>(number(row[5]));
  cluster.checksums = row[6] == "on";
  cluster.in_recovery = row[7] == "t";
  cluster.wal_level = row[8].value_or("");
  cluster.tablespace_part =
      tablespace_part(cluster.version_number / 10000, static_cast<std::uint32_t>(number(row[9])));
  for (const PgRow& found : connection.query(kTablespaces)) {
    cluster.tablespaces.push_back({found[0].value_or(""), found[1].value_or("")});
  }
  for (const PgRow& found :
       connection.query("select current_setting(name, true) from pg_settings "
                        "where name in ('config_file', 'hba_file', 'ident_file')")) {
    const std::string file = found[0].value_or("");
    if (!file.empty() && !cluster.data_directory.empty() &&
        !is_within(file, cluster.data_directory)) {
      cluster.outside_files.push_back(file);
    }
  }
  return cluster;
}

void require_same_cluster(const PgCluster& cluster, const PgBackedUp& before,
                          const std::string& source) {
  if (before.system_identifier == cluster.system_identifier) return;
  throw Error(Code::kConflict,
              "source '" + source + "' is another cluster now: system " +
                  cluster.system_identifier + ", " + before.backup + " is of " +
                  before.system_identifier,
              "give the new cluster a source of its own; if it takes the place of the old one "
              "(after an upgrade, say): holdfast backup database " +
                  source + " --new-cluster, once");
}

}  // namespace holdfast
