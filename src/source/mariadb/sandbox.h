// A throw-away server on restored files: behind a private socket, without network, replication,
// events and binary log, gone with its object.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "source/mariadb/connection.h"

namespace holdfast {

class Child;

// The account that sandboxes make for us in the data directory, with all rights and a password of
// its own that nobody else learns: a server without grant tables could run no CREATE USER and no
// GRANT, neither from a dump nor from the binary log. Only for a while: see shut_down().
inline constexpr const char* kMariadbSandboxUser = "holdfast_sandbox";

// The room that one takes in its data directory, however little that holds: its redo log
// (innodb-log-file-size), the file of temporary tables, undo.
inline constexpr std::uint64_t kMariadbSandboxSpace = std::uint64_t{128} << 20;
inline constexpr std::uint64_t kMysqlSandboxSpace = std::uint64_t{256} << 20;

struct SandboxOptions {
  // Of its configuration, which win over those of the backup's backup-my.cnf and ours:
  // "log-bin=/elsewhere/bin".
  std::vector<std::string> lines;
  // The local time of its host, as zone_text(); empty: UTC.
  std::string zone;
};

// One thread at a time, which must live as long as this object: its end, also by kill -9, ends the
// server.
class MariadbSandbox {
 public:
  // Starts mariadbd, or MySQL's mysqld, on `data_directory`, which is prepared or fresh and belongs
  // to the system user of the settings, and waits until it answers. Files of its own go to
  // `scratch`, which exists, is ours alone and is given to that user. Throws kUnsupported when
  // there is no such server here, with the end of the server's log when it does not start: kCorrupt
  // on the files of a backup, kUnavailable on fresh ones, kExhausted when it is this host that
  // cannot run it; kCancelled.
  MariadbSandbox(const MariadbSettings& settings, const std::string& data_directory,
                 const std::string& scratch, std::stop_token stop,
                 const SandboxOptions& options = {},
                 MariadbEngine engine = MariadbEngine::kMariadb);
  // Ends the server at once if it still runs; the directory is as after a crash then.
  ~MariadbSandbox();
  MariadbSandbox(const MariadbSandbox&) = delete;
  MariadbSandbox& operator=(const MariadbSandbox&) = delete;

  // How to connect to it, for MariadbConnection and for the server's own tools (mariadb_command).
  const MariadbSettings& settings() const { return sandboxed_; }
  const std::string& socket() const { return sandboxed_.socket; }
  MariadbEngine engine() const { return engine_; }
  std::string title() const;  // "MariaDB 10.11.19-MariaDB", as it says
  MariadbConnection connect() const { return {sandboxed_, stop_}; }
  // The end of what the server said, errors and warnings only, for messages.
  std::string log_end() const;

  // To be called when something did not work: throws kCorrupt when the server has ended, so that
  // its data are to blame, and kExhausted when its log says that this host could not bear it, or
  // when it was killed. With `wait`, an end under way is waited for some seconds, else for
  // a moment.
  void require_alive(bool wait) const;

  // Removes our account and ends the server so that its directory is clean: another server may
  // start on it. Throws kUnavailable when it does not end within ten minutes, and kills it then.
  void shut_down();

 private:
  void find_program(const std::vector<std::string>& options);
  std::string configuration() const;
  std::string account_statements(const std::string& password) const;
  std::string role_statement() const;
  void write_configuration() const;
  void write_zone(const std::string& zone);
  void start();
  void await_answer();
  bool exited(Duration wait) const;
  std::string log() const;
  Error failure(const std::string& why) const;

  MariadbSettings sandboxed_;
  std::string data_;
  std::string scratch_;
  std::string socket_directory_;
  std::stop_token stop_;
  bool of_backup_;  // else fresh
  MariadbEngine engine_;
  std::string program_;
  std::string own_options_;  // of this program
  std::string zone_;         // TZ
  std::unique_ptr<Child> server_;
};

// What a sandbox is given of the configuration of the server that a backup was made of
// (MariadbServer::settings). What it does not know, or what no server says, is left out.
// `knows_zones`: the server is on the source's own files, which have the names of time zones.
SandboxOptions sandbox_options(const std::map<std::string, std::string>& settings,
                               bool knows_zones = false);

// What to throw when a server could not go on for a reason of this host: kExhausted.
Error host_too_small(const std::string& said);

// Gives a file to the system user of the settings, as far as we may.
void give_to_server(const MariadbSettings& settings, const std::string& path);

// MariaDB's program, and its version: "10.11.19". Throw kUnsupported when it is not installed.
std::string mariadbd_program(const MariadbSettings& settings);
std::string mariadbd_version(const MariadbSettings& settings);

// The files of a new server in `directory`, which exists and is empty; they belong to the system
// user of the settings. Uses DIRECTORY.tmp meanwhile. Throws kUnavailable with what the tool says.
void make_mariadb_directory(const MariadbSettings& settings, const std::string& directory,
                            std::stop_token stop);
// The same for a server of `engine`, which will run with `options`.
void make_server_directory(const MariadbSettings& settings, const std::string& directory,
                           MariadbEngine engine, const std::vector<std::string>& options,
                           std::stop_token stop);

}  // namespace holdfast
