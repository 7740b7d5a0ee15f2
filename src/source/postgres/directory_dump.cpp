#include "source/postgres/directory_dump.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/human.h"
#include "os/closed_files.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

// Closed once and never opened again. Tables of contents may be, and are small: they wait.
bool is_final(const std::string& name) { return name.ends_with(".dat") && name != "toc.dat"; }

void check(const ProcessResult& result, const std::string& directory) {
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return;
  const std::string text = "the dump failed: " + complaint(result);
  if (result.error_output.find("No space left") != std::string::npos) {
    throw Error(Code::kExhausted, text,
                "nothing was stored as a backup; make room in " + printable(directory) +
                    ", name another place ('scratch' of the source), or stream the dump: 'format: "
                    "custom'");
  }
  throw Error(Code::kInvalid, text,
              "nothing was stored as a backup; mend it and run the backup again");
}

class DirectoryDump {
 public:
  DirectoryDump(const PgDumpPlan& plan, const std::string& directory,
                const std::function<void(const std::string& name)>& take, std::stop_token stop)
      : directory_(directory),
        take_(take),
        closed_(directory),
        outer_stop_(std::move(stop)),
        link_(outer_stop_, [this] { stop_.request_stop(); }) {
    options_.argv = plan.command;
    options_.argv.push_back("--file=" + directory);
    options_.environment = plan.environment;
    options_.environment.emplace_back("LC_ALL", "C");  // its messages are looked at
    options_.working_directory = directory;            // where a killed run's is found
  }

  void run() {
    take_while_dumping();
    if (failure_) std::rethrow_exception(failure_);
    check(result_, directory_);
    take_the_rest();
  }

 private:
  void dump() {
    try {
      result_ = run_process(options_, stop_.get_token());
    } catch (...) {
      failure_ = std::current_exception();
    }
    closed_.end();
  }

  void take_while_dumping() {
    const std::jthread dumping([this] { dump(); });
    try {
      for (auto names = closed_.next(); !names.empty(); names = closed_.next()) {
        for (const std::string& name : names) {
          if (is_final(name)) take(name);
        }
      }
    } catch (...) {
      stop_.request_stop();
      throw;
    }
  }

  void take_the_rest() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      names.push_back(entry.path().filename().string());
    }
    for (const std::string& name : names) take(name);
  }

  void take(const std::string& name) {
    take_(name);
    const std::string path = directory_ + "/" + name;
    if (::unlink(path.c_str()) != 0) throw system_error(errno, "cannot remove " + printable(path));
  }

  const std::string& directory_;
  const std::function<void(const std::string& name)>& take_;
  ClosedFiles closed_;
  ProcessOptions options_;
  std::stop_token outer_stop_;
  std::stop_source stop_;  // also requested when a file cannot be taken
  std::stop_callback<std::function<void()>> link_;
  ProcessResult result_;
  std::exception_ptr failure_;
};

}  // namespace

std::uint64_t pg_dump_estimate(const PostgresSettings& settings, const std::string& database,
                               std::stop_token stop) {
  PgConnection connection(settings, database, std::move(stop));
  // Of each relation by itself: pg_table_size() would wait for who works on an index of it.
  return std::stoull(connection.value(
      "select pg_relation_size('pg_largeobject') + coalesce(sum(pg_relation_size(c.oid) + "
      "coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)), 0)::bigint "
      "from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' "
      "and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"));
}

void require_space_for_dump(const PostgresSettings& settings, const std::string& database,
                            const std::string& directory, std::stop_token stop) {
  const std::uint64_t wanted = pg_dump_estimate(settings, database, std::move(stop));
  const std::uint64_t free = free_space(directory);
  if (free >= wanted) return;
  throw Error(Code::kExhausted,
              fmt::format("a dump of '{}' as a directory takes about {}, and {} has {} free",
                          printable(database), format_size(wanted), printable(directory),
                          format_size(free)),
              "make room, name another place ('scratch' of the source), or stream the dump: "
              "'format: custom'");
}

void run_directory_dump(const PgDumpPlan& plan, const std::string& directory,
                        const std::function<void(const std::string& name)>& take,
                        std::stop_token stop) {
  DirectoryDump(plan, directory, take, std::move(stop)).run();
}

ProcessResult run_directory_load(const PostgresSettings& settings, int server_version,
                                 const std::string& directory, const std::string& database,
                                 bool create, std::stop_token stop) {
  ProcessOptions options;
  options.argv = pg_command(settings, "pg_restore", server_version);
  options.argv.insert(
      options.argv.end(),
      {"--format=directory", fmt::format("--jobs={}", pg_jobs(settings)), "--no-password",
       "--exit-on-error", "--dbname=dbname=" + conninfo_value(database)});
  if (create) options.argv.emplace_back("--create");
  options.argv.push_back(directory);
  options.environment = pg_environment(settings, database);
  options.environment.emplace_back("LC_ALL", "C");
  options.working_directory = directory;
  return run_process(options, std::move(stop));
}

}  // namespace holdfast
