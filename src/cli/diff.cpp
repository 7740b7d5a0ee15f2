// holdfast diff: what changed between two backups.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "cli/backup_json.h"
#include "cli/browse.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"

namespace holdfast {
namespace {

struct DiffOptions {
  std::string first;
  std::string second;
  std::string path;
};

// How an entry changed; the letters of the output.
constexpr char kAdded = '+';
constexpr char kRemoved = '-';
constexpr char kContent = 'M';
constexpr char kMetadata = 'm';
constexpr char kSame = ' ';

char compare(const LeafStream::Item& a, const LeafStream::Item& b) {
  const bool same_content =
      a.entry->type == b.entry->type && a.entry->size == b.entry->size &&
      a.entry->link_target == b.entry->link_target && a.entry->device == b.entry->device &&
      std::equal(a.chunks.begin(), a.chunks.end(), b.chunks.begin(), b.chunks.end());
  if (!same_content) return kContent;
  return *a.entry == *b.entry ? kSame : kMetadata;
}

class Diff {
 public:
  Diff(Context& context, std::string path) : context_(context), path_(std::move(path)) {}

  void run(ChunkReader& reader, const Ref& first, const Ref& second);
  Json json() const;
  std::string totals() const;

 private:
  void note(char change, const Entry& entry, std::int64_t bytes);

  Context& context_;
  std::string path_;
  Json entries_ = Json::array();
  std::uint64_t added_ = 0, removed_ = 0, changed_ = 0, metadata_ = 0;
  std::int64_t growth_ = 0;
};

void Diff::note(char change, const Entry& entry, std::int64_t bytes) {
  if (change == kSame || !is_within(entry.path, path_)) return;
  std::uint64_t& count = change == kAdded     ? added_
                         : change == kRemoved ? removed_
                         : change == kContent ? changed_
                                              : metadata_;
  ++count;
  growth_ += bytes;
  context_.output.print(fmt::format("{} {}\n", change, short_line(entry)));
  if (!context_.output.json()) return;
  const char* name = change == kAdded     ? "added"
                     : change == kRemoved ? "removed"
                     : change == kContent ? "changed"
                                          : "metadata";
  Json object{{"change", name}, {"type", type_name(entry.type)}};
  set_path(object, "path", "/" + entry.path);
  object["bytes"] = bytes;
  entries_.push_back(std::move(object));
}

// Two sorted streams, merged. Pages that both trees have hold the same entries and are not read.
void Diff::run(ChunkReader& reader, const Ref& first, const Ref& second) {
  std::vector<Ref> left = leaves_within(reader, first, path_);
  std::vector<Ref> right = leaves_within(reader, second, path_);
  std::unordered_set<ChunkId, ChunkIdHash> in_left;
  std::unordered_set<ChunkId, ChunkIdHash> in_both;
  for (const Ref& page : left) in_left.insert(page.id);
  for (const Ref& page : right) {
    if (in_left.contains(page.id)) in_both.insert(page.id);
  }
  const auto shared = [&in_both](const Ref& page) { return in_both.contains(page.id); };
  std::erase_if(left, shared);
  std::erase_if(right, shared);
  LeafStream a(reader, std::move(left));
  LeafStream b(reader, std::move(right));
  const auto size = [](const LeafStream::Item& item) {
    return item.entry->type == EntryType::kFile ? static_cast<std::int64_t>(item.entry->size) : 0;
  };
  for (;;) {
    context_.check_stop();
    const auto old_item = a.current();
    const auto new_item = b.current();
    if (!old_item && !new_item) return;
    const auto order = !old_item   ? std::strong_ordering::greater
                       : !new_item ? std::strong_ordering::less
                                   : compare_paths(old_item->entry->path, new_item->entry->path);
    if (order < 0) {
      note(kRemoved, *old_item->entry, -size(*old_item));
      a.advance();
    } else if (order > 0) {
      note(kAdded, *new_item->entry, size(*new_item));
      b.advance();
    } else {
      note(compare(*old_item, *new_item), *new_item->entry, size(*new_item) - size(*old_item));
      a.advance();
      b.advance();
    }
  }
}

Json Diff::json() const {
  return {{"entries", entries_}, {"added", added_},       {"removed", removed_},
          {"changed", changed_}, {"metadata", metadata_}, {"bytes", growth_}};
}

std::string Diff::totals() const {
  const std::string size =
      format_size(static_cast<std::uint64_t>(growth_ < 0 ? -growth_ : growth_));
  return fmt::format("{} added, {} removed, {} changed, {} with other metadata; {}{}\n",
                     format_count(added_), format_count(removed_), format_count(changed_),
                     format_count(metadata_), growth_ < 0 ? "-" : "+", size);
}

int run(Context& context, const DiffOptions& options) {
  const OpenedVault opened = open_vault(context, Access::kRead);
  const StoredBackup first = open_backup(*opened.vault, options.first);
  const StoredBackup second = open_backup(*opened.vault, options.second);
  ChunkReader reader(*opened.vault);
  Diff diff(context, path_in_backup(options.path));
  diff.run(reader, first.root->tree, second.root->tree);
  context.output.note(diff.totals());
  Json document{{"first", name_json(first.summary.name)},
                {"second", name_json(second.summary.name)}};
  document.update(diff.json());
  context.output.document(document);
  return kExitSuccess;
}

}  // namespace

void add_diff_command(Command& root) {
  const auto o = std::make_shared<DiffOptions>();
  root.subcommand("diff", "Compare two backups: + added, - removed, M content, m metadata")
      .argument("FIRST", o->first, true, "The older backup: an id, latest, latest:SOURCE")
      .argument("SECOND", o->second, true, "The newer backup")
      .argument("PATH", o->path, false, "Only this path and what is below it")
      .examples({"holdfast diff backup-20251109-120000-web latest:web",
                 "holdfast diff backup-20251109 latest /etc"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
