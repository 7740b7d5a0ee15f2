// A throw-away PostgreSQL server for one test: of Debian's package postgresql-15, or of another
// version.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "os/process.h"
#include "support/temp_dir.h"

namespace holdfast {

inline constexpr const char* kPostgresPrograms = "/usr/lib/postgresql/15/bin";

struct PostgresOptions {
  std::vector<std::string> initdb;    // "--data-checksums", "--wal-segsize=1"
  std::vector<std::string> settings;  // lines for postgresql.conf: "archive_mode = on"
  // Where initdb and postgres are; psql and what else is not there is Debian's.
  std::string programs = kPostgresPrograms;
};

// The server refuses to run as root: then it, and all that is run for it, is the user postgres, and
// what it is to read or write has to be that user's (see give_to_postgres). Listens on a socket in
// a directory of its own and on no port unless it is told to. fsync stays on. Ends with the test,
// also when that is killed. One thread; to be started by the main thread.
class PostgresServer {
 public:
  // A fresh cluster; not started.
  explicit PostgresServer(const PostgresOptions& options = {});
  // One that is to be started on a directory of this name below path(), which somebody else fills:
  // pg_basebackup, a restore.
  explicit PostgresServer(const std::string& data_name,
                          const std::string& programs = kPostgresPrograms);
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  const std::string& path() const { return directory_.path(); }
  std::string data() const { return directory_ / data_name_; }
  std::string socket_directory() const { return directory_.path(); }
  std::string log() const;

  // More lines for postgresql.conf; later ones win.
  void configure(const std::vector<std::string>& settings) const;

  // From the next start on it listens on 127.0.0.1 too, on a port that was free: this one.
  int listen();

  // Returns once it accepts queries; throws std::runtime_error with its log when it ends before.
  void start();
  // Returns when it has ended by itself, for servers that are expected to: its exit code.
  int run_to_its_end();
  // A fast shutdown: what is waiting to be archived is tried once more.
  void stop() { end(SIGINT); }
  // kill -9 of the postmaster and, so that the directory is free, of its children.
  void kill();
  bool running() const { return pid_ > 0; }

  // What `psql` answers, without headings; throws std::runtime_error when it fails.
  std::string query(const std::string& sql) const;
  // Runs `program` of the server's version, or else of Debian's, as the server's user, with PGHOST,
  // PGUSER and PGDATABASE set.
  ProcessResult run(const std::string& program, std::vector<std::string> arguments) const;
  // Polls until `sql` answers `wanted`; throws std::runtime_error after a minute.
  void wait_for(const std::string& sql, const std::string& wanted) const;

 private:
  std::string program(const std::string& name) const;
  void spawn();
  std::string port() const;
  void end(int signal);

  TempDir directory_;
  std::string data_name_ = "data";
  std::string programs_;
  int port_ = 0;  // 0: none
  pid_t pid_ = -1;
};

// argv that runs `arguments` as the server's user.
std::vector<std::string> as_postgres(std::vector<std::string> arguments);
// Hands over a file or directory with all that is in it. Does nothing unless we are root.
void give_to_postgres(const std::string& path);

}  // namespace holdfast
