// holdfast lifecycle: the configuration's policy as rules of the bucket, shown and written.
#include "objective/lifecycle.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "store/s3/bucket.h"
#include "store/s3/s3_store.h"
#include "vault/require_vault.h"
#include "vault/vault.h"

namespace holdfast {
namespace {

constexpr const char* kSetting = "lifecycle";

struct LifecycleOptions {
  bool dry_run = false;
};

std::unique_ptr<S3Store> open_bucket_of_vault(Context& context) {
  const std::string url = vault_url(context);
  if (!is_s3_url(url)) {
    throw Error(Code::kUnsupported,
                printable(url) + " is a directory, and lifecycle rules are a matter of S3 buckets",
                "directories keep everything: use holdfast retention apply and holdfast prune");
  }
  if (!context.options.as_of.empty()) {
    throw Error(Code::kUsage, "--as-of looks back, and lifecycle rules are those of now",
                "leave --as-of away");
  }
  const OpenStoreOptions options = store_options(context, url);
  auto store = std::make_unique<S3Store>(url, options.s3, *options.clock, options.stop);
  require_bucket(store->client());
  require_vault(*store,
                "check the address, or make a vault there with: holdfast init --vault " + url);
  return store;
}

// The sources of the configuration, and those that only the vault knows.
std::vector<LifecycleSource> sources_of(const Settings& settings, ObjectStore& store) {
  std::set<std::pair<std::string, std::string>> names;
  for (const SourceSettings& source : settings.sources) {
    names.emplace(source.backup_class, source.name);
  }
  for (const BackupName& backup : list_backups(store)) {
    names.emplace(backup.backup_class, backup.source);
  }
  std::vector<LifecycleSource> sources;
  for (const auto& [backup_class, name] : names) {
    sources.push_back({name, backup_class, retention_for(settings, backup_class, name)});
  }
  return sources;
}

struct View {
  LifecycleRequest request;
  LifecyclePlan plan;
  LifecycleComparison comparison;
};

LifecycleComparison compare_now(S3Store& store, const View& view) {
  const auto answer = bucket_setting(store.client(), kSetting);
  std::vector<BucketRule> rules;
  if (answer && !answer->body.empty()) {
    rules = reading(*answer, [&] { return parse_lifecycle(answer->body); });
  }
  return compare_lifecycle(view.plan, rules, view.request);
}

View look(Context& context, S3Store& store) {
  const Settings& settings = context.settings();
  View view;
  view.request.policy = settings.lifecycle;
  view.request.sources = sources_of(settings, store);
  view.request.prefix = store.prefix();
  view.request.versioned = bucket_versioning(store.client()) != Versioning::kNever;
  view.request.locked = store.client().options().lock != LockMode::kNone;
  view.plan = plan_lifecycle(view.request);
  view.comparison = compare_now(store, view);
  return view;
}

const char* state_name(RuleState state) {
  switch (state) {
    case RuleState::kSame:
      return "same";
    case RuleState::kDifferent:
      return "different";
    case RuleState::kMissing:
      return "missing";
    case RuleState::kObsolete:
      return "obsolete";
    case RuleState::kForeign:
      break;
  }
  return "foreign";
}

Json days_json(const std::optional<Duration>& period) {
  if (!period) return nullptr;
  return std::chrono::floor<std::chrono::days>(*period).count();
}

std::string days_cell(const std::optional<Duration>& period) {
  return period ? fmt::format("{}d", std::chrono::floor<std::chrono::days>(*period).count()) : "-";
}

bool in_use(const LifecycleRequest& request, std::string_view backup_class) {
  for (const LifecycleSource& source : request.sources) {
    if (source.backup_class == backup_class) return true;
  }
  return false;
}

LifecyclePolicy policy_of(const LifecycleRequest& request, std::string_view backup_class) {
  const auto found = request.policy.classes.find(std::string(backup_class));
  return found == request.policy.classes.end() ? LifecyclePolicy{} : found->second;
}

Json view_json(const View& view, const std::string& url) {
  Json policy = Json::object();
  for (const std::string_view name : kBackupClasses) {
    const LifecyclePolicy wanted = policy_of(view.request, name);
    policy[std::string(name)] = {
        {"in_use", in_use(view.request, name)},
        {"infrequent_access_days", days_json(wanted.infrequent_access_after)},
        {"archive_days", days_json(wanted.archive_after)},
        {"expire_days", days_json(wanted.expire_after)}};
  }
  Json rules = Json::array();
  for (const ComparedRule& rule : view.comparison.rules) {
    Json one{{"id", printable(rule.id)},
             {"prefix", printable(rule.prefix)},
             {"state", state_name(rule.state)}};
    if (!rule.wanted.empty()) one["wanted"] = rule.wanted;
    if (!rule.found.empty()) one["found"] = rule.found;
    if (!rule.reason.empty()) one["reason"] = rule.reason;
    one["dangers"] = rule.dangers;
    rules.push_back(std::move(one));
  }
  return {{"vault", url},
          {"versioned", view.request.versioned},
          {"locked", view.request.locked},
          {"policy", policy},
          {"infrequent_access_class", view.request.policy.infrequent_access_class},
          {"archive_class", view.request.policy.archive_class},
          {"keep_versions_days", days_json(view.request.policy.keep_versions)},
          {"rules", rules},
          {"notes", view.plan.notes},
          {"settled", view.comparison.settled()},
          {"dangerous", view.comparison.dangerous()}};
}

void print_policy(Output& output, const LifecycleRequest& request) {
  Table table({"CLASS", "IN USE", ">" + request.policy.infrequent_access_class,
               ">" + request.policy.archive_class, ">EXPIRES"});
  for (const std::string_view name : kBackupClasses) {
    const LifecyclePolicy wanted = policy_of(request, name);
    table.add({std::string(name), in_use(request, name) ? "yes" : "no",
               days_cell(wanted.infrequent_access_after), days_cell(wanted.archive_after),
               days_cell(wanted.expire_after)});
  }
  output.print(table.text());
}

void print_rule(Output& output, const ComparedRule& rule) {
  const std::string below =
      rule.prefix.empty() ? "the whole bucket" : "below " + printable(rule.prefix);
  std::string text =
      fmt::format("{:<9}  {}  {}\n", state_name(rule.state), printable(rule.id), below);
  if (!rule.wanted.empty()) text += "  wanted: " + rule.wanted + "\n";
  if (!rule.found.empty() && rule.state != RuleState::kSame)
    text += "  found:  " + rule.found + "\n";
  if (!rule.reason.empty()) text += "  why:    " + rule.reason + "\n";
  output.print(text);
}

// True when there is something to warn of.
bool warn(Output& output, const LifecycleComparison& comparison) {
  for (const ComparedRule& rule : comparison.rules) {
    for (const std::string& danger : rule.dangers) {
      output.warning("the bucket's rule '" + printable(rule.id) + "': " + danger);
    }
  }
  return comparison.dangerous();
}

int show(Context& context) {
  const auto store = open_bucket_of_vault(context);
  const std::string url = store->traits().url;
  const View view = look(context, *store);
  Output& output = context.output;
  print_policy(output, view.request);
  output.print(fmt::format("\nrules of {} ({}{})\n", url,
                           view.request.versioned ? "versioned" : "without versions",
                           view.request.locked ? ", objects are locked" : ""));
  for (const ComparedRule& rule : view.comparison.rules) print_rule(output, rule);
  if (!view.plan.notes.empty()) output.note("\n");
  for (const std::string& note : view.plan.notes) output.note("- " + note + "\n");
  output.note(view.comparison.settled() ? "\nthe bucket has what the policy needs\n"
                                        : "\nthe bucket is changed by: holdfast lifecycle apply\n");
  const bool warned = warn(output, view.comparison);
  output.document(view_json(view, url));
  return warned ? kExitWarnings : kExitSuccess;
}

std::vector<LifecycleRule> rules_of(const LifecyclePlan& plan) {
  std::vector<LifecycleRule> rules;
  for (const PlannedRule& planned : plan.rules) rules.push_back(planned.rule);
  return rules;
}

// Some stores take a document and leave out what they do not know.
void write_rules(S3Store& store, View& view) {
  set_bucket_setting(store.client(), kSetting,
                     lifecycle_document(view.comparison.foreign, rules_of(view.plan)));
  const LifecycleComparison after = compare_now(store, view);
  for (const ComparedRule& rule : after.rules) {
    if (rule.state == RuleState::kSame || rule.state == RuleState::kForeign) continue;
    throw Error(Code::kUnsupported,
                fmt::format("the store took the rules and has another '{}' than was written: {}",
                            printable(rule.id), rule.found.empty() ? "none" : rule.found),
                "the store lacks a part of lifecycle rules, or somebody else changes them: look "
                "with holdfast lifecycle show");
  }
  view.comparison = after;
}

int apply(Context& context, const LifecycleOptions& options) {
  const auto store = open_bucket_of_vault(context);
  View view = look(context, *store);
  Output& output = context.output;
  Json changes = Json::array();
  for (const ComparedRule& rule : view.comparison.rules) {
    if (rule.state == RuleState::kSame || rule.state == RuleState::kForeign) continue;
    const char* verb = rule.state == RuleState::kMissing    ? "add"
                       : rule.state == RuleState::kObsolete ? "remove"
                                                            : "change";
    changes.push_back({{"rule", rule.id}, {"change", verb}});
    output.note(fmt::format("{}{} {}: {}\n", options.dry_run ? "would " : "", verb,
                            printable(rule.id), rule.wanted.empty() ? rule.found : rule.wanted));
  }
  if (!options.dry_run && !changes.empty()) write_rules(*store, view);
  if (changes.empty()) output.note("nothing to change: the bucket has what the policy needs\n");
  if (const std::size_t foreign = view.comparison.foreign.size(); foreign > 0) {
    output.note(plural(foreign, "rule") + " of others " +
                (foreign == 1 ? "stays as it is\n" : "stay as they are\n"));
  }
  const bool warned = warn(output, view.comparison);
  Json document = view_json(view, store->traits().url);
  document["changes"] = changes;
  document["dry_run"] = options.dry_run;
  output.document(document);
  return warned ? kExitWarnings : kExitSuccess;
}

}  // namespace

void add_lifecycle_command(Command& root) {
  const auto o = std::make_shared<LifecycleOptions>();
  Command lifecycle =
      root.subcommand("lifecycle", "When a bucket moves objects to cheaper storage");
  lifecycle.require_subcommand().examples({"holdfast lifecycle show",
                                           "holdfast lifecycle apply --dry-run",
                                           "holdfast lifecycle apply"});
  lifecycle
      .subcommand("show", "Show the policy, the rules it becomes and why, and what the bucket has")
      .examples({"holdfast lifecycle show", "holdfast lifecycle show --json"})
      .run([](Context& context) { return show(context); });
  lifecycle.subcommand("apply", "Write the rules into the bucket; rules of others stay")
      .flag("-n,--dry-run", o->dry_run, "Say what would be changed; change nothing")
      .examples({"holdfast lifecycle apply", "holdfast lifecycle apply --dry-run"})
      .run([o](Context& context) { return apply(context, *o); });
}

}  // namespace holdfast
