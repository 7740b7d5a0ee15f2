#include "source/mariadb/dump.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "source/mariadb/mysql_tools.h"
#include "source/mariadb/tools.h"

namespace holdfast {
namespace {

constexpr std::size_t kKept = std::size_t{64} << 10;
constexpr std::string_view kLogFile = "\n-- CHANGE MASTER TO MASTER_LOG_FILE='";
constexpr std::string_view kLogOffset = "', MASTER_LOG_POS=";
// Of MySQL's mysqldump since 8.0.26.
constexpr std::string_view kSourceFile = "\n-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='";
constexpr std::string_view kSourceOffset = "', SOURCE_LOG_POS=";
constexpr std::string_view kSandboxLine = "/*M!999999\\- ";
constexpr std::string_view kGtid = "\n-- SET GLOBAL gtid_slave_pos='";
constexpr std::string_view kEnd = "\n-- Dump completed";
constexpr unsigned kFirstThatDumpsHistory = 101100;

std::vector<std::string> dump_command(const MariadbSettings& settings) {
  std::vector<std::string> command = mariadb_command(settings, "mariadb-dump");
  // No date: equal dumps must be equal bytes to be stored once.
  command.insert(command.end(), {"--skip-dump-date", "--max-allowed-packet=1G"});
  return command;
}

// `named`: the dump makes the databases and goes into each.
void add_databases(const MariadbServer& server, const std::vector<std::string>& databases,
                   bool named, std::vector<std::string>& command) {
  command.insert(command.end(), {"--single-transaction", "--quick", "--routines", "--triggers",
                                 "--events", "--hex-blob"});
  if (server.log_bin) command.insert(command.end(), {"--master-data=2", "--gtid"});
  if (server.dumps_history) command.emplace_back("--dump-history");
  if (named) command.emplace_back("--databases");
  // A name may begin with a dash.
  command.emplace_back("--");
  command.insert(command.end(), databases.begin(), databases.end());
}

// What follows `mark` up to `end`; empty when it is not there.
std::string_view between(std::string_view text, std::string_view mark, std::size_t at,
                         std::string_view end) {
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + mark.size());
  const std::size_t length = text.find(end);
  return length == std::string_view::npos ? std::string_view{} : text.substr(0, length);
}

constexpr std::string_view kInstall = "INSTALL PLUGIN ";
constexpr std::string_view kCompleted = "-- Dump completed";

// IF NOT EXISTS before the name.
std::string mended_install(std::string_view line) {
  constexpr std::string_view kMisplaced = " /*M!100401 IF NOT EXISTS */ SONAME ";
  std::string text(line);
  const std::size_t at = text.find(kMisplaced);
  if (at == std::string::npos) return text;
  text.replace(at, kMisplaced.size(), " SONAME ");
  return text.insert(kInstall.size(), "/*M!100401 IF NOT EXISTS */ ");
}

}  // namespace

std::vector<std::string> chosen_databases(const MariadbSettings& settings,
                                          MariadbConnection& connection) {
  const std::vector<std::string> known = mariadb_databases(connection);
  if (settings.databases.empty()) return known;
  for (const std::string& wanted : settings.databases) {
    if (std::find(known.begin(), known.end(), wanted) != known.end()) continue;
    const std::string near = nearest(wanted, known);
    throw Error(Code::kNotFound, fmt::format("the server has no database '{}'", printable(wanted)),
                near.empty() ? "check its name, and that the user may see it"
                             : fmt::format("did you mean '{}'?", near));
  }
  return settings.databases;
}

std::string include_history(MariadbConnection& connection, const MariadbSettings& settings,
                            const std::vector<std::string>& databases, MariadbServer& server,
                            std::stop_token stop) {
  const VersionedTables tables = versioned_tables(connection, databases);
  if (tables == VersionedTables::kNone) return {};
  const MariadbTool tool = find_mariadb_tool(settings, "mariadb-dump", std::move(stop));
  server.dumps_history = tables == VersionedTables::kByTime &&
                         connection.version() >= kFirstThatDumpsHistory &&
                         version_number(tool.version) >= kFirstThatDumpsHistory;
  if (server.dumps_history) return {};
  return "tables WITH SYSTEM VERSIONING are dumped as they are now, without their history: "
         "mariadb-dump has that from 10.11 on, and never of versions by transaction; use 'method: "
         "physical'";
}

