#include "cli/region_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/backup_json.h"
#include "cli/session.h"
#include "store/s3/client.h"
#include "store/s3/replication.h"
#include "store/s3/s3_store.h"

namespace holdfast {
namespace {

// A report is of now: a store that does not answer soon is away.
constexpr Duration kPatience = std::chrono::seconds{10};

OpenStoreOptions impatient(OpenStoreOptions options) {
  options.read_only = true;
  options.s3.retry_for = std::min(options.s3.retry_for, kPatience);
  return options;
}

S3Client client_of(const std::string& url, const OpenStoreOptions& options) {
  return {parse_s3_url(url).bucket, options.s3, *options.clock, options.stop};
}

std::string region_of(const CopySettings& copy, const OpenStoreOptions& options) {
  if (!copy.region.empty() || !is_s3_url(copy.url)) return copy.region;
  return resolve_place(options.s3, process_environment()).region;
}

std::string rule_text(const ReplicationRule& rule) {
  return fmt::format("rule {} ({}{}{}) to {}", printable(rule.id),
                     rule.enabled ? "enabled" : "disabled",
                     rule.prefix.empty() ? "" : ", below " + printable(rule.prefix),
                     rule.delete_markers ? "" : ", without deletions", printable(rule.destination));
}

// What the primary's bucket says of itself. Whole zones replicate without any rule.
std::string replication_note(const std::string& url, const OpenStoreOptions& options) {
  if (!is_s3_url(url)) return "the primary is no bucket, so it has no replication rules";
  try {
    S3Client client = client_of(url, options);
    const auto answer = bucket_replication(client);
    const auto read = [&] { return parse_replication(as_text(answer->body)).rules; };
    const auto rules = answer ? reading(*answer, read) : std::vector<ReplicationRule>{};
    if (rules.empty()) {
      return "the primary's bucket has no replication rule: either the store replicates whole "
             "zones "
             "(Ceph multisite), or nothing does; what arrived is what counts";
    }
    std::string text = "the primary's bucket has ";
    for (const ReplicationRule& rule : rules) {
      text += (&rule == &rules.front() ? "" : "; ") + rule_text(rule);
    }
    return text;
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    return "its replication rules cannot be read: " + error.message();
  }
}

class Measurement {
 public:
  explicit Measurement(Context& context) : context_(context) {}

  RegionReports run(const std::vector<CopyPlace>& copies) {
    reports_.now = context_.clock.now();
    measure_primary();
    for (const CopyPlace& copy : copies) measure_copy(copy);
    return std::move(reports_);
  }

 private:
  void measure_primary();
  void measure_copy(const CopyPlace& copy);

  template <typename Ask>
  static void ask(RegionReport& report, const Ask& question) {
    try {
      report.status = question();
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      report.error = error;
    }
  }

