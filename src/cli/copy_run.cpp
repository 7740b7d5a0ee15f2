#include "cli/copy_run.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "cli/backup_json.h"
#include "cli/credential.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "store/dry_run_store.h"
#include "store/memory_store.h"
#include "store/s3/probe.h"

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

// As `init` asks of the place of a vault.
void look_at_new_place(Context& context, ObjectStore& to) {
  auto* const bucket = dynamic_cast<S3Store*>(&to);
  if (bucket == nullptr) return;
  require_conditions(*bucket);
  const auto weakness = trouble_with_encryption(*bucket);
  if (weakness) context.output.warning(*weakness);
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
  job.before_first = [&](ObjectStore& place) { look_at_new_place(context, place); };
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
  if (r.unverified_objects > 0) {
    text += fmt::format("{} in an archive tier not verified{}\n",
                        plural(r.unverified_objects, "object"),
                        job.dry_run ? ": a dry run asks for nothing" : "");
  }
  if (job.verify && !job.dry_run) {
    text += fmt::format("verified {}", plural(r.verified_objects, "object"));
    text += r.healed > 0 ? fmt::format("; {} damaged and copied again\n", format_count(r.healed))
                         : "; all good\n";
  }
  return text;
}

// What is damaged and what stayed behind for it; a line each.
std::string damage_text(const CopyResult& r) {
  std::string text;
  for (const CopyDamage& one : r.damage) {
    text += fmt::format("{} {}: not copied\n", printable(one.object), one.problem);
  }
  for (const BackupName& name : r.left_out) {
    text +=
        fmt::format("{}: left out{}\n", name.id(), r.needs_key ? "" : ": it needs what is damaged");
  }
  return text;
}

Error damage_error(const std::string& url, const CopyResult& r, const std::string& key_trouble) {
  const std::string left = r.left_out.empty()
                               ? "no backup was left out"
                               : plural(r.left_out.size(), "backup") + " left out of the copy";
  const std::string heal =
      "heal the vault: holdfast validate all --read-data, which notes the damage, a new backup of "
      "the "
      "sources, and holdfast prune; or holdfast repair --from "
      "another copy. The next copy brings what was left out";
  if (!r.needs_key) {
    return {Code::kCorrupt,
            fmt::format("{} of the vault damaged or missing; {}; all else is in {}",
                        plural(r.damage.size(), "object"), left, url),
            heal};
  }
  return {Code::kCorrupt,
          fmt::format("{} of the vault damaged, and without a key nobody knows which backups need "
                      "them ({}): {}",
                      plural(r.damage.size(), "object"), key_trouble, left),
          "give a key (--key-file; an operator's is enough) to copy the backups that do not need "
          "them. To " +
              heal};
}

Json result_json(const std::string& url, const CopyJob& job, const CopyResult& r,
                 const ThawPlan& archived) {
  Json damage = Json::array();
  for (const CopyDamage& one : r.damage) {
    damage.push_back({{"object", one.object}, {"problem", one.problem}});
  }
  Json left_out = Json::array();
  for (const BackupName& name : r.left_out) left_out.push_back(name_json(name));
  return {{"to", url},
          {"objects", r.objects},
          {"bytes", r.bytes},
          {"present", r.present},
          {"backups", r.backups},
          {"verified_objects", r.verified_objects},
          {"unverified_objects", r.unverified_objects},
          {"healed", r.healed},
          {"other_writings", r.other_writings},
          {"removed_pieces", r.removed_pieces},
          {"damage", damage},
          {"left_out", left_out},
          {"duration_seconds", std::chrono::duration<double>(r.duration).count()},
          {"dry_run", job.dry_run},
          {"archived", thaw_plan_json(archived)}};
}

// What of it concerns the source's damage; the exit code.
int report_damage(Context& context, const std::string& url, const CopyResult& r,
                  const std::string& key_trouble, std::optional<RunLog>& log, Json& json) {
  if (r.damage.empty()) return kExitSuccess;
  const std::string text = damage_text(r);
  context.output.print(text);
  const Error error = damage_error(url, r, key_trouble);
  context.output.error(error);
  json["error"] = error_json(error);
  if (log) {
    log->info(text.substr(0, text.size() - 1));
    log->failure("copy to " + url, error.message());
  }
  return exit_code(error.code());
}

}  // namespace

const Vault* CopySource::vault() {
  if (std::exchange(tried_, true)) return vault_.get();
  try {
    if (const auto credential = given_credential(context_)) {
      vault_ =
          Vault::open(store_, context_.clock, *credential, context_.settings().cache_directory);
    }
  } catch (const Error& error) {
    // A copy needs no key, so one that does not fit is in nobody's way.
    if (error.code() == Code::kCancelled || error.code() == Code::kUsage) throw;
    trouble_ = error.message();
  }
  return vault_.get();
}

CopyOutcome copy_to(Context& context, CopySource& from, const CopyPlace& place, CopyJob job,
                    const ThawOptions& thaw) {
  const std::string& url = place.settings.url;
  const auto to = open_destination(context, place, job.dry_run);
  job.source_vault = [&from] { return from.vault(); };
  std::optional<RunLog> log;
  if (!job.dry_run) {
    log.emplace(context, "backup", "copy");
    log->info("copy to " + url);
  }
  const Duration begin = context.clock.monotonic();
  try {
    ThawPlan archived;
    const CopyResult result = run_job(context, from.store(), *to, job, thaw, archived);
    const std::string text = result_text(url, job, result, archived);
    context.output.note(text);
    if (log) log->info(text.substr(0, text.size() - 1));
    CopyOutcome outcome{result_json(url, job, result, archived), kExitSuccess};
    outcome.code = report_damage(context, url, result, from.trouble(), log, outcome.json);
    if (log) log->duration(context.clock.monotonic() - begin);
    if (!place.settings.name.empty()) outcome.json["name"] = place.settings.name;
    return outcome;
  } catch (const Error& error) {
    if (log) {
      log->failure("copy to " + url, error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    throw;
  }
}

}  // namespace holdfast
