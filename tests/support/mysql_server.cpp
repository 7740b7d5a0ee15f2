#include "support/mysql_server.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "os/file.h"
#include "os/identity.h"
#include "os/process.h"
#include "source/mariadb/connection.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/mysqld.h"
#include "source/mariadb/sandbox.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

const std::string kServer56 = HOLDFAST_SERVERS_DIR "/node_modules/mysql-5.6/server";

std::string full_directory() {
  const char* const directory = std::getenv("HOLDFAST_MYSQL");
  return directory == nullptr ? "" : directory;
}

void write_script(const std::string& path, const std::string& script) {
  write_file_atomic(path, as_bytes("#!/bin/sh\n" + script), 0755);
}

}  // namespace

std::optional<std::string> mysql_missing(MysqlKind kind) {
  if (kind == MysqlKind::kFull) {
    if (!full_directory().empty()) return std::nullopt;
    return "HOLDFAST_MYSQL does not name the directory of a MySQL server and its programs";
  }
  if (path_exists(kServer56 + "/mysqld")) return std::nullopt;
  return "there is no MySQL in " + kServer56 + ": npm ci with tests/servers/package.json";
}

std::vector<MysqlKind> mysql_kinds() {
  std::vector<MysqlKind> kinds{MysqlKind::k56};
  if (!mysql_missing(MysqlKind::kFull)) kinds.push_back(MysqlKind::kFull);
  return kinds;
}

std::string mysql_kind_name(MysqlKind kind) { return kind == MysqlKind::k56 ? "Npm" : "Host"; }

TestMysql::TestMysql(MysqlKind kind, const std::string& more)
    : data_(directory_ / "data"), bin_directory_(directory_ / "bin") {
  prepare(kind);
  fs::create_directory(data_);
  give_to_server(settings(), data_);
  make_server_directory(settings(), data_, MariadbEngine::kMysql, {}, {});
  start(more);
}

TestMysql::TestMysql(MysqlKind kind, const Restored& restored)
    : data_(restored.data_directory), bin_directory_(directory_ / "bin") {
  prepare(kind);
  start("");
}

std::unique_ptr<TestMysql> TestMysql::on(MysqlKind kind, const std::string& data_directory) {
  return std::unique_ptr<TestMysql>(new TestMysql(kind, Restored{data_directory}));
}

void TestMysql::prepare(MysqlKind kind) {
  fs::permissions(directory_.path(), fs::perms(0755));
  for (const char* name : {"bin", "tmp"}) {
    fs::create_directory(directory_ / name);
    fs::permissions(directory_ / name, fs::perms(0755));
  }
  link_programs(kind);
  for (const std::string& path : {directory_.path(), directory_ / "tmp"}) {
    give_to_server(settings(), path);
  }
}

void TestMysql::start(const std::string& more) {
  write_configuration(more);
  process_.start(find_mysqld(settings(), {}).path, directory_.path(), settings(),
                 [this] { return log(); });
}

void TestMysql::link_programs(MysqlKind kind) {
  if (kind == MysqlKind::kFull) {
    bin_directory_ = full_directory() + "/bin";
    return;
  }
  // It brings the one library that Debian need not have; and its messages lie beside it.
  write_script(bin_directory_ + "/mysqld",
               "LD_LIBRARY_PATH=" + kServer56 + " exec " + kServer56 + "/mysqld \"$@\"\n");
  fs::create_symlink(kServer56 + "/share", directory_ / "share");
  fs::create_symlink(HOLDFAST_TESTS_DIR "/support/mysqldump-5.6.sh", bin_directory_ + "/mysqldump");
  for (const char* tool : {"mariadb", "mariadb-dump"}) {
    fs::create_symlink(std::string("/usr/bin/") + tool, bin_directory_ + "/" + tool);
  }
}

void TestMysql::write_configuration(const std::string& more) const {
  const Mysqld program = find_mysqld(settings(), {});
  std::string text = "[mysqld]\ndatadir=" + data_ + "\nsocket=" + directory_ / "socket";
  text += "\ntmpdir=" + directory_ / "tmp" + "\npid-file=" + data_ + "/pid";
  text +=
      "\nskip-networking\nserver-id=9\nenforce-gtid-consistency\ngtid-mode=ON\n"
      "log-slave-updates\nsync-binlog=1\nloose-mysqlx=OFF\ninnodb-buffer-pool-size=32M\n";
  if (version_number(program.version) >= 50706) text += "secure-file-priv=NULL\n";
  if (!program.base_directory.empty()) text += "basedir=" + program.base_directory + "\n";
  if (::geteuid() == 0) text += "user=" + settings().system_user + "\n";
  text += "log-bin=bin\nbinlog-format=ROW\n" + more;
  write_file_atomic(directory_ / "server.cnf", as_bytes(text));
  write_file_atomic(directory_ / "client.cnf", as_bytes("[client]\n"));
}

MariadbSettings TestMysql::settings() const {
  MariadbSettings settings;
  settings.defaults_file = directory_ / "client.cnf";
  settings.socket = directory_ / "socket";
  settings.user = "root";
  settings.method = DatabaseMethod::kLogical;
  settings.bin_directory = bin_directory_;
  return settings;
}

MariadbSettings TestMysql::settings(const std::string& user, const std::string& password) const {
  MariadbSettings settings = this->settings();
  settings.user = user;
  settings.defaults_file = directory_ / (user + ".cnf");
  write_file_atomic(settings.defaults_file, as_bytes("[client]\npassword=" + password + "\n"),
                    0600);
  return settings;
}

MariadbSettings TestMysql::with_mariadb_tools() const {
  MariadbSettings settings = this->settings();
  settings.bin_directory = directory_ / "mariadb-bin";
  make_directories(settings.bin_directory);
  for (const char* tool : {"mariadb", "mariadb-dump", "mysqldump", "mysql"}) {
    const std::string path = settings.bin_directory + "/" + tool;
    if (!path_exists(path)) fs::create_symlink(std::string("/usr/bin/") + tool, path);
  }
  return settings;
}

std::string TestMysql::sql(const std::string& statement) const {
  return MariadbConnection(settings(), {}).value(statement);
}

void TestMysql::run(const std::vector<std::string>& statements) const {
  MariadbConnection connection(settings(), {});
  for (const std::string& statement : statements) connection.query(statement);
}

int TestMysql::load(const std::string& file) const {
  ProcessOptions options;
  options.argv = mariadb_command(settings(), "");
  options.argv.front() = client_program(settings(), MariadbEngine::kMysql, {});
  options.argv.insert(options.argv.begin(), {"sh", "-c", "exec \"$@\" < " + file, "load"});
  const ProcessResult result = run_process(options);
  if (result.exit_code != 0) ::fprintf(stderr, "%s\n", result.error_output.c_str());
  return result.exit_code;
}

std::string TestMysql::rows(const std::string& query) const {
  std::string text;
  for (const MariadbRow& row : MariadbConnection(settings(), {}).query(query)) {
    for (const auto& value : row) text += value.value_or("NULL") + "|";
    text += "\n";
  }
  return text;
}

std::string TestMysql::log() const {
  return path_exists(directory_ / "output") ? std::string(as_text(read_file(directory_ / "output")))
                                            : "";
}

}  // namespace holdfast
