#include "cli/recover_list.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/archive_run.h"
#include "cli/backup_json.h"
#include "cli/span_text.h"

namespace holdfast {
namespace {

Json source_json(const RecoverableSource& source, Timestamp now) {
  Json json{{"class", source.backup_class},
            {"source", source.name},
            {"backups", source.backups.size()},
            {"oldest", iso_time(source.backups.front().time)},
            {"newest", iso_time(source.backups.back().time)},
            {"whole", source.whole},
            {"best", source.best ? summary_json(source.best->summary) : Json()},
            {"recovery_point", Json()},
            {"age_seconds", Json()},
            {"log", source.log ? span_json(*source.log) : Json()},
            {"not_whole", Json::array()}};
  if (source.best) {
    json["recovery_point"] = format_rfc3339(source.recovery_point(), true);
    json["age_seconds"] = seconds_of(now - source.recovery_point());
  }
  for (const PassedOver& passed : source.passed_over) {
    json["not_whole"].push_back({{"id", passed.backup.id()}, {"problem", passed.problem}});
  }
  return json;
}

std::vector<std::string> source_cells(const RecoverableSource& source, Timestamp now) {
  std::vector<std::string> cells{source.backup_class, source.name,
                                 format_count(source.backups.size()),
                                 minute_text(source.backups.front().time)};
  if (!source.best) {
    cells.insert(cells.end(), {"", "", "", "", "damaged", source.backups.back().id()});
    return cells;
  }
  const BackupSummary& best = source.best->summary;
  const Timestamp point = source.recovery_point();
  cells.insert(cells.end(),
               {second_text(point), format_duration(now - point), format_size(best.bytes),
                format_count(best.files), source.whole ? "all there" : "in parts", best.name.id()});
  return cells;
}

}  // namespace

std::string recoverable_text(const std::vector<RecoverableSource>& sources, Timestamp now) {
  Table table({"CLASS", "SOURCE", ">BACKUPS", "OLDEST (UTC)", "RECOVERY POINT", ">AGE", ">SIZE",
               ">FILES", "STATE", "BACKUP"});
  std::string trouble;
  for (const RecoverableSource& source : sources) {
    table.add(source_cells(source, now));
    if (source.log) trouble += span_trouble(*source.log);
  }
  return table.text() + trouble;
}

Json recoverable_json(const std::vector<RecoverableSource>& sources, Timestamp now) {
  Json rows = Json::array();
  for (const RecoverableSource& source : sources) rows.push_back(source_json(source, now));
  return rows;
}

std::string recoverable_text(const std::vector<RecoverableArchive>& archives, Timestamp now) {
  Table table({"CLASS", "SOURCE", ">ARCHIVES", "OLDEST (UTC)", "RECOVERY POINT", ">AGE", ">SIZE",
               "SEALED", "STATE", "ARCHIVE"});
  for (const RecoverableArchive& archive : archives) {
    const ArchiveName& name = archive.newest().name;
    table.add({name.archive_class, name.source, format_count(archive.archives.size()),
               minute_text(archive.archives.front().name.time), second_text(name.time),
               format_duration(now - name.time), format_size(archive.newest().size),
               name.sealed ? "yes" : "no",
               archive.superseded_by.empty() ? "comes back" : "the vault has it", name.file()});
  }
  return table.text();
}

Json recoverable_json(const std::vector<RecoverableArchive>& archives, Timestamp now) {
  Json rows = Json::array();
  for (const RecoverableArchive& archive : archives) {
    const ArchiveName& name = archive.newest().name;
    rows.push_back(
        {{"class", name.archive_class},
         {"source", name.source},
         {"archives", archive.archives.size()},
         {"oldest", iso_time(archive.archives.front().name.time)},
         {"newest", iso_time(name.time)},
         {"best", archive_json(archive.newest())},
         {"recovery_point", iso_time(name.time)},
         {"age_seconds", seconds_of(now - name.time)},
         {"superseded_by", archive.superseded_by.empty() ? Json() : Json(archive.superseded_by)}});
  }
  return rows;
}

std::string shell_word(const std::string& word) {
  // Letters that no shell looks at; the rest goes into quotes.
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("/._-+=:@%,").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace holdfast
