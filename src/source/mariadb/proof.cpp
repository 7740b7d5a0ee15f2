#include "source/mariadb/proof.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "os/file.h"
#include "os/process.h"
#include "source/mariadb/physical.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnsupportedCheck = "doesn't support check";

struct TableName {
  std::string database;
  std::string table;
};

std::vector<TableName> tables_of(MariadbConnection& connection) {
  std::vector<TableName> tables;
  for (const MariadbRow& row : connection.query(
           "SELECT table_schema, table_name FROM information_schema.tables "
           "WHERE table_type NOT IN ('VIEW', 'SYSTEM VIEW', 'SEQUENCE', 'TEMPORARY') AND "
           "table_schema NOT IN ('information_schema', 'performance_schema') ORDER BY 1, 2")) {
    tables.push_back({row[0].value_or(""), row[1].value_or("")});
  }
  return tables;
}

// What the server says against a table; "" when nothing. Columns: Table, Op, Msg_type, Msg_text.
std::string complaint_of(const std::vector<MariadbRow>& answer) {
  std::string complaint;
  bool good = false;
  for (const MariadbRow& row : answer) {
    const std::string kind = row.at(2).value_or("");
    const std::string text = row.at(3).value_or("");
    if ((kind == "status" && text == "OK") || text.find(kUnsupportedCheck) != std::string::npos) {
      good = true;
    } else if (kind == "error" || kind == "warning" || kind == "status") {
      complaint += (complaint.empty() ? "" : "; ") + text;
    }
    if (kind == "error") good = false;
  }
  // A warning with OK behind it: a table of old kind that was open while it was copied.
  return good ? "" : complaint.empty() ? "no answer" : printable(complaint);
}

std::string check_table(MariadbConnection& connection, const TableName& table) {
  try {
    return complaint_of(connection.query("CHECK TABLE " + mariadb_identifier(table.database) + "." +
                                         mariadb_identifier(table.table) + " EXTENDED"));
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled || error.code() == Code::kUnavailable ||
        error.code() == Code::kExhausted) {
      throw;
    }
    return error.message();
  }
}

bool is_tablespace(const std::string& path) {
  const std::string_view name = base_name(path);
  return name.ends_with(".ibd") || name == "ibdata1" ||
         (name.starts_with("undo") && name.size() == 7);
}

// The size of InnoDB's pages; of every file of a server.
std::uint64_t page_size_of(const std::string& directory) {
  constexpr std::uint64_t kDefault = 16384;
  constexpr std::string_view kKey = "innodb_page_size=";
  const std::string file = directory + "/backup-my.cnf";
  if (!path_exists(file)) return kDefault;
  const std::string text(as_text(read_file(file)));
  const std::size_t at = text.find(kKey);
  return at == std::string::npos ? kDefault : std::stoull(text.substr(at + kKey.size()));
}

// What to check of a file, as options. Extents 1 and 2 of the system's one are the doublewrite
// buffer: copies of pages of other files, whose checksums may be of another kind.
std::vector<std::vector<std::string>> ranges_of(const std::string& path, std::uint64_t page_size) {
  if (base_name(path) != "ibdata1") return {{}};
  constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;
  constexpr std::uint64_t kLeastPages = 64;
  const std::uint64_t extent = std::max(kMegabyte / page_size, kLeastPages);
  std::vector<std::vector<std::string>> ranges = {{"--end-page=" + std::to_string(extent - 1)}};
  if (fs::file_size(path) > 3 * extent * page_size) {
    ranges.push_back({"--start-page=" + std::to_string(3 * extent)});
  }
  return ranges;
}

// What is wrong with the pages of a file; "" when nothing.
std::string bad_pages(const MariadbSettings& settings, const std::string& path,
                      const std::vector<std::string>& range, const std::stop_token& stop) {
  ProcessOptions options;
  options.argv = {mariadb_program(settings, "innochecksum")};
  options.argv.insert(options.argv.end(), range.begin(), range.end());
  options.argv.push_back(path);
  const ProcessResult result = run_process(options, stop);
  if (result.stopped) throw Error(Code::kCancelled, "interrupted");
  if (result.exit_code == 0) return {};
  std::string said = result.error_output + result.output;
  while (said.ends_with('\n')) said.pop_back();
  std::replace(said.begin(), said.end(), '\n', ' ');
  return said.empty() ? "innochecksum ended with " + std::to_string(result.exit_code) : said;
}

// An executable `name` in the directories of PATH, as execvp would find it.
bool is_in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view left = path == nullptr ? "/usr/bin:/bin" : path;
  while (!left.empty()) {
    const std::size_t end = std::min(left.find(':'), left.size());
    if (path_exists(std::string(left.substr(0, end)) + "/" + name)) return true;
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return false;
}

}  // namespace

std::string mariadb_identifier(const std::string& name) {
  std::string quoted = "`";
  for (const char c : name) quoted += c == '`' ? "``" : std::string(1, c);
  return quoted + "`";
}

MariadbFindings check_mariadb_tables(const MariadbSandbox& sandbox) {
  MariadbFindings findings;
  std::string at = "the server";
  try {
    MariadbConnection connection = sandbox.connect();
    for (const TableName& table : tables_of(connection)) {
      at = printable(table.database + "." + table.table);
      const std::string complaint = check_table(connection, table);
      if (!complaint.empty()) findings.bad.push_back(at + ": " + complaint);
      ++findings.looked_at;
    }
  } catch (const Error& error) {
    if (error.code() != Code::kUnavailable) throw;
    try {
      sandbox.require_alive(true);
      throw;
    } catch (const Error& end) {
      // It falls over a page that it cannot do without.
      if (end.code() != Code::kCorrupt) throw;
      findings.bad.push_back(at + ": " + end.message());
    }
  }
  return findings;
}

bool has_innochecksum(const MariadbSettings& settings) {
  const std::string tool = mariadb_program(settings, "innochecksum");
  return tool.find('/') == std::string::npos ? is_in_path(tool) : path_exists(tool);
}

MariadbFindings check_mariadb_pages(const MariadbSettings& settings, const std::string& directory,
                                    std::stop_token stop, MariadbPages pages) {
  MariadbFindings findings;
  const std::uint64_t page_size = page_size_of(directory);
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string path = entry.path().string();
    if (!entry.is_regular_file() || !is_tablespace(path)) continue;
    if (pages == MariadbPages::kOfInnodb && path.ends_with(".ibd")) continue;
    ++findings.looked_at;
    for (const std::vector<std::string>& range : ranges_of(path, page_size)) {
      const std::string bad = bad_pages(settings, path, range, stop);
      if (bad.empty()) continue;
      findings.bad.push_back(
          printable(fs::path(path).lexically_relative(directory).string() + ": " + bad));
    }
  }
  return findings;
}

MariadbPosition innodb_position(const std::string& directory) {
  const std::string file = directory + "/xtrabackup_binlog_pos_innodb";
  if (!path_exists(file)) return {};
  const Bytes content = read_file(file);
  return content.empty() ? MariadbPosition{} : parse_position_file(as_text(content));
}

}  // namespace holdfast
