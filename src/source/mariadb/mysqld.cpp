#include "source/mariadb/mysqld.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "base/human.h"
#include "base/one_line.h"
#include "base/path.h"
#include "os/file.h"
#include "os/process.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/sandbox.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kFirstThatInitializes = 50706;
constexpr unsigned kFirstOfEight = 80000;
constexpr const char* kNoAutoCreate = "NO_AUTO_CREATE_USER";  // an sql_mode until then
constexpr const char* kLowerCase = "lower_case_table_names";

std::vector<std::string> places_of(const MariadbSettings& settings) {
  std::vector<std::string> places;
  const std::string& bin = settings.bin_directory;
  if (!bin.empty()) places = {bin + "/mysqld", bin + "/../sbin/mysqld"};
  const char* const path = std::getenv("PATH");
  std::string_view left = path == nullptr ? "" : path;
  while (!left.empty()) {
    const std::size_t end = std::min(left.find(':'), left.size());
    places.push_back(std::string(left.substr(0, end)) + "/mysqld");
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  places.insert(places.end(), {"/usr/sbin/mysqld", "/usr/local/sbin/mysqld", "/usr/libexec/mysqld",
                               "/usr/local/mysql/bin/mysqld"});
  return places;
}

// The version that it says; "" when it is MariaDB's, or cannot say any.
std::string version_of(const std::string& path, const std::stop_token& stop) {
  ProcessOptions options;
  options.argv = {path, "--no-defaults", "--version"};
  options.environment = {{"LC_ALL", "C"}};
  const ProcessResult result = run_process(options, stop);
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  constexpr std::string_view kMark = " Ver ";
  const std::string& said = result.output;
  const std::size_t at = said.find(kMark);
  if (at == std::string::npos || said.find("MariaDB") != std::string::npos) return {};
  const std::size_t begin = at + kMark.size();
  return said.substr(begin, said.find_first_not_of("0123456789.", begin) - begin);
}

std::string base_of(const std::string& program) {
  const std::string_view beside = parent_path(program);
  for (const std::string_view directory : {beside, parent_path(beside)}) {
    if (path_exists(std::string(directory) + "/share/english/errmsg.sys")) {
      return std::string(directory);
    }
  }
  return {};
}

std::string known_option(const Mysqld& program, std::string line) {
  if (version_number(program.version) < kFirstOfEight || !line.starts_with("sql_mode")) return line;
  for (const std::string& text : {std::string(kNoAutoCreate) + ",",
                                  "," + std::string(kNoAutoCreate), std::string(kNoAutoCreate)}) {
    const std::size_t at = line.find(text);
    if (at != std::string::npos) line.erase(at, text.size());
  }
  return line;
}

std::vector<std::string> maker_command(const MariadbSettings& settings, const Mysqld& program,
                                       const std::string& directory, const std::string& temporary) {
  std::vector<std::string> command = {program.path, "--no-defaults", "--datadir=" + directory,
                                      "--tmpdir=" + temporary};
  if (!program.base_directory.empty()) command.push_back("--basedir=" + program.base_directory);
  if (::geteuid() == 0 && !settings.system_user.empty()) {
    command.push_back("--user=" + settings.system_user);
  }
  return command;
}

// Where 5.6 has the SQL of its own tables.
std::string share_of(const Mysqld& program) {
  const std::string beside(parent_path(parent_path(program.path)));
  for (const std::string& directory : {program.base_directory + "/share", beside + "/share/mysql",
                                       beside + "/share", std::string("/usr/share/mysql")}) {
    if (path_exists(directory + "/mysql_system_tables.sql")) return directory;
  }
  throw Error(Code::kUnsupported,
              "beside " + printable(program.path) +
                  " there is no mysql_system_tables.sql, which MySQL " + program.version +
                  " needs to make a new server",
              "install the whole package of the server, or set bin_directory to where it is");
}

// What mysql_install_db feeds to it.
std::string system_tables(const Mysqld& program) {
  std::string sql =
      "CREATE DATABASE IF NOT EXISTS mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n";
  const std::string share = share_of(program);
  for (const char* file : {"mysql_system_tables.sql", "mysql_system_tables_data.sql"}) {
    const Bytes content = read_file(share + "/" + file);
    sql += as_text(content);
    sql += "\n";
  }
  // Anybody's accounts, which restored ones would meet.
  return sql +
         "DELETE FROM mysql.user WHERE user = '' OR host NOT IN ('localhost');\n"
         "DELETE FROM mysql.db;\n";
}

}  // namespace

Mysqld find_mysqld(const MariadbSettings& settings, const std::stop_token& stop) {
  std::string other;
  for (const std::string& place : places_of(settings)) {
    if (::access(place.c_str(), X_OK) != 0) continue;
    const std::string version = version_of(place, stop);
    if (!version.empty()) return {place, version, base_of(place)};
    if (other.empty()) other = place;
  }
  throw Error(
      Code::kUnsupported,
      "there is no mysqld of MySQL on this host" +
          (other.empty() ? std::string() : ", " + printable(other) + " is MariaDB's"),
      "install MySQL's server package (mysql-community-server) of the source's version or a "
      "later one here, or unpack it and set bin_directory to its bin directory; or test on "
      "a host that has it");
}

std::string mysqld_configuration(const Mysqld& program, const std::vector<std::string>& options) {
  const unsigned version = version_number(program.version);
  std::string text;
  if (!program.base_directory.empty()) {
    text += "basedir = \"" + program.base_directory + "\"\n";
  }
  if (version >= kFirstThatInitializes) text += "secure-file-priv = NULL\n";
  if (version >= kFirstOfEight) {
    text += "skip-log-bin\nloose-mysqlx = OFF\n";
  } else {
    text += "innodb-log-file-size = 96M\n";
  }
  for (const std::string& line : options) text += known_option(program, line) + "\n";
  return text;
}

void make_mysql_directory(const MariadbSettings& settings, const std::string& directory,
                          const std::vector<std::string>& options, const std::stop_token& stop) {
  const Mysqld program = find_mysqld(settings, stop);
  const std::string temporary = directory + ".tmp";
  make_directories(temporary, 0700);
  give_to_server(settings, directory);
  give_to_server(settings, temporary);
  ProcessOptions run;
  run.argv = maker_command(settings, program, directory, temporary);
  if (version_number(program.version) >= kFirstThatInitializes) {
    run.argv.emplace_back("--initialize-insecure");
    for (const std::string& line : options) {
      if (!line.starts_with(kLowerCase)) continue;
      std::string option = "--" + line;
      std::erase_if(option, [](char c) { return c == ' ' || c == '"'; });
      run.argv.push_back(option);
    }
  } else {
    run.argv.insert(run.argv.end(), {"--bootstrap", "--loose-skip-ndbcluster"});
    run.input = system_tables(program);
  }
  run.environment = {{"TZ", "UTC"}, {"LC_ALL", "C"}};
  run.working_directory = "/";
  const ProcessResult result = run_process(run, stop);
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  throw Error(Code::kUnavailable,
              "no empty server could be made: " + one_line(result.error_output + result.output),
              "nothing of the backup was in it yet: mend MySQL on this host, or test on another "
              "one");
}

}  // namespace holdfast
