#include "protect/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "protect/file_content.h"
#include "protect/ordered_content.h"
#include "protect/restore_preflight.h"
#include "protect/selection.h"
#include "protect/tar_writer.h"
#include "vault/lease.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

constexpr std::string_view kDumpSuffix = ".sql";

bool is_dump(const Entry& entry) {
  return entry.type == EntryType::kFile && entry.path.ends_with(kDumpSuffix);
}

class Export final : private EntryTaker {
 public:
  Export(const Vault& vault, const ArchiveJob& job, ArchiveProgress& progress, Warnings& warnings,
         std::stop_token stop)
      : vault_(vault),
        job_(job),
        progress_(progress),
        warnings_(warnings),
        stop_(std::move(stop)),
        selection_(job.includes, job.excludes, 0),
        threads_(reader_threads(vault.store(), job.read_threads)),
        reader_(vault, threads_ + 4),
        backup_(read_backup(vault, job.backup)),
        tar_format_(is_tar(job.encoding.format)) {}

  ArchiveResult run(const ByteSink& sink);

 private:
  void measure();
  void count(const Entry& entry, std::span<const Ref> chunks);
  bool wanted(const Entry& entry) const;
  bool has_first_name(const Entry& entry) const;
  void write(const ByteSink& sink);
  void entry(const Entry& entry) override;
  void content(ByteView data) override;

  const Vault& vault_;
  const ArchiveJob& job_;
  ArchiveProgress& progress_;
  Warnings& warnings_;
  const std::stop_token stop_;
  const Selection selection_;
  const unsigned threads_;
  ChunkReader reader_;
  const StoredBackup backup_;
  const bool tar_format_;
  std::optional<std::string> dump_;  // the path of the only one
  FileContent dump_content_;
  std::unique_ptr<ByteStream> encoder_;
  std::unique_ptr<TarWriter> tar_;
  ArchiveResult result_;
};

bool Export::has_first_name(const Entry& entry) const {
  return entry.type != EntryType::kHardlink || selection_.wants(entry.link_target, false);
}

// Of a tar archive also the directories that lead to what was asked for, for their rights.
bool Export::wanted(const Entry& entry) const {
  if (entry.path.empty()) return false;
  if (!tar_format_) return entry.path == dump_;
  const bool directory = entry.type == EntryType::kDirectory;
  if (selection_.wants(entry.path, directory)) return has_first_name(entry);
  return directory && selection_.is_on_the_way(entry.path);
}

void Export::count(const Entry& entry, std::span<const Ref> chunks) {
  if (entry.type == EntryType::kFile) {
    ++result_.files;
    for (const Ref& chunk : chunks) result_.bytes += chunk.length;
  } else if (entry.type == EntryType::kDirectory) {
    ++result_.directories;
  } else {
    ++result_.others;
  }
}

// What is to come. Names the dump, and fails before anything is written.
void Export::measure() {
  std::uint64_t dumps = 0;
  for_each_entry(reader_, backup_.root->tree, [&](const Entry& entry, std::span<const Ref> chunks) {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    const bool directory = entry.type == EntryType::kDirectory;
    if (tar_format_) {
      if (wanted(entry)) {
        count(entry, chunks);
      } else if (selection_.wants(entry.path, directory) && !has_first_name(entry)) {
        warnings_.add(printable(entry.path) + ": is a further name of " +
                      printable(entry.link_target) + ", which is left out");
      }
    } else if (is_dump(entry) && selection_.wants(entry.path, false) && ++dumps == 1) {
      dump_ = entry.path;
      count(entry, chunks);
    }
    return true;
  });
  if (!tar_format_ && dumps != 1) {
    throw Error(Code::kInvalid,
                fmt::format("{} has {} that ends in .sql, and such an archive is made of one",
                            job_.backup.id(), dumps == 0 ? "no file" : "more than one file"),
                dumps == 0 ? "make a tar archive: --format tar.zst"
                           : "choose one with --include, or make a tar archive: --format tar.zst");
  }
  if (result_.files + result_.directories + result_.others == 0 && !job_.includes.empty()) {
    throw Error(Code::kNotFound, "nothing in the backup fits what is to be included",
                "see what it holds: holdfast show " + job_.backup.id());
  }
  progress_.total_files = result_.files;
  progress_.total_bytes = result_.bytes;
}

void Export::entry(const Entry& entry) {
  if (tar_) {
    tar_->begin(entry);
  } else {
    dump_content_.begin(entry);
  }
  if (entry.type == EntryType::kFile) ++progress_.files;
}

void Export::content(ByteView data) {
  if (tar_) {
    tar_->content(data);
  } else {
    dump_content_.add(data, [this](ByteView bytes) { encoder_->write(bytes); });
  }
  progress_.bytes += data.size();
}

void Export::write(const ByteSink& sink) {
  encoder_ = make_archive_encoder(job_.encoding, [&](ByteView data) {
    sink(data);
    result_.archive_bytes += data.size();
  });
  if (tar_format_) {
    tar_ = std::make_unique<TarWriter>([this](ByteView data) { encoder_->write(data); });
  }
  give_in_order(
      reader_, backup_.root->tree, [this](const Entry& entry) { return wanted(entry); }, threads_,
      *this, stop_);
  if (tar_) {
    tar_->finish();
  } else {
    dump_content_.end([this](ByteView bytes) { encoder_->write(bytes); });
  }
  encoder_->finish();
}

ArchiveResult Export::run(const ByteSink& sink) {
  require_readable(backup_);
  const Duration begin = vault_.clock().monotonic();
  const std::unique_ptr<Lease> lease = job_.dry_run ? nullptr : lease_if_allowed(vault_);
  measure();
  if (!job_.dry_run) {
    try {
      write(sink);
    } catch (const Error& error) {
      if (error.code() != Code::kCorrupt) throw;
      throw Error(Code::kCorrupt, error.message(),
                  "heal the vault from a copy (holdfast repair --from URL), or leave the file out: "
                  "--exclude PATH");
    }
  }
  result_.duration = vault_.clock().monotonic() - begin;
  return result_;
}

}  // namespace

ArchiveResult write_archive(const Vault& vault, const ArchiveJob& job, const ByteSink& sink,
                            ArchiveProgress& progress, Warnings& warnings, std::stop_token stop) {
  return Export(vault, job, progress, warnings, std::move(stop)).run(sink);
}

ArchiveName archive_name_of(const BackupName& backup, const ArchiveEncoding& encoding) {
  return {backup.backup_class, backup.time, backup.source, encoding.format,
          !encoding.recipients.empty()};
}

}  // namespace holdfast
