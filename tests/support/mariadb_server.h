// A MariaDB server of the test's own: below a directory, behind a private socket, without network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "os/process.h"
#include "settings/settings.h"
#include "source/mariadb/connection.h"
#include "support/mysqld_process.h"
#include "support/temp_dir.h"

namespace holdfast {

// Not thread-safe, but for settings(). Everything throws Error when the server does not do as told.
class TestMariadb {
 public:
  // A fresh server with the account root, without password, and a binary log; `options` are lines
  // of its configuration.
  explicit TestMariadb(const std::vector<std::string>& options = {});
  // On an existing data directory, which stays the caller's.
  static TestMariadb on(const std::string& data_directory,
                        const std::vector<std::string>& options = {}) {
    return TestMariadb(data_directory, options);
  }

  void start();
  void stop();  // as a shutdown
  void kill();  // -9
  bool running() const { return process_.running(); }

  // How a backup reaches it, as root.
  MariadbSettings settings() const;
  // As another account; the password goes into an option file.
  MariadbSettings settings(const std::string& user, const std::string& password) const;

  // Runs statements on a connection of its own; the first value of the last one that has rows.
  std::string sql(const std::string& statement) const;
  void run(const std::vector<std::string>& statements) const;
  // Removes all files of the binary log before `file`. The server keeps one until its checkpoint
  // has come to a later one, which a thread of its own sees to: waits for that, up to a minute.
  void purge_to(const std::string& file) const;
  // CHECKSUM TABLE of all tables of the databases that people make, and the GTID position.
  std::string contents() const;

  const std::string& data_directory() const { return data_directory_; }
  std::string log() const;  // what the server said

 private:
  TestMariadb(std::string data_directory, const std::vector<std::string>& options);
  void write_configuration(const std::vector<std::string>& options);

  TempDir directory_;
  std::string data_directory_;
  MysqldProcess process_{std::chrono::seconds{60}};
};

}  // namespace holdfast
