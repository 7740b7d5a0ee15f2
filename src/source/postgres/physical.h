// A physical backup of a cluster on this host: its files, read between pg_backup_start and
// pg_backup_stop.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "source/postgres/data_files.h"
#include "source/postgres/wal_hold.h"

namespace holdfast {

// The functions between which a server of `version` (150018) is read, as GRANT takes them.
std::string pg_backup_functions(int version);

// What completes the files of a backup.
struct PgBackupEnd {
  std::vector<PgFile> files;  // below kPgExtras: label, control file, WAL from start to stop
  std::string start_lsn;
  std::string stop_lsn;
  std::uint32_t timeline = 0;  // on which it starts
};

// From the moment that it is made the server is in backup mode, until finish() or the end of this
// object. `hold` keeps the WAL of the backup meanwhile. One thread at a time.
class PgPhysicalBackup {
 public:
  // Throws kDenied with what to do, kNotFound when the files are not on this host.
  PgPhysicalBackup(std::unique_ptr<PgWalHold> hold, std::stop_token stop);

  const PgCluster& cluster() const { return cluster_; }
  const std::string& start_lsn() const { return start_lsn_; }
  std::vector<PgFile> files() const { return pg_data_files(cluster_, stop_); }

  // To be called once all files have been read. Writes the label and its like into `directory`.
  // Throws kConflict when a standby was promoted meanwhile: the backup is worthless then.
  PgBackupEnd finish(const std::string& directory);

 private:
  void start();
  std::vector<PgFile> wal_files(const std::string& first, const std::string& stop_lsn) const;

  std::stop_token stop_;
  std::unique_ptr<PgWalHold> hold_;
  PgConnection& connection_;
  const PgCluster& cluster_;
  std::string start_lsn_;
};

}  // namespace holdfast
