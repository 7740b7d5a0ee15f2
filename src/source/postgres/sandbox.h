// A throw-away server for proofs: on a private socket, without archiving, gone with its object.
#pragma once

#include <stop_token>
#include <string>

#include "os/clock.h"
#include "source/postgres/connection.h"
#include "source/postgres/restore.h"

namespace holdfast {

// One thread at a time.
class PgSandbox {
 public:
  // Starts a server of the version of `data_directory` on it and waits until it has recovered.
  // Files of its own go to `scratch`, which exists. Throws kUnsupported when that version is not
  // installed here, kCorrupt with the end of the server's log when it does not start.
  PgSandbox(const PostgresSettings& settings, const std::string& data_directory,
            const std::string& scratch, Clock& clock, std::stop_token stop);
  // Ends the server at once if it still runs.
  ~PgSandbox();
  PgSandbox(const PgSandbox&) = delete;
  PgSandbox& operator=(const PgSandbox&) = delete;

  // How to connect to it.
  const PostgresSettings& settings() const { return sandboxed_; }
  // "15"
  int major_version() const { return major_; }
  // Ends the server so that its directory is clean.
  void shut_down();

 private:
  void write_configuration() const;
  void start();
  void await_recovery(Clock& clock);
  std::string log_end() const;
  void control(const std::vector<std::string>& arguments, const char* what);

  PostgresSettings sandboxed_;
  std::string data_;
  std::string scratch_;
  std::string socket_directory_;
  std::stop_token stop_;
  int major_ = 0;
  bool running_ = false;
};

// An empty cluster of `version` (150018) in `directory`, for logical backups.
void make_pg_cluster(const PostgresSettings& settings, int version, const std::string& directory,
                     std::stop_token stop);

}  // namespace holdfast
