#include "source/mariadb/mysql_gtid.h"

#include <string_view>
#include <vector>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kFirstEvent = 4;  // bytes
constexpr std::size_t kAtOnce = 1000;     // events
constexpr std::size_t kMostQueries = 50;
constexpr std::string_view kNext = "SET @@SESSION.GTID_NEXT= '";
constexpr std::string_view kAutomatic = "AUTOMATIC";
constexpr std::string_view kAnonymous = "ANONYMOUS";

// Adds what an event says to `set`.
void add_event(const MariadbRow& row, std::string& set) {
  const std::string gtids =
      row.at(2) == kMysqlPreviousGtids ? row.at(5).value_or("") : next_gtid_of(row);
  if (!gtids.empty()) set += (set.empty() ? "" : ",") + gtids;
}

// The set without what comes twice.
std::string united(MariadbConnection& connection, const std::string& set) {
  std::string text = connection.value("SELECT GTID_SUBTRACT(" + connection.quoted(set) + ", '')");
  std::erase(text, '\n');
  return text;
}

std::string walk(MariadbConnection& connection, const MariadbPosition& before,
                 const MariadbPosition& at) {
  const bool same = before.file == at.file;
  std::string set = same ? before.gtid : "";
  std::uint64_t next = same ? before.offset : kFirstEvent;
  for (std::size_t i = 0; next < at.offset; ++i) {
    if (i == kMostQueries) return {};
    const std::vector<MariadbRow> rows =
        connection.query("SHOW BINLOG EVENTS IN " + connection.quoted(at.file) + " FROM " +
                         std::to_string(next) + " LIMIT " + std::to_string(kAtOnce));
    if (rows.empty()) return {};
    for (const MariadbRow& row : rows) {
      if (next >= at.offset) break;
      add_event(row, set);
      next = std::stoull(row.at(4).value_or("0"));
    }
  }
  return set.empty() ? set : united(connection, set);
}

}  // namespace

std::string next_gtid_of(const MariadbRow& event) {
  const std::string info = event.at(5).value_or("");
  if (!info.starts_with(kNext)) return {};
  std::string gtid = info.substr(kNext.size(), info.find('\'', kNext.size()) - kNext.size());
  if (gtid == kAnonymous || gtid == kAutomatic) gtid.clear();
  return gtid;
}

std::string mysql_gtid_at(const MariadbSettings& settings, const MariadbPosition& before,
                          const MariadbPosition& at, const std::stop_token& stop) {
  if (before.file.empty() || at.file.empty()) return {};
  try {
    MariadbConnection connection(settings, stop);
    return walk(connection, before, at);
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    return {};
  }
}

}  // namespace holdfast