MariadbDumpPlan plan_mariadb_archive(const MariadbSettings& settings, const MariadbServer& server,
                                     const std::vector<std::string>& databases) {
  MariadbDumpPlan plan{kDatabasesDump, dump_command(settings), server.log_bin};
  add_databases(server, databases, settings.databases.size() != 1, plan.command);
  return plan;
}

std::vector<MariadbDumpPlan> plan_mariadb_dumps(const MariadbSettings& settings,
                                                const MariadbServer& server,
                                                const std::vector<std::string>& databases) {
  std::vector<MariadbDumpPlan> plans;
  if (!databases.empty()) {
    MariadbDumpPlan all{kDatabasesDump, dump_command(settings), server.log_bin};
    add_databases(server, databases, true, all.command);
    plans.push_back(std::move(all));
  }
  MariadbDumpPlan users{kUsersDump, dump_command(settings), false};
  // Whoever restores must not lose his own account: existing users stay, and get their rights.
  users.command.insert(users.command.end(),
                       {"--system=users,plugins,udfs,servers", "--insert-ignore"});
  plans.push_back(std::move(users));
  return plans;
}

std::string mended_users_dump(const std::string& dump) {
  std::string text;
  std::string last;
  std::string_view left = dump;
  while (!left.empty()) {
    const std::size_t size = std::min(left.find('\n'), left.size() - 1) + 1;
    const std::string_view line = left.substr(0, size);
    left.remove_prefix(size);
    if (line.starts_with(kInstall)) {
      (line.find("password") == std::string_view::npos ? text : last) += mended_install(line);
    } else {
      if (line.starts_with(kCompleted)) text += last;
      text += line;
    }
  }
  return text;
}

ByteView SandboxLineFilter::pass(ByteView content) {
  if (over_) return content;
  held_.insert(held_.end(), content.begin(), content.end());
  const std::string_view text = as_text(held_);
  if (!kSandboxLine.starts_with(text.substr(0, kSandboxLine.size()))) {
    over_ = true;
    return held_;
  }
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return {};
  over_ = true;
  return ByteView(held_).subspan(end + 1);
}

ByteView SandboxLineFilter::finish() {
  if (over_) return {};
  over_ = true;
  return held_;
}

void MariadbDumpWatch::see(ByteView content) {
  const std::string_view text = as_text(content);
  if (head_.size() < kKept) head_ += text.substr(0, kKept - head_.size());
  tail_ += text;
  if (tail_.size() > 2 * kKept) tail_.erase(0, tail_.size() - kKept);
}

void MariadbDumpWatch::check_complete() const {
  const std::size_t at = tail_.rfind(kEnd);
  // Behind it comes a date at most.
  if (at != std::string::npos && tail_.find('\n', at + kEnd.size()) >= tail_.size() - 1) return;
  throw Error(Code::kInvalid, "the dump stops before its end",
              "nothing was stored as a backup; look at the server's log and run it again");
}

MariadbPosition MariadbDumpWatch::position() const {
  MariadbPosition position;
  // The first and the last: what tables and routines hold lies between them.
  const bool renamed = head_.find(kSourceFile) < head_.find(kLogFile);
  const std::string_view file_mark = renamed ? kSourceFile : kLogFile;
  const std::string_view offset_mark = renamed ? kSourceOffset : kLogOffset;
  const std::size_t file = head_.find(file_mark);
  position.file = between(head_, file_mark, file, offset_mark);
  if (position.file.empty()) return {};
  const std::string offset(between(head_, offset_mark, head_.find(offset_mark, file), ";"));
  position.offset = std::stoull(offset.empty() ? "0" : offset);
  position.gtid = between(tail_, kGtid, tail_.rfind(kGtid), "'");
  return position;
}

}  // namespace holdfast
