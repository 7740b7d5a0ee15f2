#include "cli/backup_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/human.h"

namespace holdfast {

std::string iso_time(Timestamp time) { return format_rfc3339(time); }

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
  if (const std::uint64_t pages = damaged_pages(s); pages > 0) json["damaged_pages"] = pages;
  return json;
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
