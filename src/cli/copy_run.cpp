#include "cli/copy_run.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "store/dry_run_store.h"
#include "store/memory_store.h"

namespace holdfast {
namespace {

std::unique_ptr<ObjectStore> open_destination(Context& context, const CopyPlace& place,
                                              bool dry_run) {
  OpenStoreOptions options = place.options;
  options.create = !dry_run;
  options.read_only = dry_run;
  try {
    auto store = open_store(place.settings.url, options);
    if (!dry_run) return store;
    return std::make_unique<DryRunStore>(std::move(store), context.clock);
  } catch (const Error& error) {
    if (!dry_run || error.code() != Code::kNotFound) throw;
    return std::make_unique<MemoryStore>(context.clock);  // what would be created is empty
  }
}

CopyResult run_job(Context& context, ObjectStore& from, ObjectStore& to, CopyJob job,
                   const ThawOptions& thaw, ThawPlan& archived) {
  CopyProgress progress;
  const auto sampled = [&progress] {
    ProgressSample sample;
    sample.bytes = progress.bytes;
    sample.items = progress.objects;
    sample.total_bytes = progress.total_bytes;
    sample.total_items = progress.total_objects;
    sample.total_known = sample.total_items > 0;
    return sample;
  };
  std::optional<ProgressDisplay> display;
  display.emplace(context, "copy", "object", sampled);
  job.before_reading = [&](ObjectStore& store, std::vector<NeededPack> needed) {
    display.reset();  // waiting has a display of its own
    prepare_reading(context, store, needed, thaw, job.dry_run, archived);
    display.emplace(context, "copy", "object", sampled);
  };
  try {
    return copy_vault(from, to, job, progress, context.stop);
  } catch (Error& error) {
    if (error.code() == Code::kCancelled) {
      error.suggest("what was copied stays: run the same command again, and it goes on from there");
    }
    throw;
  }
}

std::string result_text(const std::string& url, const CopyJob& job, const CopyResult& r,
                        const ThawPlan& archived) {
  std::string text = fmt::format("{} {} ({}), {} of them backups, to {} in {}; {} there already\n",
                                 job.dry_run ? "would copy" : "copied", plural(r.objects, "object"),
                                 format_size(r.bytes), format_count(r.backups), url,
                                 format_duration(r.duration), format_count(r.present));
  if (job.dry_run && !archived.empty()) text += thaw_plan_text(archived) + "\n";
  if (r.removed_pieces > 0) {
    text += fmt::format("{} of logs replaced by whole files\n", plural(r.removed_pieces, "piece"));
  }
  if (r.other_writings > 0) {
    text += fmt::format(
        "{} of logs written there by themselves (holdfast stream --also); holdfast validate looks "
        "into them\n",
        plural(r.other_writings, "file"));
  }
  if (job.verify && !job.dry_run) {
    text += fmt::format("verified {}", plural(r.verified_objects, "object"));
    text += r.healed > 0 ? fmt::format("; {} damaged and copied again\n", format_count(r.healed))
                         : "; all good\n";
  }
  return text;
}

Json result_json(const std::string& url, const CopyJob& job, const CopyResult& r,
                 const ThawPlan& archived) {
  return {{"to", url},
          {"objects", r.objects},
          {"bytes", r.bytes},
          {"present", r.present},
          {"backups", r.backups},
          {"verified_objects", r.verified_objects},
          {"healed", r.healed},
          {"other_writings", r.other_writings},
          {"removed_pieces", r.removed_pieces},
          {"duration_seconds", std::chrono::duration<double>(r.duration).count()},
          {"dry_run", job.dry_run},
          {"archived", thaw_plan_json(archived)}};
}

}  // namespace

Json copy_to(Context& context, ObjectStore& from, const CopyPlace& place, const CopyJob& job,
             const ThawOptions& thaw) {
  const std::string& url = place.settings.url;
  const auto to = open_destination(context, place, job.dry_run);
  std::optional<RunLog> log;
  if (!job.dry_run) {
    log.emplace(context, "backup", "copy");
    log->info("copy to " + url);
  }
  const Duration begin = context.clock.monotonic();
  try {
    ThawPlan archived;
    const CopyResult result = run_job(context, from, *to, job, thaw, archived);
    const std::string text = result_text(url, job, result, archived);
    context.output.note(text);
    if (log) {
      log->info(text.substr(0, text.size() - 1));
      log->duration(context.clock.monotonic() - begin);
    }
    Json json = result_json(url, job, result, archived);
    if (!place.settings.name.empty()) json["name"] = place.settings.name;
    return json;
  } catch (const Error& error) {
    if (log) {
      log->failure("copy to " + url, error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    throw;
  }
}

}  // namespace holdfast
