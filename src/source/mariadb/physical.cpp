#include "source/mariadb/physical.h"

#include <fmt/format.h>
#include <signal.h>

#include <charconv>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/file.h"
#include "os/host_trouble.h"
#include "source/mariadb/tools.h"

namespace holdfast {
namespace {

constexpr std::string_view kDone = "completed OK!";
constexpr std::string_view kLocking = "BACKUP STAGE BLOCK_COMMIT";

bool says(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Error failure(const ProcessResult& result, const std::string& action) {
  const std::string& said = result.error_output;
  const std::string message = action + " failed: " + end_of_output(said);
  if (says(said, "Access denied") || says(said, "missing required privilege")) {
    return {Code::kDenied, message,
            "grant what backups need: GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* "
            "TO the user; and the system's user must be able to read the data directory"};
  }
  if (says(said, "Can't connect")) {
    return {Code::kUnavailable, message, "check that the server runs"};
  }
  if (names_host_trouble(said) || result.signal == SIGKILL) {
    return {Code::kExhausted, message, "give this host room and memory, and run it again"};
  }
  return {Code::kInvalid, message, "mend what it says and run it again"};
}

std::string_view take_field(std::string_view& text) {
  const std::size_t end = text.find_first_of("\t\n");
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return field;
}

}  // namespace

void require_physical(const MariadbServer& server) {
  if (server.engine == MariadbEngine::kMariadb) return;
  throw Error(Code::kUnsupported,
              "the server is MySQL " + server.version +
                  ": there are no physical backups of MySQL, mariadb-backup cannot read its files",
              "write 'method: logical'; for copies of the files run Percona XtraBackup or MySQL "
              "Enterprise Backup in a hook of a source of class files, with what it writes "
              "among its paths");
}

std::vector<std::string> mariadb_backup_command(const MariadbSettings& settings,
                                                const MariadbServer& server) {
  require_physical(server);
  if (!path_exists(server.data_directory + "/ibdata1") && !path_exists(server.data_directory)) {
    throw Error(
        Code::kUnsupported,
        "the server's data directory " + printable(server.data_directory) + " is not on this host",
        "run Holdfast on the server's host, or write 'method: logical'");
  }
  std::vector<std::string> command = mariadb_command(settings, "mariadb-backup");
  command.insert(command.end(),
                 {"--backup", "--stream=mbstream", "--datadir=" + server.data_directory});
  return command;
}

bool is_position_file(std::string_view path) {
  return path == "xtrabackup_binlog_info" || path == "mariadb_backup_binlog_info";
}

MariadbPosition parse_position_file(std::string_view content) {
  MariadbPosition position;
  std::string_view left = content;
  position.file = take_field(left);
  const std::string_view offset = take_field(left);
  const auto [end, error] =
      std::from_chars(offset.data(), offset.data() + offset.size(), position.offset);
  if (position.file.empty() || error != std::errc{} || end != offset.data() + offset.size()) {
    throw Error(Code::kInvalid, "the position of the backup in the binary log is not understood: " +
                                    printable(content.substr(0, 200)));
  }
  while (left.ends_with('\n')) left.remove_suffix(1);
  position.gtid = left;
  return position;
}

void check_mariadb_backup(const ProcessResult& result, const std::string& action) {
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  std::string_view said = result.error_output;
  while (said.ends_with('\n')) said.remove_suffix(1);
  if (result.exit_code == 0 && said.ends_with(kDone)) return;
  throw failure(result, action);
}

std::optional<Timestamp> locked_at(std::string_view messages) {
  // "[00] 2026-11-23 03:11:17 Starting BACKUP STAGE BLOCK_COMMIT"
  constexpr std::size_t kDate = 10;
  constexpr std::size_t kTime = 8;
  const std::size_t at = messages.find(kLocking);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t begin = messages.rfind('\n', at) + 1;
  const std::string_view line = messages.substr(begin, at - begin);
  const std::size_t date = line.find("] ");
  if (date == std::string_view::npos || line.size() < date + 2 + kDate + 1 + kTime) {
    return std::nullopt;
  }
  try {
    return parse_rfc3339(fmt::format("{}T{}Z", line.substr(date + 2, kDate),
                                     line.substr(date + 2 + kDate + 1, kTime)));
  } catch (const Error&) {
    return std::nullopt;
  }
}

bool has_pages(std::string_view path) {
  const std::string_view name = base_name(path);
  for (const std::string_view ending : {".ibd", ".MAD", ".MAI"}) {
    if (name.ends_with(ending)) return true;
  }
  return name.starts_with("ibdata") || name.starts_with("undo");
}

}  // namespace holdfast
