#include "source/mariadb/mysql_tools.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"
#include "source/mariadb/connection.h"

namespace holdfast {
namespace {

// Before it, information_schema has no generated columns, which mariadb-dump asks for.
constexpr unsigned kFirstForMariadbDump = 50706;
// From it on SHOW MASTER STATUS is gone, and mariadb-dump knows no other way.
constexpr unsigned kFirstWithoutMasterStatus = 80400;
constexpr unsigned kFirstWithSourceData = 80026;
constexpr unsigned kFirstWithStatistics = 80002;
constexpr unsigned kFirstServerWithStatistics = 80000;

constexpr const char* kInstallAdvice =
    "install MySQL's client programs (mysqldump and mysql, of the server's version), or set "
    "bin_directory to where they are";

std::optional<MariadbTool> find_if_any(const MariadbSettings& settings, const std::string& name,
                                       const std::stop_token& stop) {
  try {
    return find_mariadb_tool(settings, name, stop);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound && error.code() != Code::kDenied) throw;
    return std::nullopt;
  }
}

// Options that only one of the two has, or that mean different things.
void add_own_options(const MariadbServer& server, const MariadbTool& tool,
                     std::vector<std::string>& command) {
  const unsigned served = version_number(server.version);
  if (tool.engine == MariadbEngine::kMariadb) {
    if (server.log_bin && served < kFirstWithoutMasterStatus) {
      command.emplace_back("--master-data=2");
    }
    return;
  }
  const unsigned own = version_number(tool.version);
  // Else the dump sets the GTIDs of the server that it is loaded into, which fails on each that has
  // some, and hides what it loads from that server's replicas.
  command.emplace_back("--set-gtid-purged=OFF");
  if (server.log_bin) {
    command.emplace_back(own >= kFirstWithSourceData ? "--source-data=2" : "--master-data=2");
  }
  if (own >= kFirstWithStatistics && served < kFirstServerWithStatistics) {
    command.emplace_back("--column-statistics=0");
  }
}

}  // namespace

unsigned version_number(const std::string& version) {
  unsigned number = 0;
  const char* at = version.data();
  const char* const end = at + version.size();
  for (int part = 0; part < 3; ++part) {
    unsigned value = 0;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc{} && part == 0) return 0;
    number = number * 100 + value;
    at = parsed.ptr != end && *parsed.ptr == '.' ? parsed.ptr + 1 : end;
  }
  return number;
}

std::optional<MariadbTool> find_mysql_tool(const MariadbSettings& settings, const std::string& name,
                                           const std::stop_token& stop) {
  std::optional<MariadbTool> tool = find_if_any(settings, name, stop);
  if (tool && tool->engine != MariadbEngine::kMysql) tool.reset();
  return tool;
}

MariadbTool find_mysql_dump(const MariadbSettings& settings, const MariadbServer& server,
                            const std::stop_token& stop) {
  if (auto own = find_mysql_tool(settings, "mysqldump", stop)) return *own;
  const auto other = find_if_any(settings, "mariadb-dump", stop);
  if (!other) {
    throw Error(Code::kUnsupported,
                "there is neither MySQL's mysqldump nor mariadb-dump on this host", kInstallAdvice);
  }
  if (version_number(server.version) >= kFirstForMariadbDump) return *other;
  throw Error(
      Code::kUnsupported,
      fmt::format("there is no mysqldump of MySQL on this host, and {} {} cannot dump MySQL "
                  "{}, which is too old for it",
                  other->path, other->version, server.version),
      kInstallAdvice);
}

MariadbDumpPlan plan_mysql_dump(const MariadbSettings& settings, const MariadbServer& server,
                                const MariadbTool& tool, const std::vector<std::string>& databases,
                                bool named) {
  MariadbDumpPlan plan;
  plan.stored_path = kDatabasesDump;
  plan.has_position = server.log_bin;
  plan.of_mariadb_dump = tool.engine == MariadbEngine::kMariadb;
  plan.command = mariadb_command(settings, "");
  plan.command.front() = tool.path;
  // No date: equal dumps must be equal bytes to be stored once. Tablespaces are those of NDB, and
  // ask for a right more.
  plan.command.insert(
      plan.command.end(),
      {"--skip-dump-date", "--max-allowed-packet=1G", "--single-transaction", "--quick",
       "--routines", "--triggers", "--events", "--hex-blob", "--no-tablespaces"});
  add_own_options(server, tool, plan.command);
  if (named) plan.command.emplace_back("--databases");
  // A name may begin with a dash.
  plan.command.emplace_back("--");
  plan.command.insert(plan.command.end(), databases.begin(), databases.end());
  return plan;
}

std::string client_program(const MariadbSettings& settings, MariadbEngine engine,
                           const std::stop_token& stop) {
  if (engine == MariadbEngine::kMysql) {
    if (const auto own = find_mysql_tool(settings, "mysql", stop)) return own->path;
  }
  return mariadb_program(settings, "mariadb");
}

}  // namespace holdfast
