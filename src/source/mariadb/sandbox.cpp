#include "source/mariadb/sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "base/one_line.h"
#include "codec/kdf.h"
#include "os/child.h"
#include "os/file.h"
#include "os/host_trouble.h"
#include "os/identity.h"
#include "os/scratch.h"
#include "source/mariadb/mysqld.h"
#include "source/mariadb/server.h"
#include "source/mariadb/system_zone.h"

namespace holdfast {
namespace {

constexpr std::size_t kLogEnd = 2000;
constexpr const char* kTryOlder =
    "the backup does not give a working server: keep its log, try an older backup";
constexpr const char* kOfThisHost =
    "nothing of the backup was in it yet: mend the server's package on this host, or test on "
    "another one";
constexpr const char* kHostTooSmall =
    "nothing is known about the backup by that: give this host memory and room and say the same "
    "again, or choose another host or place (a restore: --target DIR; a restore test: --scratch "
    "DIR)";
constexpr Duration kEndOfCrash = std::chrono::seconds{10};
constexpr Duration kMoment = std::chrono::milliseconds{300};
constexpr auto kPoll = std::chrono::milliseconds{20};
constexpr auto kPatience = std::chrono::minutes{10};  // of a clean end

// Kinds of characters that plugins for the quality of passwords ask for, and a lot of chance.
std::string make_password() { return "Aa1!" + to_hex(random_array<16>()); }

// A line of an option file: a value with a '#' or a blank would be cut there.
std::string option(const std::string& name, const std::string& value) {
  std::string text = name + " = \"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"\n";
}

// Of no use where there is an error: what only tells that all went well until then, and warnings
// of how the server was set up.
bool is_beside_the_point(std::string_view line, bool has_error) {
  return line.find("[Note]") != line.npos || line.find("[System]") != line.npos ||
         (has_error && line.find("[Warning]") != line.npos);
}

// The last lines, without others than those that say why it ended.
std::string end_of_log(std::string_view log) {
  const bool has_error = log.find("[ERROR]") != log.npos;
  std::string end;
  while (!log.empty() && end.size() < kLogEnd) {
    while (log.ends_with('\n')) log.remove_suffix(1);
    const std::size_t begin = log.rfind('\n') + 1;
    const std::string_view line = log.substr(begin);
    if (!is_beside_the_point(line, has_error)) {
      end = printable(line) + (end.empty() ? "" : "; ") + end;
    }
    log = log.substr(0, begin);
  }
  return end.empty() ? "it said nothing" : end;
}

// The log has an error that is this host's.
bool tells_of_host(std::string_view log) {
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    if (line.find("[ERROR]") != std::string_view::npos && names_host_trouble(line)) return true;
    log.remove_prefix(std::min(line.size() + 1, log.size()));
  }
  return false;
}

// To start `program` as the server's user, so that it does not outlive our thread.
std::vector<std::string> bound_command(const MariadbSettings& settings,
                                       const std::string& program) {
  std::vector<std::string> command = command_as(settings.system_user);
  if (command.empty()) command = {"setpriv", "--"};
  command.insert(command.begin() + 1, {"--pdeathsig", "KILL"});
  command.push_back(program);
  return command;
}

bool is_plain(const std::string& value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ',';
  });
}

}  // namespace

Error host_too_small(const std::string& said) {
  return {Code::kExhausted, "this host could not run the restored server" + said, kHostTooSmall};
}

void give_to_server(const MariadbSettings& settings, const std::string& path) {
  if (::geteuid() != 0 || settings.system_user.empty()) return;
  const SystemUser user = system_user(settings.system_user);
  if (::chown(path.c_str(), user.uid, user.gid) != 0) {
    throw system_error(errno, "cannot set the owner of " + printable(path));
  }
}

namespace {

// A server does not start with an engine that it does not have, nor with a word that it is too old
// for.
bool is_usable(std::string_view name, const std::string& value) {
  if (name == "old_mode") return value.empty() || value == "UTF8_IS_UTF8MB3";
  constexpr std::array<std::string_view, 4> kEngines = {"InnoDB", "MyISAM", "Aria", "MEMORY"};
  if (name == "default_storage_engine") {
    return std::find(kEngines.begin(), kEngines.end(), value) != kEngines.end();
  }
  return std::all_of(value.begin(), value.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == ','; });
}

