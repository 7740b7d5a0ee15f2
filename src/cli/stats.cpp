// holdfast stats: what a vault holds and what deduplication and compression made of it.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/backup_json.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "cli/summaries.h"
#include "vault/log_name.h"

namespace holdfast {
namespace {

struct Totals {
  std::uint64_t backups = 0;
  std::uint64_t bytes = 0;
  std::uint64_t added_raw_bytes = 0;
  std::uint64_t added_bytes = 0;

  void add(const BackupSummary& s) {
    ++backups;
    bytes += s.bytes;
    added_raw_bytes += s.added_raw_bytes;
    added_bytes += s.added_bytes;
  }
};

struct Stored {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;

  void add(const ObjectInfo& info) {
    ++objects;
    bytes += info.size;
  }
};

struct Stats {
  Totals all;
  std::map<std::pair<std::string, std::string>, Totals> by_source;  // class and source
  std::map<std::string, Stored> by_prefix;                          // first part of the keys
  std::map<std::pair<std::string, std::string>, Stored> logs;       // source and stream
  std::uint64_t damaged = 0;
  std::uint64_t segments = 0;
  std::uint64_t chunks = 0;
};

double ratio(std::uint64_t large, std::uint64_t small) {
  return small == 0 ? 0 : static_cast<double>(large) / static_cast<double>(small);
}

Stats collect(Context& context, const OpenedVault& opened) {
  Stats stats;
  const auto names = list_backups(*opened.store);
  for (const ReadSummary& read : read_summaries(*opened.vault, names, context.stop)) {
    if (!read.summary) {
      ++stats.damaged;
      continue;
    }
    stats.all.add(*read.summary);
    stats.by_source[{read.summary->name.backup_class, read.summary->name.source}].add(
        *read.summary);
  }
  opened.store->list("", [&](const ObjectInfo& info) {
    context.check_stop();
    stats.by_prefix[info.key.substr(0, info.key.find('/'))].add(info);
    if (const auto log = parse_log_key(info.key)) stats.logs[{log->source, log->stream}].add(info);
  });
  const auto index = opened.vault->load_index();
  stats.segments = index->segments().size();
  stats.chunks = index->chunks();
  for (const std::string& problem : index->problems()) context.output.warning(problem);
  return stats;
}

Json totals_json(const Totals& t) {
  return {{"backups", t.backups},
          {"bytes", t.bytes},
          {"added_raw_bytes", t.added_raw_bytes},
          {"added_bytes", t.added_bytes},
          {"deduplication_ratio", ratio(t.bytes, t.added_raw_bytes)},
          {"compression_ratio", ratio(t.added_raw_bytes, t.added_bytes)}};
}

Json stats_json(const Stats& stats) {
  Json sources = Json::array();
  for (const auto& [name, totals] : stats.by_source) {
    Json source{{"class", name.first}, {"source", name.second}};
    source.update(totals_json(totals));
    sources.push_back(std::move(source));
  }
  Json stored = Json::object();
  std::uint64_t bytes = 0;
  for (const auto& [prefix, one] : stats.by_prefix) {
    stored[prefix] = {{"objects", one.objects}, {"bytes", one.bytes}};
    bytes += one.bytes;
  }
  Json json = totals_json(stats.all);
  json["damaged_backups"] = stats.damaged;
  json["stored_bytes"] = bytes;
  json["stored"] = stored;
  json["logs"] = Json::array();
  for (const auto& [name, one] : stats.logs) {
    json["logs"].push_back({{"source", name.first},
                            {"stream", name.second},
                            {"objects", one.objects},
                            {"bytes", one.bytes}});
  }
  json["index_segments"] = stats.segments;
  json["chunks"] = stats.chunks;
  json["sources"] = sources;
  return json;
}

std::string stats_text(const Stats& stats) {
  Table sources(
      {"CLASS", "SOURCE", ">BACKUPS", ">SIZE", ">NEW", ">STORED", ">DEDUP", ">COMPRESSION"});
  const auto row = [&](const std::string& backup_class, const std::string& source,
                       const Totals& t) {
    sources.add({backup_class, source, format_count(t.backups), format_size(t.bytes),
                 format_size(t.added_raw_bytes), format_size(t.added_bytes),
                 fmt::format("{:.1f}x", ratio(t.bytes, t.added_raw_bytes)),
                 fmt::format("{:.1f}x", ratio(t.added_raw_bytes, t.added_bytes))});
  };
  for (const auto& [name, totals] : stats.by_source) row(name.first, name.second, totals);
  row("all", "", stats.all);
  Table objects({"OBJECTS", ">NUMBER", ">SIZE"});
  Stored total;
  for (const auto& [prefix, one] : stats.by_prefix) {
    objects.add({prefix, format_count(one.objects), format_size(one.bytes)});
    total.objects += one.objects;
    total.bytes += one.bytes;
  }
  objects.add({"all", format_count(total.objects), format_size(total.bytes)});
  Table logs({"LOG OF", "SERVER", ">FILES", ">SIZE"});
  for (const auto& [name, one] : stats.logs) {
    logs.add({name.first, name.second, format_count(one.objects), format_size(one.bytes)});
  }
  return sources.text() + "\n" + objects.text() + "\n" +
         (stats.logs.empty() ? "" : logs.text() + "\n") +
         fmt::format("{} in {}\n", plural(stats.chunks, "chunk"),
                     plural(stats.segments, "index segment"));
}

int run_stats(Context& context) {
  const OpenedVault opened = open_vault(context, Access::kRead);
  const Stats stats = collect(context, opened);
  Json document{{"vault", to_hex(opened.vault->parameters().id)},
                {"url", opened.store->traits().url},
                {"created", opened.vault->parameters().created}};
  document.update(stats_json(stats));
  context.output.note(fmt::format("vault {} in {}, made {}\n\n",
                                  to_hex(opened.vault->parameters().id), opened.store->traits().url,
                                  opened.vault->parameters().created));
  context.output.print(stats_text(stats));
  context.output.document(document);
  if (stats.damaged == 0) return kExitSuccess;
  context.output.warning(plural(stats.damaged, "damaged backup") + "; see: holdfast list");
  return exit_code(Code::kCorrupt);
}

}  // namespace

void add_stats_command(Command& root) {
  root.subcommand("stats", "Sizes, deduplication and compression of a vault")
      .examples({"holdfast stats", "holdfast stats --json"})
      .run(run_stats);
}

}  // namespace holdfast
