#include <algorithm>
#include <optional>

#include "base/path.h"
#include "protect/database_job.h"
#include "protect/postgres_job.h"
#include "source/postgres/base_backup.h"
#include "source/postgres/data_files.h"
#include "source/postgres/page_watch.h"
#include "source/postgres/replay_moment.h"

namespace holdfast {
namespace {

FileStyle style_of(const PgStreamFile& file) {
  const TarMember& member = file.member;
  FileStyle style;
  style.mode = member.mode;
  style.fixed_chunk = file.pages ? kPageChunk : 0;
  style.owner = {member.uid, member.gid, member.user, member.group};
  style.modified = Timestamp(std::chrono::seconds(member.modified));
  return style;
}

// Hands the files of the stream to the backup, and looks at their pages.
class StreamTaker final : public PgFileTaker {
 public:
  explicit StreamTaker(FileSink& sink) : sink_(sink) {}

  // From now on. `watch` must outlive the object.
  void watch_with(PgPageWatch& watch) { watch_ = &watch; }

  void directory(const PgStreamFile& directory) override {
    sink_.directory(directory.stored_path, style_of(directory));
    if (directory.stored_path.empty()) root_ = style_of(directory);
  }
  void begin(const PgStreamFile& file) override {
    path_ = file.stored_path;
    watched_ = file.pages && watch_ != nullptr;
    looked_at_ = 0;
    page_.clear();
    sink_.open(path_, style_of(file));
  }
  void content(ByteView content) override {
    if (watched_) look(content);
    sink_.write(path_, content);
  }
  void end() override { sink_.close(path_); }

  // The owner and the rights of the data directory, once it came.
  const FileStyle& root() const { return root_; }

 private:
  // The pieces of the stream are whole pages, as a rule.
  void look(ByteView content) {
    if (!page_.empty()) {
      const std::size_t part = std::min(kDataPage - page_.size(), content.size());
      append(page_, content.first(part));
      content = content.subspan(part);
      if (page_.size() < kDataPage) return;
      look_at(page_);
      page_.clear();
    }
    const std::size_t whole = content.size() / kDataPage * kDataPage;
    look_at(content.first(whole));
    append(page_, content.subspan(whole));
  }
  void look_at(ByteView pages) {
    watch_->look(path_, looked_at_, pages);
    looked_at_ += pages.size();
  }

  FileSink& sink_;
  PgPageWatch* watch_ = nullptr;
  std::string path_;
  bool watched_ = false;
  std::uint64_t looked_at_ = 0;
  Bytes page_;  // the beginning of one
  FileStyle root_;
};

class StreamedBackup {
 public:
  StreamedBackup(const PostgresSettings& settings, std::unique_ptr<PgWalHold> hold,
                 const Clock& clock, Warnings& warnings, std::stop_token stop)
      : hold_(std::move(hold)),
        moment_(hold_->connection(), hold_->cluster()),
        backup_(settings, *hold_, std::move(stop)),
        clock_(clock),
        warnings_(warnings) {
    ending_.database = postgres_facts(hold_->cluster(), "physical");
  }

  void produce(FileSink& sink) {
    const PgCluster& cluster = hold_->cluster();
    const std::vector<OutsideFile> outside = outside_files();
    std::optional<PgPageWatch> watch;
    StreamTaker taker(sink);
    const PgBackupSpan span = backup_.run(taker, [&](Lsn start, std::uint64_t bytes) {
      sink.expect(bytes);
      if (!cluster.checksums || cluster.block_size != kDataPage) return;
      watch.emplace(start, false);
      taker.watch_with(*watch);
    });
    ending_.consistent = moment_.consistent(span.stop, clock_.now());
    ending_.database->timeline = span.timeline;
    ending_.database->start = format_lsn(span.start);
    ending_.database->stop = format_lsn(span.stop);
    FileStyle style = taker.root();
    style.mode = 0600;
    for (const OutsideFile& file : outside) {
      sink.open(file.stored_path, style);
      sink.write(file.stored_path, file.content);
      sink.close(file.stored_path);
    }
    judge(watch ? watch->findings(span.stop) : PgPageFindings{});
  }

  BackupEnding ending() const { return ending_; }

 private:
  struct OutsideFile {
    std::string stored_path;
    Bytes content;
  };

  void judge(const PgPageFindings& findings);
  std::vector<OutsideFile> outside_files();

  std::unique_ptr<PgWalHold> hold_;
  PgReplayMoment moment_;
  PgBaseBackup backup_;
  const Clock& clock_;
  Warnings& warnings_;
  BackupEnding ending_;
};

// Damaged pages are kept, as they may be all that is left; but nobody shall rely on them. What the
// server says counts where we saw nothing.
void StreamedBackup::judge(const PgPageFindings& findings) {
  for (const std::string& text : findings.texts) warnings_.add(std::string(kDamagedPage) + text);
  ending_.database->damaged_pages = findings.count;
  if (findings.count > 0 || !backup_.server_found_damage()) return;
  for (const std::string& text : backup_.warnings())
    warnings_.add(std::string(kDamagedPage) + text);
  ending_.database->damaged_pages = std::max<std::uint64_t>(backup_.warnings().size(), 1);
  if (backup_.warnings().empty())
    warnings_.add(std::string(kDamagedPage) + "the server's log names it");
}

// What is not part of a base backup, for whom the server shows it: configuration that lies outside
// of the data directory (Debian), and where that one is.
std::vector<StreamedBackup::OutsideFile> StreamedBackup::outside_files() {
  std::vector<OutsideFile> files;
  for (const std::string& file : hold_->cluster().outside_files) {
    const std::string content = hold_->connection().value(
        "select case when pg_has_role(current_user, 'pg_read_server_files', 'usage') and "
        "has_function_privilege('pg_read_binary_file(text)', 'execute') "
        "then encode(pg_read_binary_file($1), 'hex') end",
        {file});
    if (content.empty()) continue;
    const std::string name = "config-" + std::string(base_name(file));
    files.push_back({join_path(std::string(kPgExtras), name), from_hex(content)});
  }
  const std::string& directory = hold_->cluster().data_directory;
  if (!directory.empty()) {
    files.push_back(
        {join_path(std::string(kPgExtras), std::string(kPgOrigin)), to_bytes(as_bytes(directory))});
  }
  return files;
}

}  // namespace

void add_postgres_stream(const Vault& vault, const PostgresSettings& settings,
                         std::unique_ptr<PgWalHold> hold, BackupJob& job, Warnings& warnings,
                         std::stop_token stop) {
  const auto backup = std::make_shared<StreamedBackup>(settings, std::move(hold), vault.clock(),
                                                       warnings, std::move(stop));
  job.trees.push_back({"", [backup](FileSink& sink) { backup->produce(sink); }});
  job.end = [backup] { return backup->ending(); };
}

}  // namespace holdfast