// Of sessions that the log says nothing of: as at the source, as far as the server knows the name.
std::string default_zone(const std::map<std::string, std::string>& settings, bool knows_zones) {
  const auto found = settings.find("time_zone");
  std::string zone = found == settings.end() ? "" : found->second;
  if (zone == "UTC") zone = "+00:00";
  const bool is_offset = zone.starts_with('+') || zone.starts_with('-');
  const bool is_harmless =
      !zone.empty() && std::all_of(zone.begin(), zone.end(), [](unsigned char c) {
        return std::isalnum(c) || c == '/' || c == '_' || c == '+' || c == '-' || c == ':';
      });
  return "default-time-zone = " + (is_harmless && (is_offset || knows_zones) ? zone : "SYSTEM");
}

}  // namespace

SandboxOptions sandbox_options(const std::map<std::string, std::string>& settings,
                               bool knows_zones) {
  SandboxOptions options;
  for (const char* name : {"lower_case_table_names", "sql_mode"}) {
    const auto found = settings.find(name);
    if (found == settings.end() || !is_plain(found->second)) continue;
    options.lines.push_back(std::string(name) + " = \"" + found->second + "\"");
  }
  for (const char* name : kUnloggedDefaults) {
    const auto found = settings.find(name);
    if (found == settings.end() || !is_usable(name, found->second)) continue;
    options.lines.push_back(std::string("loose-") + name + " = \"" + found->second + "\"");
  }
  if (const auto zone = settings.find(kSystemZone); zone != settings.end()) {
    options.zone = zone->second;
    options.lines.push_back(default_zone(settings, knows_zones));
  }
  return options;
}

std::string mariadbd_program(const MariadbSettings& settings) {
  const std::string& bin = settings.bin_directory;
  // Where tools are in a bin directory, the server is beside it.
  std::vector<std::string> places;
  if (!bin.empty()) places = {bin + "/mariadbd", bin + "/../sbin/mariadbd"};
  places.insert(places.end(),
                {"/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd", "/usr/libexec/mariadbd",
                 "/usr/bin/mariadbd", "/usr/local/bin/mariadbd"});
  for (const std::string& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place;
  }
  throw Error(Code::kUnsupported, "there is no mariadbd on this host",
              "install the server's package (mariadb-server) here, or set bin_directory");
}

std::string mariadbd_version(const MariadbSettings& settings) {
  ProcessOptions options;
  options.argv = {mariadbd_program(settings), "--no-defaults", "--version"};
  options.environment = {{"LC_ALL", "C"}};
  const std::string said = run_process(options).output;
  // "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)"
  constexpr std::string_view kMark = " Ver ";
  const std::size_t at = said.find(kMark);
  if (at == std::string::npos) {
    throw Error(Code::kUnsupported,
                options.argv[0] + " does not say its version: " + printable(said));
  }
  const std::size_t begin = at + kMark.size();
  return said.substr(begin, said.find_first_not_of("0123456789.", begin) - begin);
}

MariadbSandbox::MariadbSandbox(const MariadbSettings& settings, const std::string& data_directory,
                               const std::string& scratch, std::stop_token stop,
                               const SandboxOptions& options, MariadbEngine engine)
    : data_(data_directory),
      scratch_(scratch),
      stop_(std::move(stop)),
      of_backup_(path_exists(data_ + "/backup-my.cnf")),
      engine_(engine) {
  sandboxed_.user = kMariadbSandboxUser;
  sandboxed_.system_user = settings.system_user;
  sandboxed_.bin_directory = settings.bin_directory;
  sandboxed_.databases = settings.databases;
  sandboxed_.defaults_file = scratch_ + "/client.cnf";
  socket_directory_ = make_socket_directory(scratch_);
  sandboxed_.socket = socket_directory_ + "/socket";
  try {
    give_to_server(sandboxed_, socket_directory_);
    find_program(options.lines);
    write_configuration();
    write_zone(options.zone);
    start();
    await_answer();
  } catch (...) {
    server_.reset();
    std::filesystem::remove_all(socket_directory_);
    throw;
  }
}

MariadbSandbox::~MariadbSandbox() {
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(socket_directory_, ignored);
}

void MariadbSandbox::find_program(const std::vector<std::string>& options) {
  if (engine_ == MariadbEngine::kMysql) {
    const Mysqld program = find_mysqld(sandboxed_, stop_);
    program_ = program.path;
    own_options_ = mysqld_configuration(program, options);
    return;
  }
  program_ = mariadbd_program(sandboxed_);
  own_options_ =
      "skip-slave-start\nskip-log-bin\ninnodb-log-file-size = 96M\n"
      "strict-password-validation = OFF\n";
  for (const std::string& line : options) own_options_ += line + "\n";
}

