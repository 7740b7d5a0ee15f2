#include "source/postgres/tools.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/human.h"
#include "os/process.h"
#include "source/postgres/connection.h"

namespace holdfast {
namespace {

constexpr int kPerMajor = 10000;
// Exit codes of who runs a program as another user, as of shells.
constexpr int kNotExecutable = 126;
constexpr int kNoProgram = 127;

int number_at(std::string_view text, std::size_t at) {
  int number = 0;
  if (at < text.size()) std::from_chars(text.data() + at, text.data() + text.size(), number);
  return number;
}

// "pg_dump (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)", "postgres (PostgreSQL) 18beta1"
PgVersion version_in(std::string_view said) {
  constexpr std::string_view kBefore = "(PostgreSQL) ";
  const std::size_t at = said.find(kBefore);
  if (at == std::string_view::npos) return {};
  const std::string_view version = said.substr(at + kBefore.size());
  const std::size_t dot = version.find_first_not_of("0123456789");
  return {number_at(version, 0),
          dot < version.size() && version[dot] == '.' ? number_at(version, dot + 1) : 0};
}

std::string how_to_install(const char* what, int server_version) {
  return fmt::format(
      "install the {0} of PostgreSQL {1} (postgresql-{2}{1} of Debian or of PostgreSQL's own "
      "packages), or set bin_directory of the source to where its programs are",
      what, server_version / kPerMajor, std::string_view(what) == "client" ? "client-" : "");
}

}  // namespace

PgVersion pg_tool_version(const PostgresSettings& settings, const std::string& program,
                          int server_version, const std::stop_token& stop) {
  ProcessOptions options;
  options.argv = pg_command(settings, program, server_version);
  const std::string path = options.argv.back();
  options.argv.emplace_back("--version");
  // Debian's own /usr/bin/pg_dump chooses a version by where it would connect to.
  options.environment = pg_environment(settings, "");
  options.environment.emplace_back("LC_ALL", "C");
  options.working_directory = "/";
  std::string reason;
  try {
    const ProcessResult result = run_process(options, stop);
    if (result.stopped) throw Error(Code::kCancelled, "interrupted");
    if (result.exit_code != kNotExecutable && result.exit_code != kNoProgram) {
      return version_in(result.output);
    }
    reason = complaint(result);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound && error.code() != Code::kDenied) throw;
    reason = error.message();
  }
  const bool of_client = program.starts_with("pg_dump") || program == "psql" ||
                         program == "pg_restore" || program == "pg_amcheck";
  throw Error(Code::kUnsupported, "there is no " + printable(path) + " here: " + reason,
              how_to_install(of_client ? "client" : "server", server_version));
}

bool has_in_place_tablespaces(const PgVersion& version) {
  if (version.major == 13) return version.minor >= 8;
  if (version.major == 14) return version.minor >= 5;
  return true;
}

void require_pg_dump(const PostgresSettings& settings, int server_version, bool roles,
                     const std::stop_token& stop) {
  for (const char* program : {"pg_dump", "pg_dumpall"}) {
    if (!roles && program != std::string_view("pg_dump")) continue;
    const PgVersion version = pg_tool_version(settings, program, server_version, stop);
    if (version.major == 0 || version.major >= server_version / kPerMajor) continue;
    throw Error(Code::kUnsupported,
                fmt::format("{} is of PostgreSQL {}, the server of {}: it refuses to dump a newer "
                            "server than itself",
                            pg_command(settings, program, server_version).back(), version.major,
                            server_version / kPerMajor),
                how_to_install("client", server_version));
  }
}

void require_pg_proof_tools(const PostgresSettings& settings, int server_version, bool physical,
                            const std::stop_token& stop) {
  const int major = server_version / kPerMajor;
  const PgVersion server = pg_tool_version(settings, "pg_ctl", server_version, stop);
  if (server.major != 0 && server.major != major) {
    throw Error(
        Code::kUnsupported,
        fmt::format("{} is of PostgreSQL {}, the backup of {}: only a server of the same "
                    "version starts on it",
                    pg_command(settings, "pg_ctl", server_version).back(), server.major, major),
        how_to_install("server", server_version));
  }
  std::vector<const char*> programs = {"pg_controldata"};
  if (major >= kFirstWithPgAmcheck) programs.push_back("pg_amcheck");
  if (physical) {
    programs.push_back("pg_checksums");
  } else {
    programs.insert(programs.end(), {"initdb", "psql", "pg_restore"});
  }
  for (const char* program : programs) pg_tool_version(settings, program, server_version, stop);
}

}  // namespace holdfast
