// holdfast show: what one backup holds.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "cli/backup_json.h"
#include "cli/browse.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"
#include "cli/summaries.h"

namespace holdfast {
namespace {

struct ShowOptions {
  std::string backup;
  std::string path;
  bool long_format = false;
  bool recursive = false;
};

std::string header(const StoredBackup& backup, const VerifiedTimes& verified) {
  const BackupSummary& s = backup.summary;
  const auto found = verified.find(s.name.id());
  std::string text = fmt::format(
      "{}\n  class {}, source {}, host {}, by {}\n  state of {}, finished {} ({})\n  {}\n"
      "  added {} ({} before compression)\n  verified: {}\n",
      s.name.id(), s.name.backup_class, s.name.source, printable(s.host), printable(s.program),
      iso_time(s.consistent), iso_time(s.finished), format_duration(s.finished - s.started),
      content_text(s), format_size(s.added_bytes), format_size(s.added_raw_bytes),
      found == verified.end() ? "never" : iso_time(found->second));
  if (s.database) text += "  " + printable(database_text(s)) + "\n";
  for (const std::string& path : backup.root->paths) text += "  path /" + printable(path) + "\n";
  if (s.warnings > 0) text += "  " + plural(s.warnings, "warning") + ":\n";
  for (const std::string& warning : backup.root->errors) text += "    " + printable(warning) + "\n";
  return text;
}

// Without a path: what was asked for and what lies directly in it.
bool is_shown(const ShowOptions& options, const std::vector<std::string>& roots,
              const std::string& path) {
  if (options.recursive) return true;
  return std::any_of(roots.begin(), roots.end(), [&](const std::string& root) {
    return path == root || (!path.empty() && is_within(path, root) && parent_path(path) == root);
  });
}

Json head_json(const StoredBackup& backup, const VerifiedTimes& verified) {
  Json summary = summary_json(backup.summary);
  const auto known = verified.find(backup.summary.name.id());
  summary["verified"] = known == verified.end() ? Json() : Json(iso_time(known->second));
  Json paths = Json::array();
  for (const std::string& root : backup.root->paths) {
    Json object;
    set_path(object, "path", "/" + root);
    paths.push_back(std::move(object));
  }
  return {{"backup", summary}, {"paths", paths}, {"warnings", backup.root->errors}};
}

// Prints the entries one by one: there may be millions. Returns how many there are.
std::uint64_t print_entries(Context& context, const ShowOptions& options, const Vault& vault,
                            const StoredBackup& backup, ListDocument& document) {
  const std::string path = path_in_backup(options.path);
  const std::vector<std::string> roots =
      options.path.empty() ? backup.root->paths : std::vector<std::string>{path};
  Output& output = context.output;
  std::string text;
  std::uint64_t found = 0;
  ChunkReader reader(vault);
  for_each_entry_within(
      reader, backup.root->tree, path, [&](const Entry& entry, std::span<const Ref>) {
        context.check_stop();
        if (!is_shown(options, roots, entry.path)) return true;
        ++found;
        if (output.json()) {
          document.add(entry_json(entry));
          return true;
        }
        text += (options.long_format ? long_line(entry) : short_line(entry)) + "\n";
        if (text.size() > (1u << 16)) output.print(std::exchange(text, {}));
        return true;
      });
  output.print(text);
  return found;
}

int run(Context& context, const ShowOptions& options) {
  const OpenedVault opened = open_vault(context, Access::kRead);
  const StoredBackup backup = open_backup(*opened.vault, options.backup);
  const VerifiedTimes verified = verified_by_id(*opened.store);
  context.output.note(header(backup, verified));
  ListDocument document(context.output, head_json(backup, verified), "entries");
  std::uint64_t found = 0;
  try {
    found = print_entries(context, options, *opened.vault, backup, document);
  } catch (const Error& error) {
    if (!document.begun()) throw;  // nobody has seen a part of it
    context.output.error(error);
    document.fail(error);
    return exit_code(error.code());
  }
  const std::string path = path_in_backup(options.path);
  if (found == 0 && !path.empty()) {
    throw Error(Code::kNotFound,
                fmt::format("{} holds no /{}", backup.summary.name.id(), printable(path)),
                "look for it with: holdfast find " + printable(base_name(path)));
  }
  document.end();
  return kExitSuccess;
}

}  // namespace

void add_show_command(Command& root) {
  const auto o = std::make_shared<ShowOptions>();
  root.subcommand("show", "Show what a backup holds")
      .argument("BACKUP", o->backup, true, "An id, the beginning of one, latest, latest:SOURCE")
      .argument("PATH", o->path, false, "A path in the backup (default: its sources)")
      .flag("-l,--long", o->long_format, "With mode, owner, size and time")
      .flag("-r,--recursive", o->recursive, "Everything below, not only the first level")
      .examples({"holdfast show latest", "holdfast show latest:web /srv/www --long",
                 "holdfast show backup-20251110-120000-web --recursive --json"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