// Of the server: what the backup was made of. Durability is for the end, see shut_down().
std::string MariadbSandbox::configuration() const {
  std::string text;
  if (of_backup_) text = as_text(read_file(data_ + "/backup-my.cnf"));
  text += engine_ == MariadbEngine::kMysql ? "\n[mysqld]\n" : "\n[mariadbd]\n";
  text += option("datadir", data_) + option("socket", sandboxed_.socket) +
          option("tmpdir", scratch_ + "/tmp") + option("pid-file", scratch_ + "/pid") +
          option("init-file", scratch_ + "/init.sql");
  return text +
         "skip-networking\nevent-scheduler = OFF\ndefault-time-zone = +00:00\n"
         "max-allowed-packet = 1G\ninnodb-buffer-pool-load-at-startup = OFF\n"
         "innodb-buffer-pool-dump-at-shutdown = OFF\ninnodb-flush-log-at-trx-commit = 0\n"
         "sync-binlog = 0\n" +
         own_options_;
}

// ALL does not include to give a role away that exists.
std::string MariadbSandbox::role_statement() const {
  if (engine_ == MariadbEngine::kMysql) return {};
  return "REPLACE INTO mysql.roles_mapping (host, user, role, admin_option) SELECT 'localhost', '" +
         std::string(kMariadbSandboxUser) + "', user, 'Y' FROM mysql.user WHERE is_role = 'Y';\n";
}

std::string MariadbSandbox::account_statements(const std::string& password) const {
  const std::string account = std::string(kMariadbSandboxUser) + "@localhost";
  // 5.6 cannot replace; but the directory of a MySQL server is always new.
  const std::string create =
      engine_ == MariadbEngine::kMysql ? "CREATE USER " : "CREATE OR REPLACE USER ";
  // The right to be anybody is not among ALL, dumps of accounts give it to root, and nobody may
  // give it to a new account but by hand.
  return "SET sql_log_bin = 0;\n" + create + account + " IDENTIFIED BY '" + password +
         "';\nGRANT ALL ON *.* TO " + account +
         " WITH GRANT OPTION;\nREPLACE INTO mysql.proxies_priv (host, user, proxied_host, "
         "proxied_user, with_grant, grantor) VALUES ('localhost', '" +
         std::string(kMariadbSandboxUser) + "', '', '', 1, '');\n" + role_statement() +
         "FLUSH PRIVILEGES;\n";
}

void MariadbSandbox::write_configuration() const {
  const std::string password = make_password();
  const auto write = [&](const char* name, const std::string& content) {
    write_file_atomic(scratch_ + "/" + name, as_bytes(content), 0600);
    return scratch_ + "/" + name;
  };
  give_to_server(sandboxed_, write("server.cnf", configuration()));
  give_to_server(sandboxed_, write("init.sql", account_statements(password)));
  write("client.cnf", "[client]\n" + option("password", password));
  // A server that starts removes the temporary tables of all others in the same place.
  make_directories(scratch_ + "/tmp", 0700);
  give_to_server(sandboxed_, scratch_ + "/tmp");
  give_to_server(sandboxed_, write("server.log", ""));
  give_to_server(sandboxed_, scratch_);
}

// For statements in the log that mean their host's time (time_zone = SYSTEM).
void MariadbSandbox::write_zone(const std::string& zone) {
  zone_ = "UTC";
  if (zone.empty()) return;
  const std::string path = scratch_ + "/zone";
  write_file_atomic(path, zone_file(parse_zone(zone)), 0600);
  give_to_server(sandboxed_, path);
  zone_ = ":" + path;
}

void MariadbSandbox::start() {
  ProcessOptions options;
  options.argv = bound_command(sandboxed_, program_);
  options.argv.push_back("--defaults-file=" + scratch_ + "/server.cnf");
  options.environment = {{"TZ", zone_}, {"LC_ALL", "C"}};
  options.working_directory = "/";
  check_options(options);
  const Fd log = open_file(scratch_ + "/server.log", O_WRONLY | O_APPEND);
  FileActions actions;
  actions.no_input();
  actions.connect(log, STDOUT_FILENO);
  actions.connect(log, STDERR_FILENO);
  actions.close_others();
  server_ = std::make_unique<Child>(options, actions);
}

