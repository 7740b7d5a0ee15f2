// holdfast region: what each region has, and replication by the provider.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/region_report.h"
#include "cli/session.h"
#include "store/s3/bucket.h"
#include "store/s3/replication.h"
#include "store/s3/s3_store.h"

namespace holdfast {
namespace {

struct RegionOptions {
  std::string name;
  std::string role;
  bool dry_run = false;
};

int status(Context& context) {
  const RegionReports reports = measure_regions(context, copies_of(context));
  context.output.print(regions_text(context, reports));
  print_region_errors(context, reports);
  context.output.document(
      Json{{"time", format_rfc3339(reports.now)}, {"regions", regions_json(context, reports)}});
  return reports.complete() ? kExitSuccess : kExitWarnings;
}

class Setup {
 public:
  Setup(Context& context, const RegionOptions& options)
      : context_(context), options_(options), copy_(find_copy(context, options.name)) {}

  int run();

 private:
  void check() const;
  void keep_versions(S3Client& client, bool exists);
  ReplicationRule rule(const S3Client& to) const;
  void need_role(const S3Client& from, const std::string& document) const;
  void report(const std::string& document, bool has_content) const;

  Context& context_;
  const RegionOptions& options_;
  const CopyPlace copy_;
  const std::string from_url_ = vault_url(context_);
  const S3Options from_s3_ = store_options(context_, from_url_).s3;
  std::vector<std::string> done_;
  Json versioned_ = Json::array();
};

void Setup::check() const {
  const std::string& to = copy_.settings.url;
  if (!copy_.settings.provider_replicates) {
    throw Error(Code::kUsage, fmt::format("Holdfast itself fills the copy '{}'", options_.name),
                "run holdfast sync; for replication by the provider, add 'replicated_by: provider' "
                "to the copy");
  }
  for (const std::string& url : {from_url_, to}) {
    if (is_s3_url(url)) continue;
    throw Error(Code::kUnsupported, url + " is no bucket, and only buckets replicate",
                "remove 'replicated_by: provider', and let holdfast sync fill the copy");
  }
  if (parse_s3_url(from_url_).prefix != parse_s3_url(to).prefix) {
    throw Error(Code::kInvalid,
                fmt::format("{} and {} have different prefixes, and replication keeps the keys",
                            from_url_, to),
                "give the copy the prefix of the vault");
  }
  if (parse_s3_url(from_url_).bucket == parse_s3_url(to).bucket) {
    throw Error(Code::kUnsupported,
                "the vault and the copy have a bucket of one name, as whole zones replicate it",
                "no rule is needed then; see what arrives with: holdfast region status");
  }
}

void Setup::keep_versions(S3Client& client, bool exists) {
  if (exists && bucket_versioning(client) == Versioning::kEnabled) return;
  if (!options_.dry_run) enable_versioning(client);
  done_.push_back(fmt::format("versioning of {}: switched on", client.bucket()));
  versioned_.push_back(client.bucket());
}

ReplicationRule Setup::rule(const S3Client& to) const {
  ReplicationRule rule;
  rule.id = "holdfast-" + options_.name;
  rule.prefix = parse_s3_url(from_url_).prefix;
  rule.destination = bucket_arn(to.bucket(), to.region());
  if (from_s3_.encryption != S3Encryption::kSseKms) return rule;
  rule.kms_key = copy_.options.s3.kms_key;
  if (rule.kms_key.empty()) {
    throw Error(Code::kInvalid,
                "the vault is encrypted by KMS, and the key in the copy's region is not known",
                fmt::format("add to 'stores': url {}, encryption: sse-kms, kms_key: ARN",
                            copy_.settings.url));
  }
  return rule;
}

// Other stores do without.
void Setup::need_role(const S3Client& from, const std::string& document) const {
  if (!options_.role.empty() || from.endpoint().find(".amazonaws.com") == std::string::npos) return;
  if (!document.empty() && !parse_replication(document).role.empty()) return;
  throw Error(Code::kUsage, "--role is missing: AWS replicates in the name of a role",
              "make one that may read the vault's bucket and replicate into the copy's, and give "
              "--role arn:aws:iam::ACCOUNT:role/NAME");
}

void Setup::report(const std::string& document, bool has_content) const {
  std::string text = options_.dry_run ? "would be done:\n" : "";
  for (const std::string& line : done_) text += "  " + line + "\n";
  if (has_content) {
    text += fmt::format(
        "A rule replicates what is written from now on. What is there already:\n"
        "  holdfast copy --to {}\n",
        options_.name);
  }
  context_.output.print(text + "See what arrives with: holdfast region status\n");
  context_.output.document(Json{{"copy", options_.name},
                                {"from", from_url_},
                                {"to", copy_.settings.url},
                                {"versioning_enabled", versioned_},
                                {"replication", document},
                                {"dry_run", options_.dry_run}});
}

// The document, which can be read; empty when there is none.
std::string present_rules(S3Client& client) {
  const auto answer = bucket_replication(client);
  if (!answer || answer->body.empty()) return {};
  std::string document(as_text(answer->body));
  reading(*answer, [&] { parse_replication(document); });
  return document;
}

int Setup::run() {
  check();
  S3Client from(parse_s3_url(from_url_).bucket, from_s3_, context_.clock, context_.stop);
  S3Client to(parse_s3_url(copy_.settings.url).bucket, copy_.options.s3, context_.clock,
              context_.stop);
  require_bucket(from);
  // First what may be refused, then what changes something.
  const std::string before = present_rules(from);
  need_role(from, before);
  const std::string document = with_replication_rule(before, options_.role, rule(to));
  bool exists = true;
  if (!options_.dry_run) {
    ensure_bucket(to);
  } else {
    S3Request head;
    head.method = "HEAD";
    head.expected = {404};
    exists = to.send(head).http.status != 404;
    if (!exists) done_.push_back("bucket " + to.bucket() + ": made");
  }
  keep_versions(from, true);
  keep_versions(to, exists);
  if (!options_.dry_run) set_bucket_replication(from, document);
  done_.push_back(fmt::format("replication rule holdfast-{} of {}: to {}", options_.name,
                              from.bucket(), to.bucket()));
  OpenStoreOptions reading = store_options(context_, from_url_);
  reading.read_only = true;
  report(document, vault_id_of(*open_store(from_url_, reading)).has_value());
  return kExitSuccess;
}

}  // namespace

void add_region_command(Command& root) {
  const auto o = std::make_shared<RegionOptions>();
  Command region = root.subcommand("region", "What each region has, and how it is filled");
  region.require_subcommand().examples(
      {"holdfast region status", "holdfast region setup west --role ARN --dry-run"});
  region.subcommand("status", "Backups, lag and recovery points of the vault and its copies")
      .examples({"holdfast region status", "holdfast region status --json"})
      .run(status);
  region.subcommand("setup", "Have the provider replicate the vault's bucket to a copy")
      .argument("NAME", o->name, true, "The copy, with 'replicated_by: provider'")
      .text("--role", o->role, "ARN of the role in whose name the provider replicates (AWS)")
      .flag("-n,--dry-run", o->dry_run, "Say what would be done; change nothing")
      .examples({"holdfast region setup west --role arn:aws:iam::123456789012:role/replication",
                 "holdfast region setup west --dry-run"})
      .run([o](Context& context) { return Setup(context, *o).run(); });
}

}  // namespace holdfast
