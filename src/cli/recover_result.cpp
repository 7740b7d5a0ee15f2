#include "cli/recover_result.h"

#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/backup_json.h"

namespace holdfast {
namespace {

std::string result_word(const Recovery& recovery) {
  if (recovery.error) return recovery.restored ? "damaged" : "failed";
  if (recovery.done_before) return "back since before";
  if (recovery.job.dry_run) return "would be restored";
  return recovery.restored->warning_count > 0 ? "back, with warnings" : "back";
}

}  // namespace

std::vector<std::string> recovery_cells(const Recovery& recovery, Timestamp now) {
  const RestoreResult result = recovery.restored ? recovery.restored->result : RestoreResult{};
  return {recovery.source->backup_class,    recovery.source->name,
          recovery.job.backup.id(),         format_duration(now - recovery.point),
          format_size(result.bytes),        format_count(result.files),
          format_duration(result.duration), result_word(recovery)};
}

Json recovery_json(const Recovery& recovery, Timestamp now) {
  Json json{{"class", recovery.source->backup_class},
            {"source", recovery.source->name},
            {"result", result_word(recovery)},
            {"recovery_point", iso_time(recovery.point)},
            {"recovery_point_age_seconds", seconds_of(now - recovery.point)}};
  if (recovery.restored) {
    json.update(restored_json(recovery.job, *recovery.restored));
  } else {
    json["backup"] = recovery.job.backup.id();
    set_path(json, "target", recovery.job.target);
  }
  if (recovery.error) json["error"] = error_json(*recovery.error);
  return json;
}

int worse(int code, int other) {
  const bool failed = code != kExitSuccess && code != kExitWarnings;
  return failed || other == kExitSuccess ? code : other;
}

}  // namespace holdfast
