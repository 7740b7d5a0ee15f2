// holdfast repair: makes a damaged vault whole as far as possible.
#include "protect/repair.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "cli/thaw.h"

namespace holdfast {
namespace {

struct RepairOptions {
  std::string from;
  bool dry_run = false;
  ThawOptions thaw;
};

std::string other_url(Context& context, const std::string& from) {
  for (const CopySettings& copy : context.settings().copies) {
    if (copy.name == from) return copy.url;
  }
  return from;
}

bool copy_config(ObjectStore& store, ObjectStore& other, bool dry_run) {
  const Bytes good = other.get("holdfast.json");
  const bool present = store.stat("holdfast.json").has_value();
  if (present && store.get("holdfast.json") == good) return false;
  if (!dry_run) store.put("holdfast.json", good);
  return true;
}

// Only where none is left: one that was removed here must not come back.
std::size_t copy_keys(ObjectStore& store, ObjectStore& other, bool dry_run) {
  if (!list_objects(store, "keys/").empty()) return 0;
  const std::vector<ObjectInfo> keys = list_objects(other, "keys/");
  for (const ObjectInfo& key : keys) {
    if (!dry_run) store.put_new(key.key, other.get(key.key));
  }
  return keys.size();
}

// What a vault cannot be opened without is the same in every copy. False when nothing is missing.
bool restore_essentials(Context& context, bool dry_run, ObjectStore& store, ObjectStore& other) {
  const char* verb = dry_run ? "would restore " : "restored ";
  const bool config = copy_config(store, other, dry_run);
  if (config) context.output.note(std::string(verb) + "holdfast.json from the copy\n");
  const std::size_t keys = copy_keys(store, other, dry_run);
  if (keys > 0) context.output.note(verb + plural(keys, "key") + " from the copy\n");
  return config || keys > 0;
}

OpenedVault open_or_restore(Context& context, Access access, ObjectStore* other) {
  try {
    return open_vault(context, access);
  } catch (const Error& error) {
    const bool may_lack_something = error.code() == Code::kNotFound ||
                                    error.code() == Code::kCorrupt || error.code() == Code::kDenied;
    if (other == nullptr || !may_lack_something) throw;
    const bool dry_run = access == Access::kDryRun;
    const auto store = open_store_for(context, vault_url(context), access);
    const auto before = store->stat("holdfast.json")
                            ? std::optional<Bytes>(store->get("holdfast.json"))
                            : std::nullopt;
    if (!restore_essentials(context, dry_run, *store, *other) || dry_run) throw;
    try {
      return open_vault(context, access);
    } catch (const Error&) {
      // That was not it: the copy may be of another vault.
      if (before) {
        store->put("holdfast.json", *before);
      } else {
        store->remove("holdfast.json");
      }
      throw;
    }
  }
}

Json result_json(const RepairJob& job, const RepairResult& r, const ThawPlan& archived) {
  return {{"actions", r.actions},
          {"unrepaired", r.unrepaired},
          {"restored_objects", r.restored_objects},
          {"reindexed_packs", r.reindexed_packs},
          {"removed_segments", r.removed_segments},
          {"duration_seconds", std::chrono::duration<double>(r.duration).count()},
          {"dry_run", job.dry_run},
          {"archived", thaw_plan_json(archived)}};
}

int finish(Context& context, const RepairJob& job, const RepairResult& r,
           const ThawPlan& archived) {
  Output& output = context.output;
  for (const std::string& action : r.actions) output.note(printable(action) + "\n");
  for (const std::string& problem : r.unrepaired)
    output.print("still wrong: " + printable(problem) + "\n");
  output.note(fmt::format("{}{} restored, {} indexed again, in {}\n",
                          job.dry_run ? "would be: " : "", plural(r.restored_objects, "object"),
                          plural(r.reindexed_packs, "pack"), format_duration(r.duration)));
  if (job.dry_run && !archived.empty()) {
    output.note(thaw_plan_text(archived) + ", which were not looked at\n");
  }
  Json document = result_json(job, r, archived);
  int code = kExitSuccess;
  if (!r.unrepaired.empty()) {
    const Error error(Code::kCorrupt,
                      plural(r.unrepaired.size(), "problem") + " could not be repaired",
                      job.other == nullptr
                          ? "give a copy of the vault to take good objects from: --from URL"
                          : "back the sources up again, which heals what they still hold, and see: "
                            "holdfast validate");
    output.error(error);
    document["error"] = error_json(error);
    code = exit_code(error.code());
  }
  output.document(document);
  return code;
}

int run(Context& context, const RepairOptions& options) {
  const std::string url = vault_url(context);
  const Access access = options.dry_run ? Access::kDryRun : Access::kWrite;
  RepairJob job;
  job.dry_run = options.dry_run;
  job.log_policy = [&context](const std::string& source) {
    return log_policy_for(context.settings(), source);
  };
  ThawPlan archived;
  job.before_reading = [&](ObjectStore& store, std::vector<NeededPack>& packs) {
    prepare_reading(context, store, packs, options.thaw, job.dry_run, archived);
  };
  std::unique_ptr<ObjectStore> other;
  if (!options.from.empty()) {
    other = open_store_for(context, other_url(context, options.from), Access::kRead);
    job.other = other.get();
  }
  const OpenedVault opened = open_or_restore(context, access, other.get());
  refuse_writer(*opened.vault, "repair the vault");
  std::optional<RunLog> log;
  if (!job.dry_run) {
    log.emplace(context, "restore", "repair");
    log->info("repair of " + url);
  }
  const Duration begin = context.clock.monotonic();
  try {
    const RepairResult result = repair(*opened.vault, job, context.stop);
    if (log) {
      for (const std::string& action : result.actions) log->info(action);
      for (const std::string& problem : result.unrepaired) log->failure("repair", problem);
      log->duration(context.clock.monotonic() - begin);
    }
    return finish(context, job, result, archived);
  } catch (Error& error) {
    if (log) {
      log->failure("repair", error.message());
      log->duration(context.clock.monotonic() - begin);
    }
    if (error.code() == Code::kCancelled) error.suggest("what is repaired stays; run it again");
    throw;
  }
}

}  // namespace

void add_repair_command(Command& root) {
  const auto o = std::make_shared<RepairOptions>();
  Command command = root.subcommand("repair", "Make a damaged vault whole again");
  command.text("--from", o->from, "Another copy of the vault to take good objects from")
      .flag("-n,--dry-run", o->dry_run, "Say what would be done; change nothing");
  add_thaw_options(command, o->thaw);
  command.examples({"holdfast repair --dry-run", "holdfast repair --from /mnt/offsite/vault"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
