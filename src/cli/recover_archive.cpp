#include "cli/recover_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/archive_run.h"
#include "cli/backup_json.h"
#include "cli/restore_dump.h"

namespace holdfast {
namespace {

class Bringing {
 public:
  Bringing(Context& context, ObjectStore& store, const RecoverableArchive& source,
           const ArchiveRecoveryOptions& options, RecoverRecord* record)
      : context_(context),
        store_(store),
        source_(source),
        options_(options),
        record_(record),
        // Beside what the vault has of the same name.
        entry_("archive/" + source.key()) {
    recovery_.source = &source;
    recovery_.archive = source.newest();
    recovery_.dry_run = options.rights.dry_run;
  }

  ArchiveRecovery run() {
    go_on();
    name_target();
    recovery_.left_out = in_place() && !is_tar(recovery_.archive.name.format);
    if (recovery_.done_before || recovery_.left_out) return std::move(recovery_);
    try {
      bring_newest();
      if (record_ != nullptr) record_->finish(entry_);
    } catch (Error& error) {
      if (error.code() == Code::kCancelled) throw;
      forget_unbegun(error.code());
      recovery_.error = std::move(error.add_context(source_.key()));
      context_.output.error(*recovery_.error);
    }
    return std::move(recovery_);
  }

 private:
  bool in_place() const { return options_.target.empty(); }

  // With what an interrupted run had begun: newer ones may have arrived meanwhile.
  void go_on() {
    if (record_ == nullptr) return;
    const auto begun = record_->begun(entry_);
    if (!begun) return;
    const auto found =
        std::find_if(source_.archives.begin(), source_.archives.end(),
                     [&](const StoredArchive& one) { return one.name.file() == *begun; });
    const bool same = *begun == recovery_.archive.name.file();
    if (found == source_.archives.end() || (!same && !options_.may_choose)) return;
    recovery_.archive = *found;
    recovery_.done_before = record_->is_done(entry_);
    interrupted_ = !recovery_.done_before;
  }

  void name_target() {
    recovery_.target = in_place() ? "/" : options_.target + "/" + source_.key();
    if (is_tar(recovery_.archive.name.format)) return;
    // No directory of its own: that may be one of the vault's, which a server is to start on.
    recovery_.target = options_.target + "/" + source_.archive_class();
  }

  // The chosen one, and while these are not whole, older ones.
  void bring_newest() {
    auto candidate = std::find_if(
        source_.archives.rbegin(), source_.archives.rend(),
        [&](const StoredArchive& one) { return one.name.key() == recovery_.archive.name.key(); });
    for (;; ++candidate) {
      recovery_.archive = *candidate;
      try {
        return bring();
      } catch (const Error& error) {
        if (error.code() != Code::kCorrupt) throw;
        if (candidate + 1 == source_.archives.rend()) throw;
        recovery_.passed_over.push_back(candidate->name.file() +
                                        " is not whole: " + error.message());
        context_.output.warning(recovery_.passed_over.back());
        interrupted_ = false;
      }
    }
  }

  void bring() {
    if (record_ != nullptr) record_->begin(entry_, recovery_.archive.name.file());
    if (is_tar(recovery_.archive.name.format)) return bring_files();
    DumpRestore restore;
    restore.archive = recovery_.archive;
    restore.directory = recovery_.target;
    restore.overwrite = options_.rights.overwrite;
    restore.dry_run = recovery_.dry_run;
    restore.identity = options_.rights.identity;
    restore.thaw = options_.rights.thaw;
    const DumpRestored done = restore_dump(context_, store_, restore);
    recovery_.target = done.path;
    recovery_.stayed = done.stayed;
    recovery_.bytes = done.bytes;
    recovery_.duration = done.duration;
  }

  void bring_files() {
    TarRestore restore = options_.rights;
    restore.archive = recovery_.archive;
    restore.target = recovery_.target;
    const TarRestored done = unpack_archive(context_, store_, restore);
    recovery_.kept = done.kept.size();
    recovery_.bytes = done.bytes;
    recovery_.duration = done.duration;
  }

  // Nothing was written: the next run chooses anew.
  void forget_unbegun(Code code) {
    const bool unbegun = code == Code::kDenied || code == Code::kCorrupt || code == Code::kNotFound;
    if (record_ != nullptr && unbegun && !interrupted_) record_->forget(entry_);
  }

  Context& context_;
  ObjectStore& store_;
  const RecoverableArchive& source_;
  const ArchiveRecoveryOptions& options_;
  RecoverRecord* const record_;
  const std::string entry_;
  bool interrupted_ = false;
  ArchiveRecovery recovery_;
};

}  // namespace

int ArchiveRecovery::code() const {
  if (error) return exit_code(error->code());
  return left_out || stayed || kept > 0 || !passed_over.empty() ? kExitWarnings : kExitSuccess;
}

std::string ArchiveRecovery::result() const {
  if (error) return "failed";
  if (done_before) return "back since before";
  if (left_out) return "left out";
  if (stayed) return "a file is there";
  if (dry_run) return "would be restored";
  return "back";
}

std::string ArchiveRecovery::left_out_text() const {
  return archive.name.file() + " is a dump, which goes into a server that runs: holdfast restore " +
         archive.name.file() + " --into 'host=... dbname=...'";
}

ArchiveRecovery recover_archive(Context& context, ObjectStore& store,
                                const RecoverableArchive& source,
                                const ArchiveRecoveryOptions& options, RecoverRecord* record) {
  ArchiveRecovery recovery = Bringing(context, store, source, options, record).run();
  if (recovery.left_out) {
    context.output.warning(recovery.left_out_text());
  } else if (recovery.done_before) {
    context.output.note(source.key() + " is back since an earlier run\n");
  } else if (!recovery.error) {
    context.output.note(fmt::format(
        "{} {} to {}\n  {}, in {}\n", recovery.dry_run ? "would restore" : "restored",
        recovery.archive.name.file(), printable(recovery.target),
        recovery.stayed ? "a file of that name existed and stayed" : format_size(recovery.bytes),
        format_duration(recovery.duration)));
  }
  return recovery;
}

Json archive_recovery_json(const ArchiveRecovery& recovery, Timestamp now) {
  const ArchiveName& name = recovery.archive.name;
  Json json{{"class", name.archive_class},
            {"source", name.source},
            {"result", recovery.result()},
            {"recovery_point", iso_time(name.time)},
            {"recovery_point_age_seconds", seconds_of(now - name.time)},
            {"backup", name.file()},
            {"archive", archive_json(recovery.archive)}};
  set_path(json, "target", recovery.target);
  json["bytes"] = recovery.bytes;
  json["duration_seconds"] = seconds_of(recovery.duration);
  json["dry_run"] = recovery.dry_run;
  json["skipped"] = recovery.kept;
  json["not_whole"] = recovery.passed_over;
  if (recovery.error) json["error"] = error_json(*recovery.error);
  return json;
}

std::vector<std::string> archive_recovery_cells(const ArchiveRecovery& recovery, Timestamp now) {
  const ArchiveName& name = recovery.archive.name;
  return {name.archive_class,
          name.source,
          name.file(),
          format_duration(now - name.time),
          format_size(recovery.bytes),
          "",
          format_duration(recovery.duration),
          recovery.result()};
}

}  // namespace holdfast
