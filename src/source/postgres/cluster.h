// What a PostgreSQL server says of its cluster.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "source/postgres/connection.h"

namespace holdfast {

struct PgTablespace {
  std::string oid;
  std::string location;  // where the link in pg_tblspc leads; relative: inside the data directory
};

// "PG_15_202209061": the directory of a cluster in the place of a tablespace, beside which others
// may have theirs.
std::string tablespace_part(int major, std::uint32_t catalog_version);

struct PgCluster {
  int version_number = 0;          // 150018
  std::string version;             // "15.18"
  std::string system_identifier;   // decimal
  std::string data_directory;      // empty when the role may not see it
  std::uint64_t segment_size = 0;  // of WAL, bytes
  std::uint32_t block_size = 0;
  std::uint32_t timeline = 0;  // of the last checkpoint: after a promotion still the old one
  bool checksums = false;      // of data pages
  bool in_recovery = false;    // a standby
  std::string wal_level;
  std::vector<PgTablespace> tablespaces;
  std::string tablespace_part;             // its own directory in the place of each of them
  std::vector<std::string> outside_files;  // configuration that is not in the data directory
};

// Throws kUnsupported for a server before 13.
PgCluster read_cluster(PgConnection& connection);

// The newest backup of a source, and the cluster that it is of.
struct PgBackedUp {
  std::string backup;
  std::string system_identifier;
};

// Somebody restored or made another server and gave it the name of the first: its backups would
// push out those of the first one. Throws kConflict when `cluster` is not the one backed up.
void require_same_cluster(const PgCluster& cluster, const PgBackedUp& before,
                          const std::string& source);

}  // namespace holdfast
