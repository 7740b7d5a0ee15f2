// holdfast store: what a bucket can do for Holdfast, and what a key needs to be allowed.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "store/s3/client.h"
#include "store/s3/policy.h"
#include "store/s3/probe.h"

namespace holdfast {
namespace {

// Who checks wants to know now.
constexpr Duration kRetryFor = std::chrono::seconds{15};

struct CheckOptions {
  std::string url;
  std::string role;
  bool policies = false;
};

std::string_view state_text(Feature::State state) {
  switch (state) {
    case Feature::State::kWorks:
      return "works";
    case Feature::State::kMissing:
      return "missing";
    case Feature::State::kDenied:
      return "denied";
    case Feature::State::kFailed:
      break;
  }
  return "failed";
}

std::string line_of(const Feature& feature) {
  const bool works = feature.state == Feature::State::kWorks;
  std::string line = fmt::format("{:<7}  {}", state_text(feature.state), feature.name);
  if (works) return feature.detail.empty() ? line + "\n" : line + ": " + feature.detail + "\n";
  line += feature.needed ? " (needed)\n" : "\n";
  line += fmt::format("         {}\n         {}\n", feature.detail, feature.consequence);
  return line;
}

Json json_of(const Feature& feature) {
  Json json{{"name", feature.name},
            {"state", state_text(feature.state)},
            {"needed", feature.needed},
            {"detail", feature.detail}};
  if (feature.state != Feature::State::kWorks) {
    json["consequence"] = feature.consequence;
    json["code"] = code_name(feature.code);
  }
  return json;
}

// The least policy of each role, or of the wanted one.
Json policies_for(const S3Store& store, const std::string& wanted = {}) {
  const S3Client& client = store.client();
  const PolicyPlace place =
      policy_place(client.bucket(), store.prefix(), client.options(), client.endpoint());
  Json all = Json::object();
  for (const PolicyRole role : policy_roles()) {
    const std::string name(policy_role_name(role));
    if (!wanted.empty() && name != wanted) continue;
    all[name] = Json::parse(policy_json(least_policy(role, place)));
  }
  return all;
}

int print_check(Context& context, S3Store& store) {
  Json features = Json::array();
  const auto seen = [&](const Feature& feature) {
    context.output.print(line_of(feature));
    features.push_back(json_of(feature));
  };
  const StoreVerdict verdict = judge_features(probe_store(store, seen));
  const std::string url = store.traits().url;
  context.output.print(fmt::format("\n{}: {}\n", url, verdict.text));
  if (!verdict.clean) {
    context.output.warning(Error(Code::kConflict, "the check left objects in the bucket: see '" +
                                                      std::string(kCleanUp) + "' above"));
  }
  context.output.note("The least policy of each role: holdfast store check " + url +
                      " --policies\n");
  context.output.document(Json{{"url", url},
                               {"endpoint", store.client().endpoint()},
                               {"usable", verdict.usable},
                               {"roles", verdict.roles},
                               {"verdict", verdict.text},
                               {"features", features},
                               {"policies", policies_for(store)}});
  if (!verdict.usable) return exit_code(verdict.code);
  return verdict.clean ? kExitSuccess : kExitWarnings;
}

int print_policies(Context& context, const S3Store& store, const std::string& wanted) {
  const Json all = policies_for(store, wanted);
  for (const auto& [name, policy] : all.items()) {
    const std::string text = policy.dump(2);
    // With one role, a file that the store's own tools take.
    context.output.print(wanted.empty() ? fmt::format("# {}\n{}\n\n", name, text) : text + "\n");
  }
  context.output.document(Json{{"url", store.traits().url}, {"policies", all}});
  return kExitSuccess;
}

int run(Context& context, const CheckOptions& options) {
  const std::string url = options.url.empty() ? vault_url(context) : options.url;
  if (!is_s3_url(url)) {
    throw Error(Code::kUsage, url + " is a directory, which needs no check",
                "name a bucket: holdfast store check s3://BUCKET[/PREFIX]");
  }
  if (!context.options.as_of.empty()) {
    throw Error(Code::kUsage, "--as-of only reads, and the check writes", "leave --as-of away");
  }
  S3Options s3 = store_options(context, url).s3;
  s3.retry_for = std::min(s3.retry_for, kRetryFor);
  S3Store store(url, s3, context.clock, context.stop);
  if (options.policies || !options.role.empty()) {
    return print_policies(context, store, options.role);
  }
  return print_check(context, store);
}

}  // namespace

void add_store_command(Command& root) {
  const auto o = std::make_shared<CheckOptions>();
  Command store = root.subcommand("store", "What a bucket and its key can do");
  store.require_subcommand().examples({"holdfast store check s3://BUCKET"});
  store.subcommand("check", "Try everything that Holdfast needs of a bucket; leaves nothing there")
      .argument("URL", o->url, false, "s3://BUCKET[/PREFIX]; else the vault")
      .flag("--policies", o->policies, "Print the least policy of each role; asks nobody")
      .choice("--role", o->role, {"writer", "operator", "restorer", "copier"},
              "Print the least policy of this role alone")
      .examples({"holdfast store check s3://backups",
                 "holdfast store check s3://backups --policies",
                 "holdfast store check s3://backups --role writer > writer.json"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
