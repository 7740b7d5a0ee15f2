#include "source/mariadb/connection.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <sys/socket.h>

#include <functional>
#include <mutex>

#include "base/human.h"
#include "base/one_line.h"
#include "source/mariadb/libmariadb.h"

namespace holdfast {
namespace {

constexpr unsigned kConnectSeconds = 15;

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

Error error_of(st_mysql* connection) {
  return mariadb_error(mysql_errno(connection), mysql_error(connection));
}

Code code_of(unsigned number) {
  switch (number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_HOST_IS_BLOCKED:
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
    case CR_AUTH_PLUGIN_CANNOT_LOAD:
      return Code::kDenied;
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_OUTOFMEMORY:
    case ER_OUT_OF_SORTMEMORY:
    case ER_OUT_OF_RESOURCES:
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
    case CR_OUT_OF_MEMORY:
      return Code::kExhausted;
    case ER_SERVER_SHUTDOWN:
    case ER_CONNECTION_KILLED:
    case ER_NEW_ABORTING_CONNECTION:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_HANDSHAKE_ERR:
      return Code::kUnavailable;
    case ER_QUERY_INTERRUPTED:
      return Code::kCancelled;
    case ER_BAD_DB_ERROR:
    case ER_NO_SUCH_TABLE:
      return Code::kNotFound;
    default:
      return Code::kInvalid;
  }
}

// Not safe by itself when two threads connect first.
void init_library() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (mysql_server_init(0, nullptr, nullptr) != 0) {
      throw Error(Code::kExhausted, "cannot set up the MariaDB client library");
    }
  });
}

}  // namespace

Error mariadb_error(unsigned number, const std::string& message) {
  Error error(code_of(number), one_line(message));
  if (error.code() == Code::kDenied) {
    error.suggest(
        "check user and password (an option file with [client], named by defaults_file, or "
        "MYSQL_PWD) and the rights: GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR (of MySQL: "
        "REPLICATION CLIENT), REPLICATION SLAVE, SELECT, SHOW VIEW, EVENT, TRIGGER ON *.* TO the "
        "user");
  }
  if (error.code() == Code::kUnavailable) {
    error.suggest("check that the server runs, and its socket, or host and port");
  }
  if (number == ER_CON_COUNT_ERROR) error.suggest("raise max_connections, or close some");
  return error;
}

void MariadbConnection::Closer::operator()(st_mysql* connection) const { mysql_close(connection); }

MariadbConnection::MariadbConnection(const MariadbSettings& settings, std::stop_token stop)
    : stop_(std::move(stop)) {
  init_library();
  connection_.reset(mysql_init(nullptr));
  st_mysql* const handle = connection_.get();
  if (handle == nullptr) throw Error(Code::kExhausted, "out of memory");
  if (!settings.defaults_file.empty()) {
    mysql_options(handle, MYSQL_READ_DEFAULT_FILE, settings.defaults_file.c_str());
  }
  mysql_options(handle, MYSQL_READ_DEFAULT_GROUP, "client");
  const unsigned seconds = kConnectSeconds;
  mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  // A host named in the option file must not win over our socket.
  const std::string host =
      settings.host.empty() && !settings.socket.empty() ? "localhost" : settings.host;
  if (mysql_real_connect(handle, or_null(host), or_null(settings.user), nullptr, nullptr,
                         settings.port, or_null(settings.socket), 0) == nullptr) {
    throw error_of(handle);
  }
  engine_ = ask_engine();
  set_up_session();
}

MariadbConnection::~MariadbConnection() = default;

// MariaDB says its name in its version, unless somebody has set another one; and only it has
// domains of GTIDs. The comment beside the version is whoever's that built the server: "(Debian)".
MariadbEngine MariadbConnection::ask_engine() {
  const char* const said = mysql_get_server_info(connection_.get());
  if (said != nullptr && std::string_view(said).find("MariaDB") != std::string_view::npos) {
    return MariadbEngine::kMariadb;
  }
  return query("SHOW GLOBAL VARIABLES LIKE 'gtid_domain_id'").empty() ? MariadbEngine::kMysql
                                                                      : MariadbEngine::kMariadb;
}

// One form of values whatever the server has set; no time-out in the middle of a backup.
void MariadbConnection::set_up_session() {
  constexpr unsigned kFirstWithTimeout = 50708;  // of MySQL
  std::string statement = "SET SESSION time_zone = '+00:00', sql_mode = '', wait_timeout = 86400";
  if (engine_ == MariadbEngine::kMariadb) {
    statement += ", max_statement_time = 0";
  } else if (version() >= kFirstWithTimeout) {
    statement += ", max_execution_time = 0";
  }
  query(statement);
}

std::vector<MariadbRow> MariadbConnection::query(const std::string& sql) {
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  st_mysql* const handle = connection_.get();
  // The library waits in a read: what ends it is the end of the connection.
  const std::stop_callback on_stop(
      stop_, [handle] { ::shutdown(static_cast<int>(mysql_get_socket(handle)), SHUT_RDWR); });
  std::vector<MariadbRow> rows;
  if (mysql_real_query(handle, sql.data(), sql.size()) == 0) {
    const MariadbRows result(mysql_store_result(handle));
    const unsigned columns = mysql_field_count(handle);
    while (MYSQL_ROW row = result ? mysql_fetch_row(result.get()) : nullptr) {
      const unsigned long* lengths = mysql_fetch_lengths(result.get());
      MariadbRow& values = rows.emplace_back(columns);
      for (unsigned i = 0; i < columns; ++i) {
        if (row[i] != nullptr) values[i].emplace(row[i], lengths[i]);
      }
    }
  }
  if (mysql_errno(handle) == 0) return rows;
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  throw error_of(handle);
}

std::string MariadbConnection::value(const std::string& sql) {
  const std::vector<MariadbRow> rows = query(sql);
  return rows.empty() || rows[0].empty() ? "" : rows[0][0].value_or("");
}

std::string MariadbConnection::quoted(const std::string& text) const {
  std::string escaped(2 * text.size() + 1, '\0');
  escaped.resize(
      mysql_real_escape_string(connection_.get(), escaped.data(), text.data(), text.size()));
  return "'" + escaped + "'";
}

std::string MariadbConnection::name() const {
  const st_mysql& handle = *connection_;
  const auto text = [](const char* part) { return std::string(part == nullptr ? "" : part); };
  return printable(text(handle.user) + "@" +
                   (handle.unix_socket != nullptr
                        ? text(handle.unix_socket)
                        : text(handle.host) + ":" + std::to_string(handle.port)));
}

unsigned MariadbConnection::version() const {
  return static_cast<unsigned>(mysql_get_server_version(connection_.get()));
}

std::string mariadb_program(const MariadbSettings& settings, const std::string& program) {
  return settings.bin_directory.empty() ? program : settings.bin_directory + "/" + program;
}

std::vector<std::string> mariadb_command(const MariadbSettings& settings,
                                         const std::string& program) {
  std::vector<std::string> command{mariadb_program(settings, program)};
  // The tools want it first.
  if (!settings.defaults_file.empty()) {
    command.push_back("--defaults-file=" + settings.defaults_file);
  }
  if (!settings.socket.empty()) command.push_back("--socket=" + settings.socket);
  if (!settings.host.empty()) {
    command.push_back("--host=" + settings.host);
  } else if (!settings.socket.empty()) {
    command.emplace_back("--host=localhost");
  }
  if (settings.port != 0) command.push_back("--port=" + std::to_string(settings.port));
  if (!settings.user.empty()) command.push_back("--user=" + settings.user);
  return command;
}

}  // namespace holdfast
