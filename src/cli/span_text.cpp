#include "cli/span_text.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/backup_json.h"

namespace holdfast {
namespace {

Json branch_json(const LogBranch& branch) {
  const auto& last = branch.last_commit;
  return {{"timeline", branch.timeline},
          {"from_lsn", format_lsn(branch.begin)},
          {"to", last ? Json(format_rfc3339(last->time, true)) : Json()},
          {"reachable", branch.reachable}};
}

}  // namespace

std::string span_trouble(const LogSpan& span) {
  // Nothing can be done about the end of an older one.
  if (!span.newest) {
    return span.gap.empty()
               ? std::string()
               : fmt::format("{}: there the log was interrupted, at {}\n", span.source, span.gap);
  }
  if (span.alone) {
    return fmt::format(
        "{}: no moment after the newest backup, of {}, can be recovered: the log does NOT lead on "
        "from it, {} is missing: back up now (holdfast backup database {})\n",
        span.source, iso_time(span.from), span.missing, span.source);
  }
  std::string line;
  if (span.stopped) {
    line += fmt::format("{}: the log ENDS before the newest backup: is {} at work?\n", span.source,
                        span.engine == "postgresql" ? "holdfast stream, or the archive_command,"
                                                    : "holdfast stream");
  }
  if (!span.gap.empty()) {
    line += fmt::format(
        "{}: the log is INTERRUPTED at {}: back up now (holdfast backup database {}), then see "
        "where its files went\n",
        span.source, span.gap, span.source);
  }
  if (!span.others.empty()) {
    line += fmt::format("{}: recoveries end on timeline {}{}\n", span.source, span.timeline,
                        branches_text(span.others));
  }
  if (!span.level_drop.empty()) {
    line += fmt::format(
        "{}: at {} the server went on with wal_level = minimal, and log behind that CANNOT be "
        "replayed: set wal_level = replica, then back up (holdfast backup database {})\n",
        span.source, span.level_drop, span.source);
  }
  return line;
}

std::string span_text(const LogSpan& span) {
  if (span.alone) return span_trouble(span);
  const std::string to = span.to ? format_rfc3339(*span.to) : iso_time(span.newest_backup);
  return fmt::format("{}: every moment from {} to {} can be recovered (log to {})\n", span.source,
                     iso_time(span.from), to, span.end) +
         span_trouble(span);
}

Json span_json(const LogSpan& span) {
  const bool postgresql = span.engine == "postgresql";
  Json json{{"source", span.source}, {"engine", span.engine}, {"from", iso_time(span.from)}};
  json[postgresql ? "end_lsn" : "end_gtid"] = span.end;
  json["to"] = span.to ? Json(format_rfc3339(*span.to, true)) : Json();
  json["newest"] = span.newest;
  json["stopped"] = span.stopped;
  json[postgresql ? "gap_lsn" : "gap"] = span.gap.empty() ? Json() : Json(span.gap);
  if (postgresql) {
    json["missing_segment"] = span.missing.empty() ? Json() : Json(span.missing);
    json["wal_level_minimal_lsn"] = span.level_drop.empty() ? Json() : Json(span.level_drop);
    json["timeline"] = span.timeline;
    json["other_timelines"] = Json::array();
    for (const LogBranch& branch : span.others) {
      json["other_timelines"].push_back(branch_json(branch));
    }
  }
  return json;
}

}  // namespace holdfast
