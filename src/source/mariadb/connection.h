// A connection to a MariaDB or MySQL server through libmariadb.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/error.h"
#include "settings/settings.h"
#include "source/mariadb/engine.h"

struct st_mysql;

namespace holdfast {

// A row of values as text; nothing: NULL.
using MariadbRow = std::vector<std::optional<std::string>>;

// One thread at a time.
class MariadbConnection {
 public:
  // What the settings leave out comes from the option file they name (without one: from those of
  // the system and ~/.my.cnf), MYSQL_PWD and the name of the process's user, whom a server behind a
  // local socket knows by himself (unix_socket). Throws kDenied, kUnavailable.
  MariadbConnection(const MariadbSettings& settings, std::stop_token stop);
  ~MariadbConnection();

  // Runs one statement. A stop request ends it, and the connection. Throws what the server says:
  // kDenied for missing rights, kExhausted, kUnavailable when the server goes away, kCancelled,
  // else kInvalid.
  std::vector<MariadbRow> query(const std::string& sql);
  // The first value of the first row; "" for NULL and for no row.
  std::string value(const std::string& sql);
  // `text` between quotes.
  std::string quoted(const std::string& text) const;

  std::string name() const;  // where it leads, for messages: "root@/run/mysqld/mysqld.sock"
  unsigned version() const;  // 101119
  MariadbEngine engine() const { return engine_; }        // as the server says itself
  st_mysql* handle() const { return connection_.get(); }  // for the replication protocol

 private:
  MariadbEngine ask_engine();
  void set_up_session();

  struct Closer {
    void operator()(st_mysql* connection) const;
  };
  std::unique_ptr<st_mysql, Closer> connection_;
  std::stop_token stop_;
  MariadbEngine engine_ = MariadbEngine::kMariadb;
};

// What error `number` of the server or the library means to us; the message and, for the common
// ones, what to do.
Error mariadb_error(unsigned number, const std::string& message);

// The beginning of a command line: the tool `program` and how it reaches the server. Never a
// password: tools read it where MariadbConnection does.
std::vector<std::string> mariadb_command(const MariadbSettings& settings,
                                         const std::string& program);
// The path or name of `program`, for those that need no server.
std::string mariadb_program(const MariadbSettings& settings, const std::string& program);

}  // namespace holdfast
