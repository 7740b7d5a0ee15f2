#include "source/postgres/sandbox.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "base/one_line.h"
#include "os/file.h"
#include "os/host_trouble.h"
#include "os/identity.h"
#include "os/process.h"
#include "os/scratch.h"
#include "source/postgres/tools.h"

namespace holdfast {
namespace {

constexpr std::size_t kLogEnd = 2000;
constexpr Duration kPoll = std::chrono::milliseconds{50};
// A server that lost a process ends within seconds.
constexpr Duration kEndOfCrash = std::chrono::seconds{10};
constexpr Duration kShortWait = std::chrono::milliseconds{300};

constexpr const char* kOfThisHost =
    "nothing is known about the backup by that: give this host memory and room, or test on "
    "another one (--scratch DIR: another place)";

// Names as pg_controldata prints them; a server refuses to recover with less than these.
constexpr std::array<std::pair<const char*, const char*>, 5> kLeast = {
    {{"max_connections setting", "max_connections"},
     {"max_worker_processes setting", "max_worker_processes"},
     {"max_wal_senders setting", "max_wal_senders"},
     {"max_prepared_xacts setting", "max_prepared_transactions"},
     {"max_locks_per_xact setting", "max_locks_per_transaction"}}};

int major_version_of(const std::string& data) {
  return std::stoi(std::string(as_text(read_file(data + "/PG_VERSION"))));
}

ProcessResult run_tool(const PostgresSettings& settings, int version, const std::string& program,
                       const std::vector<std::string>& arguments, std::stop_token stop) {
  ProcessOptions options;
  options.argv = pg_command(settings, program, version);
  const std::string path = options.argv.back();
  if (path.starts_with('/') && !path_exists(path)) {
    throw Error(Code::kUnsupported, "there is no " + path,
                "install the server's version on this host, or set bin_directory of the source");
  }
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  options.environment = {{"LC_ALL", "C"}};
  options.working_directory = "/";
  return run_process(options, std::move(stop));
}

// The number behind what pg_controldata calls `printed`.
std::optional<std::uint64_t> control_number(const std::string& facts, const std::string& printed) {
  const auto at = facts.find(printed + ":");
  if (at == std::string::npos) return std::nullopt;
  return std::stoull(facts.substr(facts.find_first_of("0123456789", at)));
}

// The defaults fit segments of 16 MiB; a server refuses to start with less than two of its own.
std::string log_size_settings(const std::string& facts) {
  const std::uint64_t least = 2 * control_number(facts, "Bytes per WAL segment").value_or(0) >> 20;
  return fmt::format("min_wal_size = {}MB\nmax_wal_size = {}MB\n",
                     std::max<std::uint64_t>(least, 80), std::max<std::uint64_t>(least, 1024));
}

// Whether the log has a line that `is_wanted`.
template <typename Predicate>
bool any_line(std::string_view log, Predicate is_wanted) {
  while (!log.empty()) {
    const std::string_view line = log.substr(0, log.find('\n'));
    if (is_wanted(line)) return true;
    log.remove_prefix(std::min(line.size() + 1, log.size()));
  }
  return false;
}

bool has(std::string_view line, std::string_view words) {
  return line.find(words) != std::string_view::npos;
}

// Of a process that the data made fall.
bool tells_of_crash(std::string_view line) {
  return has(line, " PANIC:  ") ||
         (has(line, " LOG:  ") && has(line, ") was terminated by signal "));
}

// Nothing of the server's own sends these: the kernel when memory ends, or a person.
bool tells_of_kill(std::string_view line) {
  return tells_of_crash(line) && (has(line, "by signal 9:") || has(line, "by signal 15:"));
}

bool tells_of_host(std::string_view line) {
  const bool error = has(line, " ERROR:  ") || has(line, " FATAL:  ") || has(line, " PANIC:  ");
  return tells_of_kill(line) || (error && names_host_trouble(line));
}

void give_to(const PostgresSettings& settings, const std::string& path) {
  if (::geteuid() != 0 || settings.system_user.empty()) return;
  const SystemUser user = system_user(settings.system_user);
  if (::chown(path.c_str(), user.uid, user.gid) != 0) {
    throw system_error(errno, "cannot set the owner of " + printable(path));
  }
}

std::string private_sockets(const PostgresSettings& settings, const std::string& scratch) {
  std::string path = make_socket_directory(scratch);
  give_to(settings, path);
  return path;
}

}  // namespace

PgSandbox::PgSandbox(const PostgresSettings& settings, const std::string& data_directory,
                     const std::string& scratch, Clock& clock, std::stop_token stop)
    : sandboxed_(settings),
      data_(data_directory),
      scratch_(scratch),
      socket_directory_(private_sockets(settings, scratch)),
      clock_(clock),
      stop_(std::move(stop)),
      major_(major_version_of(data_directory)) {
  sandboxed_.connection = "host=" + socket_directory_ + " port=5432";
  try {
    write_configuration();
    start();
    await_recovery();
  } catch (...) {
    if (running_) control({"stop", "-m", "immediate"}, "stop");
    std::filesystem::remove_all(socket_directory_);
    throw;
  }
}

PgSandbox::~PgSandbox() {
  try {
    if (running_) control({"stop", "-m", "immediate"}, "stop");
  } catch (const Error&) {
    // The directory goes with it, which ends a server as well.
  }
  std::error_code ignored;
  std::filesystem::remove_all(socket_directory_, ignored);
}

void PgSandbox::write_configuration() {
  // fsync: nothing of this survives anyway.
  std::string text = fmt::format(
      "listen_addresses = ''\nunix_socket_directories = '{}'\nport = 5432\nhba_file = '{}/hba'\n"
      "ident_file = '{}/ident'\narchive_mode = off\nfsync = off\nautovacuum = off\n"
      "restart_after_crash = off\n"
      "logging_collector = off\nsynchronous_standby_names = ''\n",
      socket_directory_, scratch_, scratch_);
  // A server refuses to start with a setting that it does not know.
  const PgVersion version = pg_tool_version(sandboxed_, "pg_ctl", major_ * 10000, stop_);
  if (has_in_place_tablespaces(version)) text += "allow_in_place_tablespaces = on\n";
  const ProcessResult facts =
      run_tool(sandboxed_, major_ * 10000, "pg_controldata", {"-D", data_}, stop_);
  if (facts.exit_code != 0) {
    throw Error(Code::kCorrupt, "the control file of the restored cluster cannot be read: " +
                                    one_line(facts.error_output));
  }
  has_page_checksums_ = control_number(facts.output, "Data page checksum version").value_or(0) > 0;
  for (const auto& [printed, setting] : kLeast) {
    const auto least = control_number(facts.output, printed);
    if (least) text += fmt::format("{} = {}\n", setting, *least);
  }
  text += log_size_settings(facts.output);
  const auto write = [&](const std::string& name, const std::string& content) {
    write_file_atomic(scratch_ + "/" + name, as_bytes(content), 0600);
    give_to(sandboxed_, scratch_ + "/" + name);
  };
  write("postgresql.conf", text);
  write("hba", "local all all trust\n");
  write("ident", "");
  // What ALTER SYSTEM has set belongs to the old host; recovery settings stay.
  const std::string automatic = data_ + "/postgresql.auto.conf";
  std::string kept;
  if (path_exists(automatic)) {
    const std::string before(as_text(read_file(automatic)));
    const auto ours = before.find("# holdfast:");
    if (ours != std::string::npos) kept = before.substr(ours);
  }
  write_file_atomic(automatic, as_bytes(kept), 0600);
  give_to(sandboxed_, automatic);
}

void PgSandbox::control(const std::vector<std::string>& arguments, const char* what) {
  std::vector<std::string> all = arguments;
  all.insert(all.end(), {"-D", data_, "-w", "-t", "86400", "-s"});
  const ProcessResult result = run_tool(sandboxed_, major_ * 10000, "pg_ctl", all,
                                        arguments[0] == "start" ? stop_ : std::stop_token());
  running_ = arguments[0] == "start";
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  // It never ran.
  if (log().empty()) {
    throw Error(Code::kUnavailable, "no server could be run here: " + complaint(result),
                kOfThisHost);
  }
  throw failure(std::string("does not ") + what);
}

void PgSandbox::start() {
  const std::string log = scratch_ + "/server.log";
  write_file_atomic(log, {}, 0600);
  give_to(sandboxed_, log);
  give_to(sandboxed_, scratch_);
  control({"start", "-l", log, "-o", "-c config_file=" + scratch_ + "/postgresql.conf"}, "start");
}

// A server in recovery takes connections once it is consistent; the proof wants the end.
void PgSandbox::await_recovery() try {
  PgConnection connection(sandboxed_, "postgres", stop_);
  while (connection.value("select pg_is_in_recovery() and not pg_is_wal_replay_paused()") == "t") {
    if (!clock_.sleep_for(kPoll, stop_)) throw Error(Code::kCancelled, "interrupted");
  }
} catch (const Error& error) {
  if (error.code() == Code::kUnavailable) require_alive(true);
  throw;
}

std::string PgSandbox::log() const {
  return std::string(as_text(read_file(scratch_ + "/server.log")));
}

Error PgSandbox::failure(const std::string& what) const {
  const std::string all = log();
  const std::string said = one_line(all.size() <= kLogEnd ? all : all.substr(all.size() - kLogEnd));
  if (any_line(all, tells_of_host)) {
    return {Code::kExhausted, "this host could not run the restored server: " + said, kOfThisHost};
  }
  return {Code::kCorrupt, "the restored server " + what + ": " + said,
          "the backup does not give a working server: keep its log, try an older backup"};
}

void PgSandbox::require_alive(bool wait) const {
  const Duration begin = clock_.monotonic();
  for (;;) {
    const std::string all = log();
    if (any_line(all, tells_of_host) || any_line(all, tells_of_crash)) throw failure("crashed");
    if (clock_.monotonic() - begin > (wait ? kEndOfCrash : kShortWait)) return;
    if (!clock_.sleep_for(kPoll, stop_)) throw Error(Code::kCancelled, "interrupted");
  }
}

void PgSandbox::shut_down() { control({"stop", "-m", "fast"}, "stop"); }

void make_pg_cluster(const PostgresSettings& settings, int version, const std::string& directory,
                     std::stop_token stop) {
  const ProcessResult result =
      run_tool(settings, version, "initdb",
               {"-D", directory, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync",
                "--auth=trust", "--data-checksums"},
               std::move(stop));
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  throw Error(Code::kUnavailable, "no empty cluster could be made: " + complaint(result),
              "nothing of the backup was in it yet: mend PostgreSQL on this host, or test on "
              "another one");
}

}  // namespace holdfast
