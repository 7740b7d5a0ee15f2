#include "support/mariadb_server.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/identity.h"
#include "source/mariadb/server.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kUser = "mysql";
constexpr auto kPatience = seconds{60};

void expect_success(const std::vector<std::string>& command) {
  ProcessOptions options;
  options.argv = command;
  options.timeout = seconds{120};
  const ProcessResult result = run_process(options);
  if (result.exit_code == 0) return;
  throw Error(Code::kUnavailable, command[0] + ": " + result.output + result.error_output);
}

void give_to_server(const std::string& path) {
  if (::geteuid() != 0) return;
  const SystemUser user = system_user(kUser);
  if (::lchown(path.c_str(), user.uid, user.gid) != 0) throw system_error(errno, "chown " + path);
}

void install(const std::string& data_directory, const std::string& temporary) {
  fs::create_directory(data_directory);
  give_to_server(data_directory);
  std::vector<std::string> command = {"mariadb-install-db",
                                      "--no-defaults",
                                      "--datadir=" + data_directory,
                                      "--tmpdir=" + temporary,
                                      "--auth-root-authentication-method=normal",
                                      "--skip-test-db",
                                      "--skip-name-resolve",
                                      "--innodb-log-file-size=8M"};
  if (::geteuid() == 0) command.push_back(std::string("--user=") + kUser);
  expect_success(command);
}

}  // namespace

TestMariadb::TestMariadb(const std::vector<std::string>& options)
    : data_directory_(directory_ / "data") {
  write_configuration(options);
  install(data_directory_, directory_ / "tmp");
  start();
}

TestMariadb::TestMariadb(std::string data_directory, const std::vector<std::string>& options)
    : data_directory_(std::move(data_directory)) {
  write_configuration(options);
  start();
}

void TestMariadb::write_configuration(const std::vector<std::string>& options) {
  ::chmod(directory_.path().c_str(), 0755);
  give_to_server(directory_.path());
  // A server that starts removes the temporary tables of all others in the same place.
  fs::create_directory(directory_ / "tmp");
  give_to_server(directory_ / "tmp");
  std::string text = "[mariadbd]\ntmpdir=" + directory_ / "tmp";
  text += "\ndatadir=" + data_directory_ + "\nsocket=" + directory_ / "socket";
  text += "\npid-file=" + directory_ / "pid" + "\nlog-error=" + directory_ / "log";
  text +=
      "\nskip-networking\nlog-bin=binlog\nserver-id=7\n"
      "innodb-log-file-size=8M\ninnodb-buffer-pool-size=16M\ninnodb-flush-log-at-trx-commit=1\n";
  if (::geteuid() == 0) text += std::string("user=") + kUser + "\n";
  for (const std::string& line : options) text += line + "\n";
  write_file_atomic(directory_ / "server.cnf", as_bytes(text));
  write_file_atomic(directory_ / "client.cnf", as_bytes("[client]\n"));
}

void TestMariadb::start() {
  process_.start("/usr/sbin/mariadbd", directory_.path(), settings(), [this] { return log(); });
}

void TestMariadb::stop() { process_.end(SIGTERM); }
void TestMariadb::kill() { process_.end(SIGKILL); }

MariadbSettings TestMariadb::settings() const {
  MariadbSettings settings;
  settings.defaults_file = directory_ / "client.cnf";
  settings.socket = directory_ / "socket";
  settings.user = "root";
  return settings;
}

MariadbSettings TestMariadb::settings(const std::string& user, const std::string& password) const {
  MariadbSettings settings = this->settings();
  settings.user = user;
  settings.defaults_file = directory_ / (user + ".cnf");
  write_file_atomic(settings.defaults_file, as_bytes("[client]\npassword=" + password + "\n"),
                    0600);
  return settings;
}

std::string TestMariadb::sql(const std::string& statement) const {
  return MariadbConnection(settings(), {}).value(statement);
}

void TestMariadb::run(const std::vector<std::string>& statements) const {
  MariadbConnection connection(settings(), {});
  for (const std::string& statement : statements) connection.query(statement);
}

void TestMariadb::purge_to(const std::string& file) const {
  const Duration end = system_clock().monotonic() + kPatience;
  do {
    if (system_clock().monotonic() > end) throw std::runtime_error("the server keeps its log");
    run({"PURGE BINARY LOGS TO '" + file + "'"});
    system_clock().sleep_for(milliseconds{5}, {});
  } while (!sql("SHOW BINARY LOGS").starts_with(file));
}

std::string TestMariadb::contents() const {
  MariadbConnection connection(settings(), {});
  std::string text = connection.value("SELECT @@gtid_current_pos") + "\n";
  for (const MariadbRow& table : connection.query(
           "SELECT concat('`', table_schema, '`.`', table_name, '`') FROM "
           "information_schema.tables WHERE table_type = 'BASE TABLE' AND table_schema NOT IN "
           "('mysql', 'sys', 'performance_schema', 'information_schema') ORDER BY 1")) {
    const auto row = connection.query("CHECKSUM TABLE " + *table[0]).at(0);
    text += row[0].value_or("") + " " + row[1].value_or("NULL") + "\n";
  }
  return text;
}

std::string TestMariadb::log() const {
  std::string text;
  for (const char* name : {"output", "log"}) {
    if (path_exists(directory_ / name)) text += as_text(read_file(directory_ / name));
  }
  return text;
}

}  // namespace holdfast
