#include "source/mariadb/server_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "source/mariadb/binlog_stream.h"
#include "source/mariadb/mysql_gtid.h"

namespace holdfast {
namespace {

constexpr int kLooked = 200;  // events

bool is_mysql(const MariadbConnection& connection) {
  return connection.engine() == MariadbEngine::kMysql;
}

// Nothing where no event ends.
std::optional<GtidPosition> mariadb_position_at(MariadbConnection& connection,
                                                const std::string& file, std::uint64_t offset) {
  const std::vector<MariadbRow> rows = connection.query(
      fmt::format("SELECT BINLOG_GTID_POS({}, {})", connection.quoted(file), offset));
  if (rows.empty() || !rows[0].at(0)) return std::nullopt;
  return GtidPosition(*rows[0][0]);
}

bool mariadb_goes_on_at(MariadbConnection& connection, const std::string& file,
                        const BinlogState& state) {
  const auto position = mariadb_position_at(connection, file, state.offset);
  GtidPosition expected = state.position;
  if (state.open) expected.advance(state.open->gtid);
  return position && *position == expected;
}

// Nothing when no event begins there.
std::optional<std::vector<MariadbRow>> mysql_events_from(MariadbConnection& connection,
                                                         const std::string& file,
                                                         std::uint64_t offset) {
  try {
    return connection.query(fmt::format("SHOW BINLOG EVENTS IN {} FROM {} LIMIT {}",
                                        connection.quoted(file), offset, kLooked));
  } catch (const Error& error) {
    if (error.code() != Code::kInvalid) throw;
    return std::nullopt;
  }
}

// The next transaction must be one that the reader has not.
bool mysql_goes_on_at(MariadbConnection& connection, const std::string& file,
                      const BinlogState& state) {
  const auto events = mysql_events_from(connection, file, state.offset);
  if (!events) return false;
  for (const MariadbRow& event : *events) {
    const std::string gtid = next_gtid_of(event);
    if (!gtid.empty()) return !state.position.contains(parse_gtid(gtid));
  }
  const std::string missing =
      connection.value("SELECT GTID_SUBTRACT(" + connection.quoted(state.position.text()) +
                       ", @@GLOBAL.gtid_executed)");
  if (missing.empty() || !events->empty()) return true;
  // A replica that it waits for holds up commits that are in its log already.
  throw Error(Code::kUnavailable,
              "the server has not committed " + missing + ", which the vault has, yet");
}

}  // namespace

GtidPosition log_position_before(MariadbConnection& connection, const std::string& file) {
  constexpr std::uint64_t kBegin = kBinlogMagic.size();
  if (!is_mysql(connection)) {
    return mariadb_position_at(connection, file, kBegin).value_or(GtidPosition{});
  }
  const auto events =
      mysql_events_from(connection, file, kBegin).value_or(std::vector<MariadbRow>{});
  for (const MariadbRow& event : events) {
    if (event.at(2) == kMysqlPreviousGtids) return GtidPosition(event.at(5).value_or(""));
  }
  return {};
}

bool log_goes_on_at(MariadbConnection& connection, const std::string& file,
                    const BinlogState& state) {
  return is_mysql(connection) ? mysql_goes_on_at(connection, file, state)
                              : mariadb_goes_on_at(connection, file, state);
}

bool log_lacks_gtids(MariadbConnection& connection, const std::string& file, std::uint64_t offset) {
  if (!is_mysql(connection)) return false;
  const auto events = mysql_events_from(connection, file, offset);
  return events && std::any_of(events->begin(), events->end(), [](const MariadbRow& event) {
           return event.at(2) == kMysqlAnonymous;
         });
}

bool log_goes_on_from(const MariadbSettings& settings, const GtidPosition& position,
                      std::uint32_t server_id, const std::stop_token& stop) {
  MariadbConnection connection(settings, stop);
  if (is_mysql(connection)) {
    const std::string set = connection.quoted(position.text());
    return connection.value("SELECT GTID_SUBSET(" + set +
                            ", @@GLOBAL.gtid_executed) AND GTID_SUBSET(@@GLOBAL.gtid_purged, " +
                            set + ")") == "1";
  }
  try {
    require_binlog_from(connection, position, server_id, stop);
    return true;
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return false;
    throw;
  }
}

}  // namespace holdfast
