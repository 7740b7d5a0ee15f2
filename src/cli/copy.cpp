// holdfast copy: a second copy of the vault, without a key.
#include "protect/copy.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "store/dry_run_store.h"
#include "store/memory_store.h"
#include "store/open_store.h"

namespace holdfast {
namespace {

struct CopyOptions {
  std::string to;
  bool verify = false;
  bool dry_run = false;
  std::optional<unsigned> threads;
};

// --to, where a name of the configuration stands for its URL; else all copies of the configuration.
std::vector<std::string> destinations(Context& context, const std::string& to) {
  const auto& copies = context.settings().copies;
  std::vector<std::string> urls;
  for (const CopySettings& copy : copies) {
    if (to.empty() || copy.name == to) urls.push_back(copy.url);
  }
  if (urls.empty() && !to.empty()) urls.push_back(to);
  if (urls.empty()) {
    throw Error(Code::kUsage, "--to is missing",
                "say where the copy is to be: --to /PATH, or list 'copies:' in the configuration");
  }
  return urls;
}

std::unique_ptr<ObjectStore> open_destination(Context& context, const std::string& url,
                                              bool dry_run) {
  if (!dry_run) {
    OpenStoreOptions options;
    options.create = true;
    return open_store(url, options);
  }
  try {
    return open_store_for(context, url, Access::kDryRun);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    return std::make_unique<MemoryStore>(context.clock);  // what would be created is empty
  }
}

CopyResult run_job(Context& context, ObjectStore& from, ObjectStore& to, const CopyJob& job) {
  CopyProgress progress;
  ProgressDisplay display(context, "copy", "object", [&progress] {
    ProgressSample sample;
    sample.bytes = progress.bytes;
    sample.items = progress.objects;
    sample.total_bytes = progress.total_bytes;
    sample.total_items = progress.total_objects;
    sample.total_known = sample.total_items > 0;
    return sample;
  });
  try {
    return copy_vault(from, to, job, progress, context.stop);
  } catch (Error& error) {
    if (error.code() == Code::kCancelled) {
      error.suggest("what was copied stays: run the same command again, and it goes on from there");
    }
    throw;
  }
}

std::string result_text(const std::string& url, const CopyJob& job, const CopyResult& r) {
  std::string text = fmt::format("{} {} ({}), {} of them backups, to {} in {}; {} there already\n",
                                 job.dry_run ? "would copy" : "copied", plural(r.objects, "object"),
                                 format_size(r.bytes), format_count(r.backups), url,
                                 format_duration(r.duration), format_count(r.present));
  if (job.verify && !job.dry_run) {
    text += fmt::format("verified {}", plural(r.verified_objects, "object"));
    text += r.healed > 0 ? fmt::format("; {} damaged and copied again\n", format_count(r.healed))
                         : "; all good\n";
  }
  return text;
}

Json result_json(const std::string& url, const CopyJob& job, const CopyResult& r) {
  return {{"to", url},
          {"objects", r.objects},
          {"bytes", r.bytes},
          {"present", r.present},
          {"backups", r.backups},
          {"verified_objects", r.verified_objects},
          {"healed", r.healed},
          {"duration_seconds", std::chrono::duration<double>(r.duration).count()},
          {"dry_run", job.dry_run}};
}

Json copy_to(Context& context, ObjectStore& from, const std::string& url, const CopyJob& job) {
  const auto to = open_destination(context, url, job.dry_run);
  std::optional<RunLog> log;
  if (!job.dry_run) {
    log.emplace(context, "backup", "copy");
    log->info("copy to " + url);
  }
  const Duration begin = context.clock.monotonic();
  try {
    const CopyResult result = run_job(context, from, *to, job);
    const std::string text = result_text(url, job, result);
    context.output.note(text);
    if (log) {
      log->info(text.substr(0, text.size() - 1));
      log->duration(context.clock.monotonic() - begin);
    }
    return result_json(url, job, result);
  } catch (const Error& error) {
    if (log) {
      log->failure("copy to " + url, error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    throw;
  }
}

int run(Context& context, const CopyOptions& options) {
  const auto from = open_vault_store(context, Access::kRead);
  CopyJob job;
  job.verify = options.verify;
  job.dry_run = options.dry_run;
  job.threads = options.threads.value_or(context.settings().threads);
  Json copies = Json::array();
  for (const std::string& url : destinations(context, options.to)) {
    copies.push_back(copy_to(context, *from, url, job));
  }
  context.output.document(Json{{"copies", copies}});
  return kExitSuccess;
}

}  // namespace

void add_copy_command(Command& root) {
  const auto o = std::make_shared<CopyOptions>();
  root.subcommand("copy", "Copy the vault to a second place; needs no key")
      .text("--to", o->to, "Where to: a path, a URL, or the name of a copy in the configuration")
      .flag("--verify", o->verify, "Read everything at the destination and compare")
      .flag("-n,--dry-run", o->dry_run, "Say what would be copied; copy nothing")
      .number("--threads", o->threads, 1, 256, "Objects at once")
      .examples({"holdfast copy --to /mnt/offsite/vault", "holdfast copy --to offsite --verify",
                 "holdfast copy            # all copies of the configuration"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
