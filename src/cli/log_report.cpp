#include "cli/log_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/backup_json.h"

namespace holdfast {
namespace {

std::string stream_text(const LogStreamPlan& stream) {
  std::string text =
      fmt::format("  {} ({}): {} kept, {}", printable(stream.source), printable(stream.stream),
                  plural(stream.kept_objects, "file"), format_size(stream.kept_bytes));
  if (!stream.past.empty()) {
    text += fmt::format("; {} before what backups need, from {} to {}",
                        format_count(stream.past.size()), printable(stream.past.front().name.file),
                        printable(stream.past.back().name.file));
  }
  if (!stream.replaced.empty()) {
    text += fmt::format("; {} replaced by whole files", plural(stream.replaced.size(), "piece"));
  }
  if (!stream.left.empty()) {
    text += fmt::format("; {} that no backup leads to", format_count(stream.left.size()));
  }
  if (stream.unknown_objects > 0) {
    text +=
        fmt::format("; {} of an unknown kind, never removed", format_count(stream.unknown_objects));
  }
  return text + "\n";
}

Json files_json(const std::vector<LogRemoval>& removals) {
  Json files = Json::array();
  for (const LogRemoval& removal : removals) files.push_back(removal.name.key());
  return files;
}

Json stream_json(const LogStreamPlan& stream) {
  return {{"source", stream.source},
          {"stream", stream.stream},
          {"past", files_json(stream.past)},
          {"replaced", files_json(stream.replaced)},
          {"left", files_json(stream.left)},
          {"kept_objects", stream.kept_objects},
          {"kept_bytes", stream.kept_bytes},
          {"young_objects", stream.young_objects},
          {"unknown_objects", stream.unknown_objects}};
}

}  // namespace

std::string log_retention_text(const LogRetentionResult& r, bool dry_run) {
  if (r.streams.empty()) return {};
  std::string text = fmt::format("log: {}{} removed, {}\n", dry_run ? "would be: " : "",
                                 plural(r.removed_objects, "file"), format_size(r.removed_bytes));
  for (const LogStreamPlan& stream : r.streams) text += stream_text(stream);
  if (r.locked_objects > 0) {
    text += fmt::format("  {} in {} cannot go yet: locked, the first until {}, the last until {}\n",
                        format_size(r.locked_bytes), plural(r.locked_objects, "file"),
                        iso_time(*r.lock_first_ends), iso_time(*r.lock_last_ends));
  }
  for (const std::string& who : r.waiting_for) {
    text += "  nothing was removed because of: " + printable(who) + "\n";
  }
  return text;
}

Json log_retention_json(const LogRetentionResult& r) {
  Json streams = Json::array();
  for (const LogStreamPlan& stream : r.streams) streams.push_back(stream_json(stream));
  return {{"removed_objects", r.removed_objects},
          {"removed_bytes", r.removed_bytes},
          {"locked_objects", r.locked_objects},
          {"locked_bytes", r.locked_bytes},
          {"lock_first_ends", time_json(r.lock_first_ends)},
          {"lock_last_ends", time_json(r.lock_last_ends)},
          {"waiting_for", r.waiting_for},
          {"streams", streams}};
}

}  // namespace holdfast
