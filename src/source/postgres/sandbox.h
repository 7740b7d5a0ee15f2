// A throw-away server for proofs: on a private socket, without archiving, gone with its object.
#pragma once

#include <stop_token>
#include <string>

#include "base/error.h"
#include "os/clock.h"
#include "source/postgres/connection.h"
#include "source/postgres/restore.h"

namespace holdfast {

// One thread at a time.
class PgSandbox {
 public:
  // Starts a server of the version of `data_directory` on it and waits until it has recovered.
  // Files of its own go to `scratch`, which exists. Throws kUnsupported when that version is not
  // installed here, with the end of the server's log kCorrupt when it does not start, and
  // kExhausted when it is this host that cannot run it.
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
  bool has_page_checksums() const { return has_page_checksums_; }
  // To be called when something did not work: throws kCorrupt when the server crashed, so that
  // its data are to blame, and kExhausted when its log says that this host could not bear it.
  // With `wait`, a crash that is not in the log yet is waited for some seconds, else for a moment.
  void require_alive(bool wait) const;
  // Ends the server so that its directory is clean.
  void shut_down();

 private:
  void write_configuration();
  void start();
  void await_recovery();
  std::string log() const;
  Error failure(const std::string& what) const;
  void control(const std::vector<std::string>& arguments, const char* what);

  PostgresSettings sandboxed_;
  std::string data_;
  std::string scratch_;
  std::string socket_directory_;
  Clock& clock_;
  std::stop_token stop_;
  int major_ = 0;
  bool has_page_checksums_ = false;
  bool running_ = false;
};

// An empty cluster of `version` (150018) in `directory`, for logical backups.
void make_pg_cluster(const PostgresSettings& settings, int version, const std::string& directory,
                     std::stop_token stop);

}  // namespace holdfast
