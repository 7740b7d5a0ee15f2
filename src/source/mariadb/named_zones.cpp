#include "source/mariadb/named_zones.h"

#include <array>
#include <string_view>

namespace holdfast {
namespace {

constexpr std::size_t kRowsOfStatement = 1000;

struct ZoneTable {
  const char* name;
  const char* columns;
  const char* key;
};

// The same in all versions of MariaDB and MySQL.
constexpr std::array<ZoneTable, 5> kZoneTables = {
    {{"time_zone", "Time_zone_id, Use_leap_seconds", "1"},
     {"time_zone_name", "Name, Time_zone_id", "1"},
     {"time_zone_transition", "Time_zone_id, Transition_time, Transition_type_id", "1, 2"},
     {"time_zone_transition_type",
      "Time_zone_id, Transition_type_id, `Offset`, Is_DST, Abbreviation", "1, 2"},
     {"time_zone_leap_second", "Transition_time, Correction", "1"}}};

std::string row_text(const MariadbConnection& connection, const MariadbRow& row) {
  std::string text = "(";
  for (const auto& value : row) {
    if (text.size() > 1) text += ',';
    text += connection.quoted(value.value_or(""));
  }
  return text + ')';
}

std::string table_text(MariadbConnection& connection, const ZoneTable& table) {
  const std::string columns = table.columns;
  const std::string name = std::string("mysql.") + table.name;
  const auto rows =
      connection.query("SELECT " + columns + " FROM " + name + " ORDER BY " + table.key);
  std::string text = "TRUNCATE TABLE " + name + ";\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool begins = i % kRowsOfStatement == 0;
    const bool ends = i + 1 == rows.size() || (i + 1) % kRowsOfStatement == 0;
    if (begins) text += "INSERT INTO " + name + " (" + columns + ") VALUES\n";
    text += row_text(connection, rows[i]) + (ends ? ";\n" : ",");
  }
  return text;
}

}  // namespace

bool has_named_zones(MariadbConnection& connection) {
  bool found = false;
  for (const ZoneTable& table : kZoneTables) {
    const bool filled =
        !connection.query(std::string("SELECT 1 FROM mysql.") + table.name + " LIMIT 1").empty();
    found = found || (filled && table.name == std::string_view("time_zone_name"));
  }
  return found;
}

std::string named_zones_dump(MariadbConnection& connection) {
  std::string text = "-- Time zones by Holdfast\n\nSET NAMES utf8mb4;\n";
  for (const ZoneTable& table : kZoneTables) text += table_text(connection, table);
  return text + "-- Dump completed\n";
}

}  // namespace holdfast
