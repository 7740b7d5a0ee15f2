// holdfast find: in which backups a file is.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "base/human.h"
#include "base/ignore.h"
#include "base/path.h"
#include "cli/backup_json.h"
#include "cli/browse.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"

namespace holdfast {
namespace {

struct FindOptions {
  std::vector<std::string> patterns;
  std::vector<std::string> backups;
  std::vector<std::string> sources;
  std::string type;
  std::string since;
  std::string until;
};

// A pattern with a '/' is of paths, others are of names.
bool matches(const std::vector<std::string>& patterns, const std::string& path) {
  return std::any_of(patterns.begin(), patterns.end(), [&](std::string_view pattern) {
    if (pattern.find('/') == std::string_view::npos) return glob_matches(pattern, base_name(path));
    if (pattern.starts_with('/')) pattern.remove_prefix(1);
    while (pattern.ends_with('/')) pattern.remove_suffix(1);
    return glob_matches(pattern, path);
  });
}

bool has_type(const std::string& type, EntryType entry) {
  if (type.empty()) return true;
  if (type == "f") return entry == EntryType::kFile;
  return type == "d" ? entry == EntryType::kDirectory : entry == EntryType::kSymlink;
}

std::vector<BackupName> chosen(Context& context, const FindOptions& options,
                               const std::vector<BackupName>& all) {
  if (!options.backups.empty()) {
    std::vector<BackupName> names;
    for (const std::string& wanted : options.backups) names.push_back(find_backup(all, wanted));
    return names;
  }
  const Timestamp now = context.clock.now();
  const auto since = options.since.empty() ? Timestamp::min() : parse_moment(options.since, now);
  const auto until = options.until.empty() ? Timestamp::max() : parse_moment(options.until, now);
  std::vector<BackupName> names;
  std::copy_if(all.begin(), all.end(), std::back_inserter(names), [&](const BackupName& name) {
    return name.time >= since && name.time <= until &&
           (options.sources.empty() || std::find(options.sources.begin(), options.sources.end(),
                                                 name.source) != options.sources.end());
  });
  return names;
}

class Finder {
 public:
  Finder(Context& context, const FindOptions& options, ChunkReader& reader)
      : context_(context), options_(options), reader_(reader) {}

  // The entries of a backup that fit.
  std::vector<Entry> find(const StoredBackup& backup);

 private:
  const std::vector<Entry>& in_leaf(const Ref& page);
  EntryType real_type(const Entry& entry);

  Context& context_;
  const FindOptions& options_;
  ChunkReader& reader_;
  // Backups share most of their pages: each is searched once.
  std::unordered_map<ChunkId, std::vector<Entry>, ChunkIdHash> searched_;
  // What hard links may be of, besides files. First names come first.
  std::unordered_map<std::string, EntryType> special_;
};

// Of a hard link, what it is a further name of.
EntryType Finder::real_type(const Entry& entry) {
  if (options_.type.empty() || entry.type == EntryType::kDirectory) return entry.type;
  if (entry.type == EntryType::kHardlink) {
    const auto first = special_.find(entry.link_target);
    return first == special_.end() ? EntryType::kFile : first->second;
  }
  if (entry.type == EntryType::kFile) {
    special_.erase(entry.path);  // in another backup it was something else
  } else {
    special_[entry.path] = entry.type;
  }
  return entry.type;
}

const std::vector<Entry>& Finder::in_leaf(const Ref& page) {
  const auto [known, fresh] = searched_.try_emplace(page.id);
  if (!fresh) return known->second;
  for (DecodedEntry& decoded : read_leaf(reader_, page).entries) {
    if (has_type(options_.type, real_type(decoded.entry)) &&
        matches(options_.patterns, decoded.entry.path)) {
      known->second.push_back(std::move(decoded.entry));
    }
  }
  return known->second;
}

std::vector<Entry> Finder::find(const StoredBackup& backup) {
  std::vector<Entry> found;
  for (const Ref& page : leaves_within(reader_, backup.root->tree, "")) {
    context_.check_stop();
    const auto& entries = in_leaf(page);
    found.insert(found.end(), entries.begin(), entries.end());
  }
  return found;
}

int run(Context& context, const FindOptions& options) {
  const OpenedVault opened = open_vault(context, Access::kRead);
  require_reader(*opened.vault);
  const auto names = chosen(context, options, list_backups(*opened.store));
  ChunkReader reader(*opened.vault);
  Finder finder(context, options, reader);
  Json results = Json::array();
  std::uint64_t total = 0;
  int code = kExitSuccess;
  for (const BackupName& name : names) {
    try {
      const std::vector<Entry> found = finder.find(read_backup(*opened.vault, name));
      if (found.empty()) continue;
      total += found.size();
      context.output.print(name.id() + "\n");
      Json entries = Json::array();
      for (const Entry& entry : found) {
        context.output.print("  " + long_line(entry) + "\n");
        if (context.output.json()) entries.push_back(entry_json(entry));
      }
      results.push_back({{"backup", name_json(name)}, {"entries", std::move(entries)}});
    } catch (const Error& error) {
      // One damaged backup must not hide what is in the others.
      if (error.code() != Code::kCorrupt) throw;
      context.output.warning(name.id() + ": " + error.message());
      code = exit_code(Code::kCorrupt);
    }
  }
  context.output.note(total == 0 ? "nothing found in " + plural(names.size(), "backup") + "\n"
                                 : "");
  context.output.document(Json{{"results", results}, {"found", total}});
  if (code != kExitSuccess) return code;
  return total > 0 ? kExitSuccess : exit_code(Code::kNotFound);
}

}  // namespace

void add_find_command(Command& root) {
  const auto o = std::make_shared<FindOptions>();
  root.subcommand("find", "Find files by name or path in all backups")
      .arguments("PATTERN", o->patterns, true,
                 "A name or glob; with a '/' it is of whole paths ('**' crosses directories)")
      .texts("--backup", o->backups, "Only in this backup (may be repeated)")
      .texts("--source", o->sources, "Only in backups of this source (may be repeated)")
      .choice("--type", o->type, {"f", "d", "l"}, "f files, d directories, l symbolic links")
      .text("--since", o->since, "Only in backups from then: 7d, 2025-11-10, or RFC 3339")
      .text("--until", o->until, "Only in backups up to then")
      .examples({"holdfast find hosts", "holdfast find '*.conf' --source host --since 7d",
                 "holdfast find '/etc/**/*.key' --type f"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
