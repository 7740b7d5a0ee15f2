// A physical backup over the network: BASE_BACKUP of the replication protocol, for servers whose
// files are not on this host.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "source/postgres/base_backup_files.h"
#include "source/postgres/connect.h"
#include "source/postgres/wal_hold.h"

namespace holdfast {

class BaseBackupReader;

// One connection in replication mode. One thread at a time.
class PgBaseBackup {
 public:
  // Connects. `hold` keeps the WAL and must outlive the object. Throws as PgConnection does, and
  // kConflict when the two connections lead to different servers.
  PgBaseBackup(const PostgresSettings& settings, const PgWalHold& hold, std::stop_token stop);
  ~PgBaseBackup();

  // Called before the first file: where the backup starts, and about how many bytes it will have.
  using Beginning = std::function<void(Lsn start, std::uint64_t bytes)>;

  // Runs the backup: every file goes to `taker`, and the WAL from start to stop with them. Returns
  // when all is there and matches the server's manifest. Throws kConflict when a standby was
  // promoted meanwhile, kUnavailable when the server went away, kCorrupt when something is missing:
  // what `taker` got is worthless then.
  PgBackupSpan run(PgFileTaker& taker, const Beginning& begin);

  // After run(): what the server itself said of damaged pages, its first messages.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // The server found pages that do not match their checksums.
  bool server_found_damage() const { return damage_; }

 private:
  class Answer;

  void check_same_server(const PgWalHold& hold);
  std::string command() const;
  void wait();
  Answer next();
  Answer expect_rows(const char* what);
  void stream(BaseBackupReader& reader);
  void stream_archives(BaseBackupReader& reader, const std::vector<std::string>& tablespaces);
  void copy(const std::function<void(ByteView bytes)>& each);
  void end();
  [[noreturn]] void fail(const Answer& answer) const;
  [[noreturn]] void fail_gone() const;

  const PgCluster& cluster_;
  std::stop_token stop_;
  PgHandle connection_;
  std::vector<std::string> warnings_;
  bool damage_ = false;
};

}  // namespace holdfast
