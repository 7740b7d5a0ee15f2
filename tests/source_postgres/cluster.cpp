#include "cluster.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "os/process.h"

namespace holdfast {

namespace fs = std::filesystem;

namespace {

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin";

std::string run_as_user(std::vector<std::string> command, const std::string& input = {}) {
  ProcessOptions options;
  if (::geteuid() == 0) {
    options.argv = {"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"};
  }
  options.argv.insert(options.argv.end(), command.begin(), command.end());
  options.environment = {{"LC_ALL", "C"}, {"TZ", "UTC"}, {"BIN", kPrograms}};
  options.working_directory = "/tmp";
  options.input = input;
  const ProcessResult result = run_process(options);
  if (result.exit_code != 0) {
    throw Error(Code::kInternal, command.front() + ": " + result.output + result.error_output);
  }
  return result.output;
}

}  // namespace

Cluster::Cluster() {
  if (::geteuid() == 0) {
    const passwd* user = ::getpwnam("postgres");
    if (user == nullptr) throw Error(Code::kInternal, "there is no user postgres");
    if (::chown(directory_.path().c_str(), user->pw_uid, user->pw_gid) != 0) {
      throw system_error(errno, "chown");
    }
  }
  run("initdb", {"--pgdata", data(), "--username=postgres", "--auth=trust", "--data-checksums",
                 "--wal-segsize=1", "--no-sync", "--encoding=UTF8", "--locale=C"});
  append_file("data/postgresql.conf",
              "listen_addresses = ''\n"
              "unix_socket_directories = '" +
                  directory_.path() +
                  "'\n"
                  "fsync = off\n"
                  "autovacuum = off\n"
                  "wal_keep_size = 1GB\n"
                  "wal_recycle = off\n"
                  "max_prepared_transactions = 5\n"
                  "timezone = 'America/New_York'\n");
}

Cluster::~Cluster() {
  if (!running_) return;
  try {
    stop();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
}

void Cluster::start() {
  run("pg_ctl", {"start", "--wait", "--silent", "--pgdata", data(), "--log", path("server.log")});
  running_ = true;
}

void Cluster::stop() {
  running_ = false;
  run("pg_ctl", {"stop", "--wait", "--silent", "--mode=fast", "--pgdata", data()});
}

void Cluster::promote() { run("pg_ctl", {"promote", "--wait", "--silent", "--pgdata", data()}); }

std::string Cluster::sql(const std::string& text) const {
  std::string rows =
      run("psql",
          {"--host", directory_.path(), "--username=postgres", "--no-psqlrc", "--quiet",
           "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--dbname=postgres", "--file=-"},
          text);
  while (rows.ends_with('\n')) rows.pop_back();
  return rows;
}

std::vector<std::string> Cluster::segments() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(data() + "/pg_wal")) {
    const std::string name = entry.path().filename();
    if (name.size() == 24) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string Cluster::run(const std::string& program, const std::vector<std::string>& arguments,
                         const std::string& input) const {
  std::vector<std::string> command = {std::string(kPrograms) + "/" + program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_as_user(std::move(command), input);
}

std::string Cluster::shell(const std::string& line) const {
  return run_as_user({"sh", "-c", line});
}

void Cluster::append_file(const std::string& name, const std::string& text) const {
  std::ofstream(path(name), std::ios::app) << text;
}

}  // namespace holdfast
