#include "source/mariadb/tools.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/one_line.h"
#include "os/process.h"
#include "source/mariadb/connection.h"

namespace holdfast {
namespace {

// The first version number in what a tool says of itself, with two dots: "10.11.19".
std::string version_in(const std::string& said) {
  constexpr const char* kDigits = "0123456789.";
  for (std::size_t at = said.find_first_of("0123456789"); at != std::string::npos;
       at = said.find_first_of("0123456789", at)) {
    const std::size_t end = std::min(said.find_first_not_of(kDigits, at), said.size());
    const std::string number = said.substr(at, end - at);
    if (std::count(number.begin(), number.end(), '.') == 2) return number;
    at = end;
  }
  return {};
}

MariadbTool require_tool(const MariadbSettings& settings, const std::string& name,
                         const std::stop_token& stop) {
  try {
    return find_mariadb_tool(settings, name, stop);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound && error.code() != Code::kDenied) throw;
    throw Error(Code::kUnsupported, "the restore needs " + name + ": " + error.message(),
                "install it (apt install " +
                    std::string(name == "mariadb-backup" ? name : "mariadb-client") +
                    "), or set bin_directory to where it is; nothing has been changed");
  }
}

}  // namespace

MariadbTool find_mariadb_tool(const MariadbSettings& settings, const std::string& name,
                              std::stop_token stop) {
  ProcessOptions options;
  options.argv = {mariadb_program(settings, name), "--version"};
  options.environment = {{"LC_ALL", "C"}};
  const ProcessResult result = run_process(options, std::move(stop));
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  const std::string said = result.output + result.error_output;
  // Some count themselves, and name their server behind "Distrib".
  const std::size_t distribution = said.find("Distrib ");
  return {
      options.argv[0],
      version_in(distribution == std::string::npos ? said : said.substr(distribution)),
      said.find("MariaDB") == std::string::npos ? MariadbEngine::kMysql : MariadbEngine::kMariadb};
}

std::string end_of_output(std::string_view said) {
  constexpr std::size_t kMost = 1500;
  while (said.ends_with('\n')) said.remove_suffix(1);
  if (said.size() > kMost) {
    said.remove_prefix(said.size() - kMost);
    said.remove_prefix(std::min(said.find('\n') + 1, said.size()));
  }
  return one_line(said);
}

std::string mariadb_series(const std::string& version) {
  return version.substr(0, version.find('.', version.find('.') + 1));
}

void require_restore_tools(const MariadbSettings& settings, const std::string& version,
                           const std::stop_token& stop) {
  const MariadbTool backup = require_tool(settings, "mariadb-backup", stop);
  if (!version.empty() && mariadb_series(backup.version) != mariadb_series(version)) {
    throw Error(
        Code::kUnsupported,
        fmt::format("{} is of {}, the backup of MariaDB {}: it cannot prepare its files",
                    backup.path, backup.version.empty() ? "an unknown version" : backup.version,
                    version),
        "install mariadb-backup " + mariadb_series(version) +
            ", or set bin_directory to where it is; nothing has been changed");
  }
}

}  // namespace holdfast