bool MariadbSandbox::exited(Duration wait) const {
  pollfd event{server_->exit_fd().get(), POLLIN, 0};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return ::poll(&event, 1, static_cast<int>(left)) > 0;
}

void MariadbSandbox::await_answer() {
  for (;;) {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    if (exited(kPoll)) throw failure("does not start");
    if (!path_exists(sandboxed_.socket)) continue;
    try {
      const MariadbConnection connection(sandboxed_, stop_);
      return;
    } catch (const Error& error) {
      if (error.code() == Code::kUnavailable) continue;  // recovers still
      if (error.code() == Code::kCancelled) throw;
      throw failure("does not let us in: " + error.message());
    }
  }
}

void MariadbSandbox::require_alive(bool wait) const {
  const bool ended = server_ && exited(wait ? kEndOfCrash : kMoment);
  if (ended || tells_of_host(log())) {
    throw failure("crashed");
  }
}

Error MariadbSandbox::failure(const std::string& why) const {
  // Nothing of the server's own sends these: the kernel when memory ends, or a person.
  const int signal = server_ ? server_->end_signal() : 0;
  if (signal == SIGKILL || signal == SIGTERM || tells_of_host(log())) {
    const std::string killed =
        signal == 0 ? "" : ", it was killed (signal " + std::to_string(signal) + ")";
    return host_too_small(killed + ": " + log_end());
  }
  if (!of_backup_) {
    return {Code::kUnavailable, "an empty server " + why + ": " + log_end(), kOfThisHost};
  }
  return {Code::kCorrupt, "the restored server " + why + ": " + log_end(), kTryOlder};
}

std::string MariadbSandbox::log() const {
  return std::string(as_text(read_file(scratch_ + "/server.log")));
}

std::string MariadbSandbox::title() const {
  return std::string(engine_title(engine_)) + " " + connect().value("SELECT @@version");
}

std::string MariadbSandbox::log_end() const { return end_of_log(log()); }

void MariadbSandbox::shut_down() {
  if (!server_) return;
  {
    MariadbConnection connection = connect();
    connection.query("SET SESSION sql_log_bin = 0");
    // 5.6 does not know IF EXISTS; but nothing of another server can have taken it away.
    connection.query(
        std::string(engine_ == MariadbEngine::kMysql ? "DROP USER " : "DROP USER IF EXISTS ") +
        kMariadbSandboxUser + "@localhost");
  }
  server_->signal_group(SIGTERM);
  if (!exited(kPatience)) {
    server_.reset();
    throw Error(Code::kUnavailable, "the server in " + printable(data_) + " did not end: killed",
                "start it once on that directory, so that it recovers");
  }
  ProcessResult result;
  set_status(result, server_->reap());
  server_.reset();
  if (result.exit_code != 0) {
    throw Error(Code::kCorrupt, "the restored server does not end well: " + log_end(), kTryOlder);
  }
}

void make_mariadb_directory(const MariadbSettings& settings, const std::string& directory,
                            std::stop_token stop) {
  // In a shared /tmp, any other server that starts would remove the tool's temporary tables.
  const std::string temporary = directory + ".tmp";
  make_directories(temporary, 0700);
  ProcessOptions options;
  options.argv = {mariadb_program(settings, "mariadb-install-db"),
                  "--no-defaults",
                  "--datadir=" + directory,
                  "--tmpdir=" + temporary,
                  "--auth-root-authentication-method=normal",
                  "--skip-test-db",
                  "--skip-name-resolve"};
  if (::geteuid() == 0 && !settings.system_user.empty()) {
    give_to_server(settings, directory);
    give_to_server(settings, temporary);
    options.argv.push_back("--user=" + settings.system_user);
  }
  options.environment = {{"TZ", "UTC"}, {"LC_ALL", "C"}};
  options.working_directory = "/";
  const ProcessResult result = run_process(options, std::move(stop));
  std::error_code ignored;
  std::filesystem::remove_all(temporary, ignored);
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  throw Error(Code::kUnavailable,
              "no empty server could be made: " + one_line(result.output + result.error_output),
              kOfThisHost);
}

void make_server_directory(const MariadbSettings& settings, const std::string& directory,
                           MariadbEngine engine, const std::vector<std::string>& options,
                           std::stop_token stop) {
  if (engine == MariadbEngine::kMysql) {
    make_mysql_directory(settings, directory, options, stop);
  } else {
    make_mariadb_directory(settings, directory, std::move(stop));
  }
}

}  // namespace holdfast
