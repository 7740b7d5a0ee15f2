#include "protect/restore_preflight.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "protect/restore_mark.h"
#include "protect/restore_space.h"
#include "protect/selection.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kBlock = 4096;

// How to go on with the restore of a server, and how to give it up.
std::string ways_out(const std::string& target, const UnfinishedRestore& unfinished) {
  constexpr std::string_view kOver = " --overwrite if-changed --delete";
  const std::string where = printable(target);
  std::string text = fmt::format(
      "finish it: holdfast restore {} --target {}{}; or give it up: ", printable(unfinished.backup),
      where, unfinished.target_was_empty ? "" : kOver);
  text += fmt::format(
      "empty {}, or remove {}/{} and put this backup in place of all that is "
      "there:{}",
      where, where, kRestoreMark, kOver);
  if (!unfinished.safety.empty()) {
    text += "; what was there before either is in " + printable(unfinished.safety);
  }
  return text;
}

bool wants_any(ChunkReader& reader, const StoredBackup& backup, const Selection& selection) {
  bool any = false;
  for_each_entry(reader, backup.root->tree, [&](const Entry& entry, std::span<const Ref>) {
    any = selection.wants(entry.path, entry.type == EntryType::kDirectory);
    return !any;
  });
  return any;
}

// All of a backup at an empty place needs at most what its summary says, so nobody has to read its
// tree before the restore begins. Nothing when that may be too much: the tree knows it exactly.
std::optional<RestoreNeeds> needs_by_summary(const BackupSummary& summary, const RestoreJob& job) {
  const bool whole = job.includes.empty() && job.excludes.empty() && job.strip_components == 0;
  if (!whole || !is_empty_target(job.target)) return {};
  const RestoreNeeds needs{summary.files, summary.bytes, summary.bytes + kBlock * summary.files};
  SpaceNeeds space;
  space.add(job.target, needs.space);
  return space.has_room() ? std::optional(needs) : std::nullopt;
}

RestoreNeeds measure(ChunkReader& reader, const StoredBackup& backup, const RestoreJob& job,
                     const Selection& selection, const std::stop_token& stop) {
  RestoreNeeds needs;
  const bool is_empty = is_empty_target(job.target);
  for_each_entry(reader, backup.root->tree, [&](const Entry& entry, std::span<const Ref> chunks) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    const auto path = selection.target_path(entry.path);
    if (!path || path->empty() ||
        !selection.wants(entry.path, entry.type == EntryType::kDirectory)) {
      return true;
    }
    std::uint64_t content = 0;
    for (const Ref& ref : chunks) content += ref.length;
    if (entry.type == EntryType::kFile) {
      ++needs.files;
      needs.bytes += entry.size;
    }
    std::uint64_t blocks = (content + kBlock - 1) / kBlock * kBlock;
    struct stat status {};
    if (!is_empty && ::lstat((job.target + "/" + *path).c_str(), &status) == 0) {
      blocks -= std::min(blocks, static_cast<std::uint64_t>(status.st_blocks) * 512);
    }
    needs.space += blocks;
    return true;
  });
  return needs;
}

}  // namespace

std::unique_ptr<Lease> lease_if_allowed(const Vault& vault) {
  try {
    vault.require_writable();
    return std::make_unique<Lease>(vault.store(), vault.clock(), "restore");
  } catch (const Error& error) {
    if (error.code() != Code::kDenied && error.code() != Code::kExhausted &&
        error.code() != Code::kUnsupported) {
      throw;
    }
    return nullptr;
  }
}

void refuse_other_unfinished(const RestoreJob& job) {
  const auto unfinished = unfinished_restore(job.target);
  if (!unfinished || unfinished->backup == job.backup.id()) return;
  throw Error(Code::kConflict,
              fmt::format("{} holds an unfinished restore of {}", printable(job.target),
                          printable(unfinished->backup)),
              unfinished->server
                  ? ways_out(job.target, *unfinished)
                  : fmt::format("finish it: holdfast restore {} --target {}{}; or choose an empty "
                                "target; or give it up: remove {}/{}",
                                printable(unfinished->backup), printable(job.target),
                                unfinished->target_was_empty ? "" : " --overwrite if-changed",
                                job.target == "/" ? "" : printable(job.target), kRestoreMark));
}

void require_readable(const StoredBackup& backup) {
  if (backup.root) return;
  throw Error(Code::kDenied, "this key cannot read backups",
              "use a restorer key: --key-file, or the recovery sheet");
}

RestoreNeeds preflight_restore(const Vault& vault, const RestoreJob& job, std::stop_token stop) {
  ChunkReader reader(vault);
  return preflight_restore(reader, read_backup(vault, job.backup), job, stop);
}

RestoreNeeds preflight_restore(ChunkReader& reader, const StoredBackup& backup,
                               const RestoreJob& job, const std::stop_token& stop) {
  require_readable(backup);
  refuse_other_unfinished(job);
  if (const auto needs = needs_by_summary(backup.summary, job)) return *needs;
  const Selection selection(job.includes, job.excludes, job.strip_components);
  const RestoreNeeds needs = measure(reader, backup, job, selection, stop);
  if (needs.files == 0 && !job.includes.empty() && !wants_any(reader, backup, selection)) {
    throw Error(Code::kNotFound, "nothing in the backup fits what is to be included",
                "see what it holds: holdfast show " + job.backup.id());
  }
  return needs;
}

void require_room(const RestoreJob& job, const RestoreNeeds& needs) {
  if (job.ignore_free_space) return;
  SpaceNeeds space;
  space.add(job.target, needs.space);
  space.check(
      "free some space, restore to another volume with --target, or restore a part with "
      "--include");
}

}  // namespace holdfast
