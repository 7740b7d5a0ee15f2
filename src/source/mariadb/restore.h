// From restored files to a MariaDB server that runs on them.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "source/mariadb/server.h"

namespace holdfast {

// Makes a data directory of a physical backup that has been restored to `directory` whole: applies
// the log (mariadb-backup --prepare), gives the files to the system user of the settings, as far as
// we may, and returns where the binary log goes on. Can be run again, also after an interruption.
// The caller must not call it for a restore that failed or had damaged files. Throws kNotFound when
// that is no backup of MariaDB or files that every server has are missing, kInvalid when the log
// cannot be applied.
MariadbPosition finish_mariadb_restore(const std::string& directory,
                                       const MariadbSettings& settings, std::stop_token stop);

// True for a directory that finish_mariadb_restore() has been through.
bool is_prepared_mariadb(const std::string& directory);

// A server that was restored knows nothing of the transactions it has: tells it. To be done once
// it runs, before anything writes or replicates.
void set_mariadb_gtid(MariadbConnection& connection, const std::string& gtid);

// Feeds dumps to a server. One thread at a time.
class MariadbImport {
 public:
  // `engine` is that of the server. Throws what starting a child throws.
  MariadbImport(const MariadbSettings& settings, std::stop_token stop,
                MariadbEngine engine = MariadbEngine::kMariadb);
  ~MariadbImport();

  // The next bytes of SQL. Throws what the server said when it took no more.
  void write(ByteView sql);
  // To be called at the end. Throws what the server said of the statement that failed.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast
