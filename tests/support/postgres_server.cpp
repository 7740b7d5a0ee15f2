#include "support/postgres_server.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "os/clock.h"
#include "support/loopback.h"
#include "support/text_file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr Duration kPatience = std::chrono::minutes{1};
constexpr Duration kPoll = std::chrono::milliseconds{20};

void require(const ProcessResult& result, const std::string& what) {
  if (result.exit_code != 0) throw std::runtime_error(what + ": " + result.error_output);
}

// Backends and workers: each is in a process group of its own.
std::vector<pid_t> children_of(pid_t parent) {
  std::istringstream list(text_of_file("/proc/" + std::to_string(parent) + "/task/" +
                                       std::to_string(parent) + "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; list >> child;) children.push_back(child);
  return children;
}

}  // namespace

std::vector<std::string> as_postgres(std::vector<std::string> arguments) {
  if (::geteuid() != 0) return arguments;
  // It becomes the program; its death is ours in any case.
  std::vector<std::string> argv = {"setpriv",       "--reuid=postgres", "--regid=postgres",
                                   "--init-groups", "--pdeathsig=KILL", "--"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

void give_to_postgres(const std::string& path) {
  if (::geteuid() != 0) return;
  const struct passwd* user = ::getpwnam("postgres");
  if (user == nullptr) throw std::runtime_error("there is no user postgres");
  const auto give = [&](const std::string& one) {
    if (::lchown(one.c_str(), user->pw_uid, user->pw_gid) != 0) {
      throw std::runtime_error("cannot give " + one + " to postgres");
    }
  };
  give(path);
  if (!fs::is_directory(path)) return;
  for (const auto& entry : fs::recursive_directory_iterator(path)) give(entry.path().string());
}

PostgresServer::PostgresServer(const PostgresOptions& options) : programs_(options.programs) {
  give_to_postgres(directory_.path());
  std::vector<std::string> arguments = {"--pgdata=" + data(),  "--auth=trust",
                                        "--username=postgres", "--no-sync",
                                        "--encoding=UTF8",     "--locale=C"};
  arguments.insert(arguments.end(), options.initdb.begin(), options.initdb.end());
  require(run("initdb", arguments), "initdb");
  configure(options.settings);
}

PostgresServer::PostgresServer(const std::string& data_name, const std::string& programs)
    : data_name_(data_name), programs_(programs) {
  give_to_postgres(directory_.path());
}

PostgresServer::~PostgresServer() { kill(); }

std::string PostgresServer::program(const std::string& name) const {
  const std::string of_version = programs_ + "/" + name;
  return fs::exists(of_version) ? of_version : std::string(kPostgresPrograms) + "/" + name;
}

std::string PostgresServer::log() const { return text_of_file(directory_ / "server.log"); }

void PostgresServer::configure(const std::vector<std::string>& settings) const {
  std::ofstream out(data() + "/postgresql.conf", std::ios::app);
  for (const std::string& line : settings) out << line << "\n";
  out.flush();
  if (!out) throw std::runtime_error("cannot write postgresql.conf in " + data());
}

ProcessResult PostgresServer::run(const std::string& name,
                                  std::vector<std::string> arguments) const {
  ProcessOptions options;
  arguments.insert(arguments.begin(), program(name));
  options.argv = as_postgres(std::move(arguments));
  options.working_directory = directory_.path();
  options.environment = {{"PGHOST", socket_directory()},
                         {"PGPORT", port()},
                         {"PGUSER", "postgres"},
                         {"PGDATABASE", "postgres"},
                         {"HOME", directory_.path()}};
  options.timeout = std::chrono::minutes{2};
  return run_process(options);
}

std::string PostgresServer::query(const std::string& sql) const {
  const ProcessResult result = run("psql", {"-XAtqc", sql, "-v", "ON_ERROR_STOP=1"});
  require(result, sql);
  std::string text = result.output;
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

void PostgresServer::wait_for(const std::string& sql, const std::string& wanted) const {
  const Duration end = system_clock().monotonic() + kPatience;
  for (std::string last; (last = query(sql)) != wanted;) {
    if (system_clock().monotonic() > end) {
      throw std::runtime_error(sql + " still gives " + last + "\n" + log());
    }
    system_clock().sleep_for(kPoll, {});
  }
}

void PostgresServer::spawn() {
  if (running()) throw std::runtime_error("the server runs already");
  std::vector<std::string> arguments =
      as_postgres({program("postgres"), "-D", data(), "-k", socket_directory(), "-c",
                   port_ == 0 ? "listen_addresses=" : "listen_addresses=127.0.0.1", "-c",
                   "port=" + port(), "-c", "unix_socket_permissions=0777"});
  std::vector<char*> argv;
  for (std::string& one : arguments) argv.push_back(one.data());
  argv.push_back(nullptr);
  const std::string file = directory_ / "server.log";
  const int log = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const std::string home = directory_.path();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(log, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::setpgid(0, 0);
    if (::chdir(home.c_str()) == 0) ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(log);
  if (pid_ < 0) throw std::runtime_error("cannot fork");
}

std::string PostgresServer::port() const { return port_ == 0 ? "5432" : std::to_string(port_); }

int PostgresServer::listen() {
  port_ = listen_on_loopback().port;
  return port_;
}

void PostgresServer::start() {
  spawn();
  const Duration end = system_clock().monotonic() + kPatience;
  while (run("pg_isready", {"-q"}).exit_code != 0) {
    int status = 0;
    const bool ended = ::waitpid(pid_, &status, WNOHANG) == pid_;
    if (ended) pid_ = -1;
    if (ended || system_clock().monotonic() > end) {
      throw std::runtime_error("the server did not start:\n" + log());
    }
    system_clock().sleep_for(kPoll, {});
  }
}

int PostgresServer::run_to_its_end() {
  spawn();
  const Duration end = system_clock().monotonic() + kPatience;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) != pid_) {
    if (system_clock().monotonic() > end) {
      kill();
      throw std::runtime_error("the server did not end:\n" + log());
    }
    system_clock().sleep_for(kPoll, {});
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void PostgresServer::end(int signal) {
  if (!running()) return;
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void PostgresServer::kill() {
  if (!running()) return;
  // Stopped first, so that no child is born or reaped meanwhile.
  ::kill(pid_, SIGSTOP);
  const std::vector<pid_t> children = children_of(pid_);
  for (const pid_t child : children) ::kill(child, SIGKILL);
  end(SIGKILL);
}

}  // namespace holdfast