  Context& context_;
  std::string url_;
  OpenStoreOptions options_;
  std::optional<VaultListing> primary_;
  RegionReports reports_;
};

void Measurement::measure_primary() {
  url_ = vault_url(context_);
  options_ = impatient(store_options(context_, url_));
  CopySettings place;
  place.url = url_;
  RegionReport report{"primary", region_of(place, options_), url_, "backups", {}, {}, {}};
  ask(report, [&] {
    const auto store = open_store(url_, options_);
    primary_ = list_vault(*store);
    if (is_s3_url(url_)) {
      S3Client client = client_of(url_, options_);
      reports_.now = store_clock(client);
    }
    ReplicaStatus status;
    status.content = content_of(*primary_);
    return status;
  });
  reports_.regions.push_back(std::move(report));
}

void Measurement::measure_copy(const CopyPlace& copy) {
  const CopySettings& settings = copy.settings;
  const OpenStoreOptions options = impatient(copy.options);
  RegionReport report{settings.name,
                      region_of(settings, options),
                      settings.url,
                      settings.provider_replicates ? "provider" : "holdfast",
                      {},
                      {},
                      {}};
  ask(report, [&] {
    const auto store = open_store(settings.url, options);
    return primary_ ? measure_replica(*primary_, *store, reports_.now)
                    : measure_replica_alone(*store);
  });
  if (settings.provider_replicates && primary_) report.note = replication_note(url_, options_);
  reports_.regions.push_back(std::move(report));
}

// The tightest of the class's sources, or what the class has by itself.
Duration rpo_of_class(Context& context, const std::string& backup_class) {
  SourceSettings any;
  any.backup_class = backup_class;
  std::optional<Duration> rpo;
  for (const SourceSettings& source : context.settings().sources) {
    if (source.backup_class != backup_class) continue;
    rpo = std::min(rpo.value_or(rpo_of(source)), rpo_of(source));
  }
  return rpo.value_or(rpo_of(any));
}

// Backups may be dated by a clock that is ahead.
Duration age_of(const BackupName& backup, Timestamp now) {
  return std::max(Duration{}, now - backup.time);
}

std::vector<std::string> place_cells(const RegionReport& report) {
  std::vector<std::string> cells{report.name, report.region, report.filled_by};
  if (!report.status) {
    cells.insert(cells.end(), {"", "", "", "", "", "not reachable", report.url});
    return cells;
  }
  const ReplicaStatus& s = *report.status;
  cells.push_back(format_count(s.content.backups));
  cells.push_back(format_count(s.content.objects));
  cells.push_back(format_size(s.content.bytes));
  if (report.name == "primary") {
    cells.insert(cells.end(), {"", "", "reachable"});
  } else if (!s.compared) {
    cells.insert(cells.end(), {"?", "?", "not compared"});
  } else {
    cells.push_back(
        fmt::format("{} ({})", format_count(s.missing_objects), format_size(s.missing_bytes)));
    cells.push_back(s.late_backups == 0 ? "0s" : format_duration(s.lag));
    cells.push_back(s.late_backups == 0 ? "has every backup"
                                        : plural(s.late_backups, "backup") + " on the way");
  }
  cells.push_back(report.url);
  return cells;
}

Json point_json(Context& context, const BackupName& backup, Timestamp now) {
  const Duration age = age_of(backup, now);
  const Duration rpo = rpo_of_class(context, backup.backup_class);
  Json json = name_json(backup);
  json["age_seconds"] = seconds_of(age);
  json["rpo_seconds"] = seconds_of(rpo);
  json["within_rpo"] = age <= rpo;
  return json;
}

Json report_json(Context& context, const RegionReport& report, Timestamp now) {
  Json json{{"name", report.name},
            {"region", report.region.empty() ? Json() : Json(report.region)},
            {"url", report.url},
            {"filled_by", report.filled_by},
            {"reachable", report.status.has_value()}};
  if (!report.note.empty()) json["replication"] = report.note;
  if (report.error) json["error"] = error_json(*report.error);
  if (!report.status) return json;
  const ReplicaStatus& s = *report.status;
  json["backups"] = s.content.backups;
  json["objects"] = s.content.objects;
  json["bytes"] = s.content.bytes;
  json["log_objects"] = s.content.log_objects;
  json["log_bytes"] = s.content.log_bytes;
  if (report.name != "primary") json["compared"] = s.compared;
  if (s.compared) {
    json["missing_objects"] = s.missing_objects;
    json["lag_bytes"] = s.missing_bytes;
    json["lag_seconds"] = seconds_of(s.lag);
    json["late_backups"] = s.late_backups;
    json["extra_backups"] = s.extra_backups;
    json["late_log_objects"] = s.late_log_objects;
    json["log_lag_seconds"] = seconds_of(s.log_lag);
  }
  json["recovery_points"] = Json::object();
  for (const auto& [backup_class, backup] : s.content.recovery_points) {
    json["recovery_points"][backup_class] = point_json(context, backup, now);
  }
  return json;
}

void add_notes(const RegionReport& report, std::string& text) {
  if (!report.note.empty()) text += fmt::format("{}: {}\n", report.name, report.note);
  if (!report.status || report.name == "primary") return;
  if (!report.status->compared) {
    text += fmt::format(
        "{}: the primary is away, so nobody knows whether its newest backups have "
        "arrived in full; holdfast recover --from {} looks\n",
        report.name, report.url);
  }
  if (report.status->late_log_objects > 0) {
    text += fmt::format("{}: {} of databases' logs on the way, the oldest stored {} ago\n",
                        report.name, plural(report.status->late_log_objects, "file"),
                        format_duration(report.status->log_lag));
  }
  if (report.status->extra_backups > 0) {
    text += fmt::format("{}: has {} that the primary has no longer\n", report.name,
                        plural(report.status->extra_backups, "backup"));
  }
}

}  // namespace

bool RegionReports::complete() const {
  return std::all_of(regions.begin(), regions.end(),
                     [](const RegionReport& report) { return report.status.has_value(); });
}

RegionReports measure_regions(Context& context, const std::vector<CopyPlace>& copies) {
  return Measurement(context).run(copies);
}

std::string regions_text(Context& context, const RegionReports& reports) {
  Table places({"NAME", "REGION", "FILLED BY", ">BACKUPS", ">OBJECTS", ">SIZE", ">MISSING", ">LAG",
                "STATE", "URL"});
  Table points({"NAME", "CLASS", "RECOVERY POINT (UTC)", ">AGE", ">RPO", "", "BACKUP"});
  bool any = false;
  std::string notes;
  for (const RegionReport& report : reports.regions) {
    places.add(place_cells(report));
    add_notes(report, notes);
    if (!report.status) continue;
    for (const auto& [backup_class, backup] : report.status->content.recovery_points) {
      const Duration age = age_of(backup, reports.now);
      const Duration rpo = rpo_of_class(context, backup_class);
      points.add({report.name, backup_class, minute_text(backup.time), format_duration(age),
                  format_duration(rpo), age <= rpo ? "within" : "over", backup.id()});
      any = true;
    }
  }
  return places.text() + (any ? "\n" + points.text() : "") + (notes.empty() ? "" : "\n" + notes);
}

Json regions_json(Context& context, const RegionReports& reports) {
  Json regions = Json::array();
  for (const RegionReport& report : reports.regions) {
    regions.push_back(report_json(context, report, reports.now));
  }
  return regions;
}

void print_region_errors(Context& context, const RegionReports& reports) {
  for (const RegionReport& report : reports.regions) {
    if (!report.error) continue;
    context.output.warning(
        fmt::format("{} cannot be reached: {}{}", report.name, report.error->message(),
                    report.error->hint().empty() ? "" : "\n  " + report.error->hint()));
  }
}

}  // namespace holdfast
