// holdfast prune: frees what no backup needs any more.
#include "protect/prune.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/log_report.h"
#include "cli/run_log.h"
#include "cli/session.h"

namespace holdfast {
namespace {

struct PruneOptions {
  std::string grace = "24h";
  std::optional<unsigned> max_unused;
  std::optional<unsigned> level;
  bool dry_run = false;
};

std::string locked_text(const PruneResult& r) {
  std::string text = fmt::format("{} in {} cannot go yet: locked", format_size(r.locked_bytes),
                                 plural(r.locked_packs, "pack"));
  if (!r.lock_first_ends) return text + ", and partly in use\n";
  if (*r.lock_first_ends == *r.lock_last_ends) {
    return text + " until " + iso_time(*r.lock_first_ends) + "\n";
  }
  return text + fmt::format(", the first until {}, the last until {}\n",
                            iso_time(*r.lock_first_ends), iso_time(*r.lock_last_ends));
}

Json result_json(const PruneJob& job, const PruneResult& r) {
  return {{"live_chunks", r.live_chunks},
          {"live_bytes", r.live_bytes},
          {"dead_bytes", r.dead_bytes},
          {"marked_packs", r.marked_packs},
          {"removed_packs", r.removed_packs},
          {"rewritten_packs", r.rewritten_packs},
          {"damaged_packs", r.damaged_packs},
          {"freed_bytes", r.freed_bytes},
          {"locked_packs", r.locked_packs},
          {"locked_bytes", r.locked_bytes},
          {"lock_first_ends", time_json(r.lock_first_ends)},
          {"lock_last_ends", time_json(r.lock_last_ends)},
          {"waiting_bytes", r.waiting_bytes},
          {"waiting_for", r.waiting_for},
          {"duration_seconds", std::chrono::duration<double>(r.duration).count()},
          {"dry_run", job.dry_run}};
}

std::string result_text(const PruneJob& job, const PruneResult& r) {
  std::string text = fmt::format("in use: {} in {}; not in use: {}\n", format_size(r.live_bytes),
                                 plural(r.live_chunks, "chunk"), format_size(r.dead_bytes));
  text += fmt::format("{}{} marked, {} rewritten, {} removed, {} freed, in {}\n",
                      job.dry_run ? "would be: " : "", plural(r.marked_packs, "pack"),
                      format_count(r.rewritten_packs), format_count(r.removed_packs),
                      format_size(r.freed_bytes), format_duration(r.duration));
  if (r.damaged_packs > 0) {
    text += fmt::format("{} cannot be rewritten: damaged\n", plural(r.damaged_packs, "pack"));
  }
  if (r.locked_packs > 0) text += locked_text(r);
  if (r.waiting_bytes > 0) text += fmt::format("{} wait\n", format_size(r.waiting_bytes));
  for (const std::string& reason : r.waiting_for) text += "  " + printable(reason) + "\n";
  return text;
}

Error found_damage(const PruneResult& result) {
  return {Code::kCorrupt,
          plural(result.damaged_packs, "pack") +
              " that were to be rewritten are damaged; they stay "
              "as they are, and the rest was pruned",
          "run 'holdfast validate all --read-data' to see what is affected; the next backup stores "
          "anew what its sources still have, 'holdfast repair --from URL' brings back the rest"};
}

int run(Context& context, const PruneOptions& options) {
  PruneJob job;
  job.grace = parse_duration(options.grace);
  job.max_unused_percent = options.max_unused.value_or(job.max_unused_percent);
  job.level = options.level ? static_cast<int>(*options.level) : context.settings().compression;
  job.dry_run = options.dry_run;
  const OpenedVault opened =
      open_vault(context, options.dry_run ? Access::kDryRun : Access::kWrite);
  refuse_writer(*opened.vault, "prune the vault");
  std::optional<RunLog> log;
  if (!job.dry_run) {
    log.emplace(context, "backup", "prune");
    log->info("prune of " + opened.store->traits().url);
  }
  const LogRetentionJob log_job{
      [&](const std::string& source) { return log_policy_for(context.settings(), source); },
      job.grace, job.dry_run};
  const Duration begin = context.clock.monotonic();
  try {
    const PruneResult result = prune(*opened.vault, job, context.stop);
    context.output.note(result_text(job, result));
    const LogRetentionResult logs = retain_log(*opened.vault, log_job, context.stop);
    context.output.note(log_retention_text(logs, job.dry_run));
    if (log) {
      log->info(fmt::format("removed {}, freed {}, {} wait", plural(result.removed_packs, "pack"),
                            format_size(result.freed_bytes), format_size(result.waiting_bytes)));
      log->info(fmt::format("removed {} of databases' logs, {}",
                            plural(logs.removed_objects, "file"), format_size(logs.removed_bytes)));
      log->duration(context.clock.monotonic() - begin);
    }
    Json document = result_json(job, result);
    document["log"] = log_retention_json(logs);
    context.output.document(document);
    if (result.damaged_packs > 0) throw found_damage(result);
    return kExitSuccess;
  } catch (Error& error) {
    if (log) {
      log->failure("prune", error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    if (error.code() == Code::kCancelled) {
      error.suggest("nothing that is needed was removed; run it again to go on");
    }
    throw;
  }
}

}  // namespace

void add_prune_command(Command& root) {
  const auto o = std::make_shared<PruneOptions>();
  root.subcommand("prune", "Free the space that no backup needs any more")
      .text("--grace", o->grace,
            "How long packs stay after they were found to be unused (default: 24h)")
      .number("--max-unused", o->max_unused, 0, 100,
              "Rewrite packs that are unused to more than this percentage (default: 5)")
      .number("--level", o->level, 1, 19, "zstd level of rewritten packs")
      .flag("-n,--dry-run", o->dry_run, "Say what would be done; change nothing")
      .examples({"holdfast prune", "holdfast prune --dry-run",
                 "holdfast prune --grace 0s    # only when nobody else uses the vault"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
