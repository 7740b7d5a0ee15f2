// holdfast list: the backups of a vault.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/archive_run.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "cli/span_text.h"
#include "cli/summaries.h"
#include "protect/log_span.h"
#include "protect/validate.h"

namespace holdfast {
namespace {

struct ListOptions {
  std::string backup_class;
  std::vector<std::string> sources;
  std::string since;
  std::string until;
};

// Whether what has this class, source and time was asked for.
class Choice {
 public:
  Choice(Context& context, const ListOptions& options) : options_(options) {
    const Timestamp now = context.clock.now();
    if (!options.since.empty()) since_ = parse_moment(options.since, now);
    if (!options.until.empty()) until_ = parse_moment(options.until, now);
  }

  bool takes(const std::string& backup_class, const std::vector<std::string>& names,
             Timestamp time) const {
    const auto& sources = options_.sources;
    const bool source =
        sources.empty() || std::find_first_of(sources.begin(), sources.end(), names.begin(),
                                              names.end()) != sources.end();
    return source && time >= since_ && time <= until_ &&
           (options_.backup_class.empty() || backup_class == options_.backup_class);
  }

 private:
  const ListOptions& options_;
  Timestamp since_ = Timestamp::min();
  Timestamp until_ = Timestamp::max();
};

std::vector<BackupName> chosen(const Choice& choice, std::vector<BackupName> names) {
  std::erase_if(names, [&](const BackupName& name) {
    return !choice.takes(name.backup_class, {name.source}, name.time);
  });
  return names;
}

// The source's name also chooses the dumps of its databases.
std::vector<StoredArchive> chosen_archives(Context& context, const Choice& choice,
                                           ObjectStore& store) {
  std::vector<StoredArchive> archives = list_archives(store);
  std::erase_if(archives, [&](const StoredArchive& archive) {
    const SourceSettings* source = source_of_archive(context.settings(), archive.name);
    return !choice.takes(archive.name.archive_class,
                         {archive.name.source, source == nullptr ? "" : source->name},
                         archive.name.time);
  });
  return archives;
}

Json print_archives(Context& context, const std::vector<StoredArchive>& archives,
                    const VerifiedTimes& verified) {
  Json rows = Json::array();
  Table table({"ARCHIVE", "CLASS", "SOURCE", "TIME (UTC)", ">SIZE", "SEALED", "VERIFIED"});
  for (const StoredArchive& archive : archives) {
    const ArchiveName& name = archive.name;
    const auto found = verified.find(name.file());
    Json row = archive_json(archive);
    row["verified"] = found == verified.end() ? Json() : Json(iso_time(found->second));
    rows.push_back(std::move(row));
    table.add({name.file(), name.archive_class, name.source, minute_text(name.time),
               format_size(archive.size), name.sealed ? "yes" : "no",
               found == verified.end() ? "never" : format_date(found->second)});
  }
  if (!archives.empty()) context.output.print(table.text());
  return rows;
}

Json row_json(const BackupName& name, const ReadSummary& read, const VerifiedTimes& verified) {
  Json row = read.summary ? summary_json(*read.summary) : name_json(name);
  row["damaged"] = !read.summary.has_value();
  if (!read.summary) row["problem"] = read.problem;
  const auto found = verified.find(name.id());
  row["verified"] = found == verified.end() ? Json() : Json(iso_time(found->second));
  return row;
}

std::vector<std::string> row_cells(const BackupName& name, const ReadSummary& read,
                                   const VerifiedTimes& verified) {
  const auto found = verified.find(name.id());
  std::vector<std::string> cells{name.id(), name.backup_class, name.source, minute_text(name.time)};
  if (!read.summary) {
    cells.insert(cells.end(), {"damaged", "", "", ""});
    return cells;
  }
  cells.push_back(format_size(read.summary->bytes));
  cells.push_back(format_size(read.summary->added_bytes));
  cells.push_back(format_duration(read.summary->finished - read.summary->started));
  cells.push_back(found == verified.end() ? "never" : format_date(found->second));
  return cells;
}

// What the logs add to the backups themselves.
Json print_spans(Context& context, const Vault& vault, const std::vector<ReadSummary>& summaries) {
  std::vector<BackupSummary> readable;
  for (const ReadSummary& one : summaries) {
    if (one.summary) readable.push_back(*one.summary);
  }
  Json spans = Json::array();
  for (const LogSpan& span : log_spans(vault, readable, context.stop)) {
    context.output.print(span_text(span));
    spans.push_back(span_json(span));
  }
  return spans;
}

// A backup that is whole, of a database that was not.
void print_damaged_pages(Context& context, const std::vector<ReadSummary>& summaries) {
  for (const ReadSummary& one : summaries) {
    if (!one.summary || damaged_pages(*one.summary) == 0) continue;
    const std::string id = one.summary->name.id();
    context.output.print(fmt::format("{}: {} in the database when it was read (holdfast show {})\n",
                                     id, plural(damaged_pages(*one.summary), "damaged page"), id));
  }
}

// Needs no key.
int list_archives_alone(Context& context, const ListOptions& options, ObjectStore& store) {
  const auto archives = chosen_archives(context, Choice(context, options), store);
  if (archives.empty()) context.output.note("no backups\n");
  context.output.document(Json{{"backups", Json::array()},
                               {"archives", print_archives(context, archives, {})},
                               {"recoverable", Json::array()}});
  return kExitSuccess;
}

int run_list(Context& context, const ListOptions& options) {
  auto store = open_any_store(context, Access::kRead);
  if (!vault_id_of(*store)) return list_archives_alone(context, options, *store);
  const OpenedVault opened = open_vault(context, std::move(store));
  const Choice choice(context, options);
  const auto names = chosen(choice, list_backups(*opened.store));
  const auto archives = chosen_archives(context, choice, *opened.store);
  const auto summaries = read_summaries(*opened.vault, names, context.stop);
  const VerifiedTimes verified = verified_by_id(*opened.store);
  Table table({"ID", "CLASS", "SOURCE", "TIME (UTC)", ">SIZE", ">ADDED", ">TOOK", "VERIFIED"});
  Json rows = Json::array();
  std::uint64_t damaged = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    rows.push_back(row_json(names[i], summaries[i], verified));
    table.add(row_cells(names[i], summaries[i], verified));
    if (summaries[i].summary) continue;
    ++damaged;
    context.output.warning(fmt::format("{}: {}", names[i].id(), summaries[i].problem));
  }
  if (names.empty() && archives.empty()) context.output.note("no backups\n");
  if (!names.empty()) context.output.print(table.text());
  print_damaged_pages(context, summaries);
  const Json archive_rows = print_archives(context, archives, verified);
  const Json spans = print_spans(context, *opened.vault, summaries);
  context.output.document(
      Json{{"backups", rows}, {"archives", archive_rows}, {"recoverable", spans}});
  if (damaged == 0) return kExitSuccess;
  context.output.message(fmt::format(
      "holdfast: {} damaged\n  see what can be done with: holdfast repair --from URL-OF-A-COPY",
      damaged == 1 ? "1 backup is" : format_count(damaged) + " backups are"));
  return exit_code(Code::kCorrupt);
}

}  // namespace

void add_list_command(Command& root) {
  const auto options = std::make_shared<ListOptions>();
  root.subcommand("list", "List backups, the newest last")
      .choice("--class", options->backup_class, {"database", "files", "config"},
              "Only this class: database, files, config")
      .texts("--source", options->sources, "Only this source (may be repeated)")
      .text("--since", options->since, "Only from then: 7d, 2025-11-10, or RFC 3339")
      .text("--until", options->until, "Only up to then")
      .examples({"holdfast list", "holdfast list --class files --since 7d",
                 "holdfast list --source web --json"})
      .run([options](Context& context) { return run_list(context, *options); });
}

}  // namespace holdfast
