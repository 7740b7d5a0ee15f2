// holdfast check: finds a wrong set-up before the first backup does.
#include "source/postgres/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "os/file.h"
#include "protect/database_job.h"
#include "protect/log_span.h"
#include "settings/values.h"
#include "source/mariadb/check.h"
#include "store/s3/probe.h"

namespace holdfast {
namespace {

struct CheckOptions {
  std::vector<std::string> sources;
};

struct Tally {
  Json json = Json::array();
  std::uint64_t bad = 0;
};

const char* word(Verdict verdict) {
  return verdict == Verdict::kGood ? "ok" : verdict == Verdict::kAdvice ? "advice" : "BAD";
}

void report(Context& context, const std::string& subject, const SetupFinding& finding,
            Tally& tally) {
  context.output.print(fmt::format("  {:<7} {}\n", word(finding.verdict), finding.what));
  if (!finding.hint.empty()) context.output.print("          " + finding.hint + "\n");
  tally.json.push_back({{"subject", subject},
                        {"verdict", word(finding.verdict)},
                        {"what", finding.what},
                        {"hint", finding.hint}});
  if (finding.verdict == Verdict::kBad) ++tally.bad;
}

std::vector<SetupFinding> check_paths(const SourceSettings& source) {
  std::vector<SetupFinding> findings;
  for (const std::string& path : source.paths) {
    if (path_exists(path)) {
      findings.push_back({Verdict::kGood, printable(path) + " is there", ""});
    } else {
      findings.push_back({Verdict::kBad, "there is no " + printable(path), "correct its path"});
    }
  }
  if (findings.empty()) findings.push_back({Verdict::kGood, "nothing to be checked", ""});
  return findings;
}

PgDumpedGlobals dumped_globals(const SourceSettings& source) {
  if (source.format != BackupFormat::kArchive) return {};
  return {source.postgresql->databases.size() != 1, !source.archive.recipients.empty()};
}

// Two servers wrote to it, or still do: better known now than in a recovery.
void check_branches(const Vault& vault, const SourceSettings& source,
                    std::vector<SetupFinding>& findings, const std::stop_token& stop) {
  if (!vault.ring().can_read()) return;  // where timelines part is sealed
  const auto newest = newest_backup(vault, source);
  if (!newest) return;
  for (const LogSpan& span : log_spans(vault, {read_backup(vault, *newest).summary}, stop)) {
    if (span.others.empty()) continue;
    findings.push_back(
        {Verdict::kAdvice,
         fmt::format("recoveries end on timeline {}{}", span.timeline, branches_text(span.others)),
         "see which server writes there, and set archive_mode = off in the one that should not"});
  }
}

// `vault`: null when it cannot be opened, which has been said.
std::vector<SetupFinding> check_server(Context& context, const SourceSettings& source,
                                       const Vault* vault) {
  std::optional<PgBackedUp> before;
  std::vector<SetupFinding> findings;
  try {
    if (vault != nullptr) {
      before = newest_cluster(*vault, source);
      check_branches(*vault, source, findings, context.stop);
    }
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    findings.push_back({Verdict::kBad, error.message(), error.hint()});
  }
  const auto more =
      check_postgres(*source.postgresql, source.name, before, dumped_globals(source), context.stop);
  findings.insert(findings.end(), more.begin(), more.end());
  return findings;
}

std::vector<SetupFinding> check_source(Context& context, const SourceSettings& source,
                                       const Vault* vault) {
  if (source.postgresql) return check_server(context, source, vault);
  if (source.mariadb) return check_mariadb(*source.mariadb, context.stop);
  return check_paths(source);
}

// What archives alone need: neither a vault nor a key.
std::vector<SetupFinding> check_archive_store(Context& context) {
  try {
    const auto store = open_archive_store(context, Access::kRead);
    return {{Verdict::kGood, store->traits().url + " can be reached: archives need no vault", ""}};
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    if (error.code() != Code::kNotFound) return {{Verdict::kBad, error.message(), error.hint()}};
    return {{Verdict::kAdvice, error.message() + ": the first backup makes it",
             "make sure that the address is right"}};
  }
}

std::vector<SetupFinding> check_vault(Context& context, const std::vector<SourceSettings>& sources,
                                      OpenedVault& opened) {
  const bool archives_alone =
      !sources.empty() && std::all_of(sources.begin(), sources.end(), [](const auto& source) {
        return source.format == BackupFormat::kArchive;
      });
  if (archives_alone) return check_archive_store(context);
  try {
    opened = open_vault(context, Access::kRead);
    return {{Verdict::kGood,
             fmt::format("{} opens with this {} key", opened.store->traits().url,
                         role_name(opened.vault->ring().role)),
             ""}};
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    return {{Verdict::kBad, error.message(), error.hint()}};
  }
}

// Some stores ignore it without a word; only writing tells.
std::vector<SetupFinding> check_encryption(Context& context) {
  try {
    const std::string url = vault_url(context);
    const S3Options options = store_options(context, url).s3;
    if (!is_s3_url(url) || options.encryption == S3Encryption::kNone || options.as_of) return {};
    S3Store bucket(url, options, context.clock, context.stop);
    if (const auto trouble = trouble_with_encryption(bucket)) {
      return {{Verdict::kAdvice, trouble->message(), trouble->hint()}};
    }
    return {{Verdict::kGood, "the store encrypts what is written", ""}};
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    return {};  // no vault, no way there or no right to write, which has been said or is no harm
  }
}

// The configuration cannot know of a vault that is given elsewhere.
std::vector<SetupFinding> check_copies(Context& context) {
  std::vector<SetupFinding> findings;
  std::string vault;
  try {
    vault = store_place(vault_url(context));
  } catch (const Error&) {
    return {};  // there is none, which has been said
  }
  for (const CopySettings& copy : context.settings().copies) {
    if (!copy.endpoint.empty() || store_place(copy.url) != vault) continue;
    findings.push_back(
        {Verdict::kBad,
         fmt::format("the copy '{}' is the vault itself: {}", copy.name, printable(copy.url)),
         "a copy protects only when it lies somewhere else: correct its url"});
  }
  return findings;
}

int run(Context& context, const CheckOptions& options) {
  Tally tally;
  const auto check = [&](const std::string& subject, const std::vector<SetupFinding>& findings) {
    context.output.print(subject + "\n");
    for (const SetupFinding& finding : findings) report(context, subject, finding, tally);
  };
  std::vector<SourceSettings> sources = context.settings().sources;
  if (!options.sources.empty()) {
    sources.clear();
    for (const std::string& name : options.sources) {
      sources.push_back(find_source(context.settings(), name));
    }
  }
  OpenedVault opened;
  std::vector<SetupFinding> about_vault = check_vault(context, sources, opened);
  for (SetupFinding& one : check_encryption(context)) about_vault.push_back(std::move(one));
  check("vault", about_vault);
  if (const auto findings = check_copies(context); !findings.empty()) check("copies", findings);
  for (const SourceSettings& source : sources) {
    check(source.name, check_source(context, source, opened.vault.get()));
  }
  Json document{{"findings", tally.json}, {"bad", tally.bad}};
  if (tally.bad == 0) {
    context.output.document(document);
    return kExitSuccess;
  }
  const Error error(Code::kInvalid, plural(tally.bad, "thing") + " would keep backups from working",
                    "do what stands below each BAD, then check again");
  context.output.error(error);
  document["error"] = error_json(error);
  context.output.document(document);
  return exit_code(error.code());
}

}  // namespace

void add_check_command(Command& root) {
  const auto o = std::make_shared<CheckOptions>();
  root.subcommand("check", "Find what would keep backups from working")
      .arguments("SOURCE", o->sources, false, "Names of sources (default: all)")
      .examples({"holdfast check", "holdfast check appdb"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
