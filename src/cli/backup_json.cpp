#include "cli/backup_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/human.h"
#include "source/mariadb/engine.h"

namespace holdfast {

namespace {

bool is_postgres(const DatabaseFacts& facts) { return facts.engine == "postgresql"; }

Json known(const std::string& text) { return text.empty() ? Json() : Json(text); }

// "binlog.000002:988" as file and position.
Json binlog_json(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return {};
  return {{"file", text.substr(0, colon)}, {"position", std::stoull(text.substr(colon + 1))}};
}

std::string part(std::string_view before, const std::string& text, std::string_view behind = "") {
  return text.empty() ? "" : fmt::format(", {}{}{}", before, text, behind);
}

}  // namespace

std::string iso_time(Timestamp time) { return format_rfc3339(time); }

Json time_json(const std::optional<Timestamp>& time) {
  return time ? Json(iso_time(*time)) : Json();
}

double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

Json name_json(const BackupName& name) {
  return {{"id", name.id()},
          {"class", name.backup_class},
          {"source", name.source},
          {"time", iso_time(name.time)}};
}

Json summary_json(const BackupSummary& s) {
  Json json = name_json(s.name);
  json["host"] = s.host;
  json["program"] = s.program;
  json["started"] = iso_time(s.started);
  json["finished"] = iso_time(s.finished);
  json["consistent"] = iso_time(s.consistent);
  json["files"] = s.files;
  json["directories"] = s.directories;
  json["others"] = s.others;
  json["bytes"] = s.bytes;
  json["added_raw_bytes"] = s.added_raw_bytes;
  json["added_bytes"] = s.added_bytes;
  json["duration_seconds"] = std::chrono::duration<double>(s.finished - s.started).count();
  json["warnings"] = s.warnings;
  json["database"] = database_json(s);
  if (const std::uint64_t pages = damaged_pages(s); pages > 0) json["damaged_pages"] = pages;
  return json;
}

Json database_json(const BackupSummary& s) {
  if (!s.database) return {};
  const DatabaseFacts& facts = *s.database;
  Json json{{"engine", facts.engine}, {"version", facts.version}, {"method", facts.method}};
  if (is_postgres(facts)) {
    json["system_identifier"] = known(facts.system);
    json["timeline"] = facts.timeline == 0 ? Json() : Json(facts.timeline);
    json["start_lsn"] = known(facts.start);
    json["stop_lsn"] = known(facts.stop);
  } else {
    json["server_uid"] = known(facts.system);
    json["binlog"] = binlog_json(facts.start);
    json["gtid"] = known(facts.stop);
    json["settings"] = facts.settings.empty() ? Json() : Json(facts.settings);
    json["data_directory"] = known(facts.data_directory);
  }
  return json;
}

std::string database_text(const BackupSummary& s) {
  if (!s.database) return {};
  const DatabaseFacts& facts = *s.database;
  const bool postgres = is_postgres(facts);
  std::string text =
      fmt::format("{} {}, {}", postgres ? "PostgreSQL" : engine_title(engine_of_key(facts.engine)),
                  facts.version, facts.method) +
      part(postgres ? "system " : "server ", facts.system);
  if (!postgres) return text + part("binary log ", facts.start) + part("GTID ", facts.stop);
  if (facts.timeline != 0) text += part("timeline ", std::to_string(facts.timeline));
  return text + part("LSN ", facts.start, " to " + facts.stop);
}

std::uint64_t damaged_pages(const BackupSummary& s) {
  return s.database ? s.database->damaged_pages : 0;
}

std::string content_text(const BackupSummary& s) {
  std::string text = plural(s.files, "file") + ", ";
  text += s.directories == 1 ? "1 directory" : format_count(s.directories) + " directories";
  if (s.others > 0) text += fmt::format(", {}", plural(s.others, "other"));
  text += ", " + format_size(s.bytes);
  if (damaged_pages(s) > 0) text += ", " + plural(damaged_pages(s), "damaged page");
  return text;
}

std::string sockets_text(std::uint64_t sockets) {
  return sockets == 0 ? "" : "; " + plural(sockets, "socket") + " left out";
}

}  // namespace holdfast
