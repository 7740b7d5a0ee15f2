// A backup's own object: it exists exactly when the backup does.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/object_store.h"
#include "vault/frame.h"

namespace holdfast {

// "backup-20251110-120000-web" and what can be read from it.
struct BackupName {
  std::string backup_class;  // "database", "files", "config"
  Timestamp time{};
  std::string source;

  std::string id() const;
  std::string key() const;  // "files/2025-11-10/backup-20251110-120000-web.hfb"
};

inline constexpr std::string_view kBackupClasses[] = {"database", "files", "config"};

// Nothing when `key` is not the key of a backup.
std::optional<BackupName> parse_backup_key(std::string_view key);

// [a-z0-9][a-z0-9._-]{0,62}. Throws Error(kInvalid).
void check_source_name(std::string_view name);

// Of a backup of a database: what it is of and which position it has.
struct DatabaseFacts {
  std::string engine;   // "postgresql", "mariadb"
  std::string version;  // of the server: "15.18"
  std::string method;   // "physical", "logical"
  std::string system;   // the cluster that it is of: system identifier, server uuid; may be empty
  std::uint32_t timeline = 0;  // PostgreSQL
  std::string start;  // from here on the log is needed: an LSN, a binlog position; may be empty
  std::string stop;   // up to here, to be consistent: an LSN, a GTID set; may be empty
  std::uint64_t damaged_pages = 0;  // that were found while it was read, and are in it as they were
  // Of the server's configuration, what a server on its data must have, too; empty: not known.
  std::map<std::string, std::string> settings = {};
  // Of the server on its host, of a physical backup of MariaDB; empty: not known.
  std::string data_directory = {};
  bool operator==(const DatabaseFacts&) const = default;
};

// What everyone with a key may know.
struct BackupSummary {
  BackupName name;
  std::string host;
  std::string program;  // "holdfast 0.1.0"
  Timestamp started{};
  Timestamp finished{};
  Timestamp consistent{};  // the moment that a restore brings back
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t others = 0;
  std::uint64_t bytes = 0;            // content of all files
  std::uint64_t added_raw_bytes = 0;  // of it not in the vault before
  std::uint64_t added_bytes = 0;      // what that took after compression
  std::uint64_t warnings = 0;
  Ref reach;  // the reach root
  std::optional<DatabaseFacts> database;
};

// What only a restorer may know.
struct BackupRoot {
  Ref tree;                         // the root page
  std::vector<std::string> paths;   // what was asked for, in stored form
  std::vector<std::string> errors;  // the first of the warnings
};

Bytes encode_backup(const Session& session, const KeyRing& ring, const BackupSummary& summary,
                    const BackupRoot& root);

struct StoredBackup {
  BackupSummary summary;
  std::optional<BackupRoot> root;  // when the ring can read it
};
// `name` comes from the object's key, to which the content is bound. Throws Error(kCorrupt).
StoredBackup decode_backup(ByteView object, const KeyRing& ring, const BackupName& name);

}  // namespace holdfast
