// The dump that is to be loaded: of a logical backup in the vault, or an archive.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "codec/byte_stream.h"
#include "protect/archive_check.h"
#include "settings/settings.h"
#include "source/mariadb/engine.h"
#include "vault/vault.h"

namespace holdfast {

struct ChosenDump {
  std::string what;      // for messages: the id or file, and the path in it
  std::string id;        // of the backup
  std::string database;  // that it is of; empty when nobody knows
  bool mariadb = false;  // or MySQL
  PgDumpFormat format = PgDumpFormat::kPlain;
  int server_version = 0;       // of PostgreSQL that it came from: 150018; 0: unknown
  std::string mariadb_version;  // "10.11.19", of the server that it came from; empty: unknown
  MariadbEngine mariadb_engine = MariadbEngine::kMariadb;  // that `mariadb_version` is of
  // Gives all of it, in order; of a directory, file after file. Throws kCorrupt, kCancelled and
  // what the sink throws.
  std::function<void(const ByteSink& sink)> read;
  // Of a directory alone: brings it back as one for `user`; the bytes that it has. Throws
  // kExhausted, too.
  std::function<std::uint64_t(const std::string& directory, const std::string& user,
                              std::stop_token stop)>
      unpack;
};

// What reading it through tells.
struct CheckedDump {
  std::uint64_t bytes = 0;
  std::set<std::string> roles;
};

// The dump of `database` in a backup; without a name, of its only one. Throws kInvalid when the
// backup has no dumps or several and none is named (the hint lists them), kNotFound.
ChosenDump dump_of_backup(const Vault& vault, const BackupName& backup,
                          const std::string& database);

// An archive. `source` is what it is of, or null.
ChosenDump dump_of_archive(ObjectStore& store, const StoredArchive& archive,
                           const SourceSettings* source, const std::vector<Key>& identities,
                           std::stop_token stop);

// Reads it to its end. Throws kCorrupt when that is not the end of a whole dump.
CheckedDump check_dump(ChosenDump& dump, std::atomic<std::uint64_t>& bytes);

}  // namespace holdfast
