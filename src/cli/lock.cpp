// holdfast lock: what a store's Object Lock holds, and keeping it so.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/progress.h"
#include "cli/retained.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "protect/lock_extension.h"
#include "store/s3/bucket.h"
#include "store/s3/s3_store.h"
#include "vault/lease.h"

namespace holdfast {
namespace {

constexpr std::size_t kShownKeys = 10;
constexpr Duration kLeast = std::chrono::hours{24};
// Clocks that differ by no more show the same time.
constexpr Duration kSameTime = std::chrono::minutes{1};
constexpr Duration kMost = 36500 * std::chrono::hours{24};

struct LockOptions {
  std::string period;
  bool all = false;
  bool dry_run = false;
};

// What the bucket itself says; a key that may not look leaves a problem.
struct BucketState {
  bool known = false;
  BucketLock lock;
  Versioning versioning = Versioning::kNever;
  std::string problem;
  Duration difference{};  // the store's clock minus ours, when that is worth a word
};

const char* mode_name(LockMode mode) {
  switch (mode) {
    case LockMode::kGovernance:
      return "governance";
    case LockMode::kCompliance:
      return "compliance";
    case LockMode::kNone:
      break;
  }
  return "none";
}

const char* versioning_name(Versioning versioning) {
  if (versioning == Versioning::kEnabled) return "enabled";
  return versioning == Versioning::kSuspended ? "suspended" : "never";
}

// A client of its own: what is around the store of the vault does not matter here.
BucketState look_at_bucket(Context& context) {
  BucketState state;
  const std::string url = vault_url(context);
  if (!is_s3_url(url)) return state;
  const OpenStoreOptions options = store_options(context, url);
  const S3Store store(url, options.s3, context.clock, context.stop);
  try {
    state.lock = bucket_lock(store.client());
    state.versioning = bucket_versioning(store.client());
    state.known = true;
  } catch (const Error& error) {
    if (error.code() != Code::kDenied && error.code() != Code::kUnsupported) throw;
    state.problem = error.message();
  }
  const Duration difference = store.client().clock_difference().value_or(Duration{});
  if (difference > kSameTime || difference < -kSameTime) state.difference = difference;
  return state;
}

S3Options s3_options(Context& context) {
  return s3_options_for(context.settings(), vault_url(context));
}

// How long locks are meant to be; nothing when nobody says so.
std::optional<Duration> usual_period(Context& context, const BucketState& bucket) {
  const S3Options options = s3_options(context);
  if (options.lock != LockMode::kNone) return options.lock_period;
  if (bucket.lock.days > 0) return bucket.lock.days * Duration{std::chrono::hours{24}};
  return std::nullopt;
}

std::vector<BackupName> retained_backups(Context& context, ObjectStore& store) {
  return make_retention_plan(context, store, {}, [](const BackupName&) { return true; }).kept();
}

// Of one kind of objects.
struct KindLocks {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t free = 0;
  std::uint64_t ending = 0;
  std::optional<Timestamp> first;
  std::optional<Timestamp> last;
};

struct LockStatus {
  std::map<RetainedKind, KindLocks> kinds;
  std::vector<std::string> weak;  // keys of what is free or ends soon
  std::uint64_t free = 0;
  std::uint64_t ending = 0;
};

LockStatus judge_locks(const Retained& retained, Timestamp soon) {
  LockStatus status;
  for (const RetainedObject& object : retained.objects) {
    KindLocks& kind = status.kinds[object.kind];
    ++kind.objects;
    kind.bytes += object.size;
    if (!object.until) {
      ++kind.free;
      ++status.free;
    } else {
      kind.first = std::min(kind.first.value_or(*object.until), *object.until);
      kind.last = std::max(kind.last.value_or(*object.until), *object.until);
      if (*object.until < soon) {
        ++kind.ending;
        ++status.ending;
      }
    }
    if (!object.until || *object.until < soon) status.weak.push_back(object.key);
  }
  return status;
}

std::string time_text(const std::optional<Timestamp>& time) {
  return time ? minute_text(*time) : "-";
}

Json bucket_json(const BucketState& bucket) {
  if (!bucket.known) return {};
  return {{"object_lock", bucket.lock.enabled},
          {"default_mode", mode_name(bucket.lock.mode)},
          {"default_days", bucket.lock.days},
          {"versioning", versioning_name(bucket.versioning)}};
}

Json status_json(const LockStatus& status, const Retained& retained) {
  Json kinds = Json::object();
  for (const RetainedKind kind : kRetainedKinds) {
    const auto found = status.kinds.find(kind);
    if (found == status.kinds.end()) continue;
    const KindLocks& k = found->second;
    kinds[std::string(kind_name(kind))] = {{"objects", k.objects},
                                           {"bytes", k.bytes},
                                           {"not_locked", k.free},
                                           {"ending_soon", k.ending},
                                           {"first_ends", time_json(k.first)},
                                           {"last_ends", time_json(k.last)}};
  }
  const UnneededPacks& unneeded = retained.unneeded;
  return {{"retained", kinds},
          {"not_locked", status.free},
          {"ending_soon", status.ending},
          {"weak", status.weak},
          {"unneeded",
           {{"bytes", unneeded.bytes},
            {"locked_bytes", unneeded.locked_bytes},
            {"first_ends", time_json(unneeded.first_ends)},
            {"last_ends", time_json(unneeded.last_ends)}}}};
}

std::string bucket_text(const BucketState& bucket) {
  if (!bucket.problem.empty()) return "bucket: " + bucket.problem + "\n";
  if (!bucket.known) return {};
  std::string text = fmt::format("bucket: Object Lock {}, versioning {}",
                                 bucket.lock.enabled ? "enabled" : "not enabled",
                                 versioning_name(bucket.versioning));
  if (bucket.lock.mode != LockMode::kNone) {
    text += fmt::format("; by default {} for {}", mode_name(bucket.lock.mode),
                        plural(bucket.lock.days, "day"));
  }
  return text + "\n";
}

std::string unneeded_text(const UnneededPacks& unneeded) {
  if (unneeded.bytes == 0) return "nothing in the vault is unneeded\n";
  std::string text = format_size(unneeded.bytes) + " are not needed";
  if (unneeded.locked_bytes == 0) return text + ", and not locked: holdfast prune frees them\n";
  text +=
      fmt::format("; prune can free {} now", format_size(unneeded.bytes - unneeded.locked_bytes));
  return text + fmt::format(", more from {} on, all from {} on\n", iso_time(*unneeded.first_ends),
                            iso_time(*unneeded.last_ends));
}

std::string status_text(const LockStatus& status, const Retained& retained) {
  Table table({"NEEDED", ">NUMBER", ">SIZE", ">NOT LOCKED", ">ENDING", "FIRST ENDS", "LAST ENDS"});
  for (const RetainedKind kind : kRetainedKinds) {
    const auto found = status.kinds.find(kind);
    if (found == status.kinds.end()) continue;
    const KindLocks& k = found->second;
    table.add({std::string(kind_name(kind)), format_count(k.objects), format_size(k.bytes),
               format_count(k.free), format_count(k.ending), time_text(k.first),
               time_text(k.last)});
  }
  return table.text() + unneeded_text(retained.unneeded);
}

void warn_of_weak(Context& context, const LockStatus& status) {
  std::string text =
      fmt::format("{} not locked, {} end soon:", plural(status.free, "needed object"),
                  format_count(status.ending));
  for (std::size_t i = 0; i < status.weak.size() && i < kShownKeys; ++i) {
    text += "\n  " + status.weak[i];
  }
  if (status.weak.size() > kShownKeys) text += "\n  ...";
  context.output.warning(text + "\nlock them with: holdfast lock extend");
}

// Locks end by the store's clock.
void warn_of_clock(Context& context, Duration difference) {
  if (difference == Duration{}) return;
  const bool slow = difference > Duration{};
  context.output.warning(
      fmt::format("this machine's clock is {} {} the store's, which counts here: "
                  "set it (timedatectl set-ntp true)",
                  format_duration(slow ? difference : -difference), slow ? "behind" : "ahead of"));
}

int show_status(Context& context) {
  const OpenedVault opened = open_vault(context, Access::kRead);
  const BucketState bucket = look_at_bucket(context);
  const S3Options options = s3_options(context);
  const auto period = usual_period(context, bucket);
  Json document{
      {"url", opened.store->traits().url},
      {"mode", mode_name(options.lock)},
      {"period_seconds", period ? Json(std::chrono::duration<double>(*period).count()) : Json()},
      {"bucket", bucket_json(bucket)}};
  Output& output = context.output;
  output.print(options.lock == LockMode::kNone
                   ? "configuration: no object_lock\n"
                   : fmt::format("configuration: {} for {}\n", mode_name(options.lock),
                                 format_duration(options.lock_period)));
  output.print(bucket_text(bucket));
  if (bucket.problem.empty() && !bucket.lock.enabled) {
    output.print("nothing is locked: the store has no locks\n");
    document["locks"] = false;
    output.document(document);
    return kExitSuccess;
  }
  document["locks"] = true;
  document["clock_difference_seconds"] = std::chrono::duration<double>(bucket.difference).count();
  warn_of_clock(context, bucket.difference);
  const std::vector<BackupName> backups = retained_backups(context, *opened.store);
  const Retained retained = find_retained(
      *opened.vault, backups, context.stop,
      [&](const std::string& source) { return log_policy_for(context.settings(), source); });
  // With regular extensions nothing has less left than three quarters.
  const LockStatus status = judge_locks(
      retained, context.clock.now() + bucket.difference + period.value_or(kLeast * 28) / 4);
  output.print(status_text(status, retained));
  document.update(status_json(status, retained));
  output.document(document);
  if (status.weak.empty()) return kExitSuccess;
  warn_of_weak(context, status);
  return kExitWarnings;
}

void require_locks(Context& context, const BucketState& bucket) {
  // A key that may not look may lock all the same.
  if (!bucket.problem.empty() || bucket.lock.enabled) return;
  throw Error(Code::kUnsupported, vault_url(context) + " has no locks",
              "only a bucket that was made with Object Lock has them: see object_lock in "
              "holdfast.yaml(5)");
}

Duration period_for(Context& context, const LockOptions& options, const BucketState& bucket) {
  if (options.period.empty()) {
    if (const auto period = usual_period(context, bucket)) return *period;
    throw Error(Code::kUsage, "--period is missing",
                "say for how long: --period 30d, or set object_lock in the configuration");
  }
  const Duration period = parse_duration(options.period);
  if (period >= kLeast && period <= kMost) return period;
  throw Error(Code::kUsage, "--period " + options.period + " is out of bounds",
              "give 1d to 100y; what is locked in compliance mode nobody can free before");
}

LockResult run_plan(Context& context, const Vault& vault, const Retained& retained,
                    const LockPlan& plan) {
  LockProgress progress;
  ProgressDisplay display(context, "lock", "object", [&progress] {
    ProgressSample sample;
    sample.items = progress.objects;
    sample.total_items = progress.total_objects;
    sample.total_known = sample.total_items > 0;
    return sample;
  });
  try {
    return extend_locks(vault, retained, plan, progress, context.stop);
  } catch (Error& error) {
    if (error.code() == Code::kCancelled) {
      error.suggest("what was locked stays so: run the same command again, and it goes on");
    }
    throw;
  }
}

Json extension_json(const LockPlan& plan, const LockResult& r, bool dry_run) {
  return {{"locked_until", iso_time(plan.wanted)},
          {"extended", dry_run ? plan.extended.size() : r.extended},
          {"skipped", plan.skipped},
          {"rewritten_segments", dry_run ? plan.rewritten.size() : r.rewritten},
          {"vanished", r.vanished},
          {"failed", r.failed},
          {"errors", r.errors},
          {"dry_run", dry_run}};
}

std::string extension_text(const LockPlan& plan, const LockResult& r, bool dry_run) {
  return fmt::format("{} {} until {}; {} are locked for long enough\n",
                     dry_run ? "would lock" : "locked",
                     plural(dry_run ? plan.extended.size() : r.extended, "object"),
                     iso_time(plan.wanted), format_count(plan.skipped));
}

int extend(Context& context, const LockOptions& options) {
  const BucketState bucket = look_at_bucket(context);
  const Duration period = period_for(context, options, bucket);
  require_locks(context, bucket);
  const OpenedVault opened =
      open_vault(context, options.dry_run ? Access::kDryRun : Access::kWrite);
  refuse_writer(*opened.vault, "extend locks");
  const std::vector<BackupName> backups = retained_backups(context, *opened.store);
  const Retained retained = find_retained(
      *opened.vault, backups, context.stop,
      [&](const std::string& source) { return log_policy_for(context.settings(), source); });
  // By the store's clock: one that runs fast here would lock for too long, and for good.
  const LockPlan plan =
      plan_lock_extension(retained, store_now(*opened.store), period, options.all);
  std::optional<RunLog> log;
  LockResult result;
  if (!options.dry_run) {
    log.emplace(context, "backup", "lock");
    result = run_plan(context, *opened.vault, retained, plan);
  }
  const std::string text = extension_text(plan, result, options.dry_run);
  context.output.note(text);
  if (log) log->info(text.substr(0, text.size() - 1));
  context.output.document(extension_json(plan, result, options.dry_run));
  if (result.failed == 0) return kExitSuccess;
  for (const std::string& error : result.errors) {
    context.output.warning(error);
    if (log) log->failure("locking", error);
  }
  context.output.warning(plural(result.failed, "object") + " could not be locked; run it again");
  return kExitWarnings;
}

}  // namespace

void add_lock_command(Command& root) {
  const auto o = std::make_shared<LockOptions>();
  Command lock = root.subcommand("lock", "What the store's Object Lock holds, and for how long");
  lock.require_subcommand().examples({"holdfast lock status", "holdfast lock extend --dry-run"});
  lock.subcommand("status", "Show what is locked until when")
      .examples({"holdfast lock status", "holdfast lock status --json"})
      .run(show_status);
  lock.subcommand("extend", "Lock what the kept backups need for longer")
      .text("--period", o->period, "From now on (default: the configuration's object_lock.period)")
      .flag("--all", o->all, "Also what is locked for nearly as long")
      .flag("-n,--dry-run", o->dry_run, "Say what would be locked; change nothing")
      .examples({"holdfast lock extend", "holdfast lock extend --period 60d --all"})
      .run([o](Context& context) { return extend(context, *o); });
}

}  // namespace holdfast
