// holdfast wal-push: PostgreSQL's archive_command. The call for one file also stores others that
// are ready, several at once, and leaves a note for the calls that will ask for them.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "cli/wal_spool.h"
#include "os/file.h"
#include "protect/log_archive.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 64;                    // in one call
constexpr Duration kMaxTime = std::chrono::seconds{15};  // after that, nothing more is begun

struct PushOptions {
  std::string path;
  std::string source;
  bool new_cluster = false;
};

class WalPush {
 public:
  WalPush(Context& context, const PushOptions& options)
      : context_(context),
        options_(options),
        name_(fs::path(options.path).filename().string()),
        directory_(fs::path(options.path).parent_path().string()),
        source_(wal_source(context, options.source)) {}

  void run();

 private:
  bool was_stored();
  void check_identity(const std::string& stream);
  std::vector<std::string> ready_files();
  std::uint64_t largest(const std::vector<std::string>& names) const;
  void store(const std::string& name, bool own);
  std::string path_of(const std::string& name) const {
    return directory_.empty() ? name : directory_ + "/" + name;
  }
  std::string note_of(const std::string& name) const { return spool_ + "/" + name + ".ok"; }
  // A note is about a file and a vault: others of the same name are pushed.
  std::string stamp(const std::string& name) {
    return vault_url(context_) + "\n" + file_stamp(path_of(name));
  }

  Context& context_;
  const PushOptions& options_;
  const std::string name_;
  const std::string directory_;
  const std::string source_;
  std::string spool_;
  std::string stream_;
  OpenedVault opened_;
};

void write_note(const std::string& path, const std::string& text) {
  // One that is torn by a crash is no note.
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  write_full(fd.get(), as_bytes(text), path);
}

std::string text_of(const std::string& path) {
  try {
    const Bytes data = read_file(path);
    return std::string(as_text(data));
  } catch (const Error&) {
    return {};
  }
}

// The header of a segment, which has to fit its name and its size.
WalHeader checked_header(const std::string& path, const std::string& name, std::uint64_t size) {
  const WalHeader header = read_wal_header(path);
  const auto segment = parse_wal_segment(name.substr(0, 24), header.segment_size);
  if (size != header.segment_size || !segment ||
      segment->start(header.segment_size) != header.start) {
    throw Error(Code::kCorrupt,
                fmt::format("{} has {} bytes and starts at {}: that is not what its name says",
                            path, size, format_lsn(header.start)),
                "archive files of pg_wal under their own names");
  }
  return header;
}

bool is_segment(const std::string& name) {
  const auto kind = wal_file_kind(name);
  return kind == WalFileKind::kSegment || kind == WalFileKind::kPartial;
}

// True when an earlier call has stored this very file.
bool WalPush::was_stored() {
  if (spool_.empty()) return false;
  const std::string note = note_of(name_);
  const std::string noted = text_of(note);
  if (noted.empty()) return false;
  const bool same = noted == stamp(name_);
  ::unlink(note.c_str());
  return same;
}

// Asks the vault once; later calls know.
void WalPush::check_identity(const std::string& stream) {
  const std::string file = spool_ + "/identity";
  const std::string text = to_hex(opened_.vault->ring().vault) + " " + stream + "\n";
  if (!spool_.empty() && text_of(file) == text) return;
  if (!options_.new_cluster) {
    try {
      check_log_stream(*opened_.store, source_, stream);
    } catch (Error& error) {
      throw Error(error.code(), error.message(),
                  "another server was restored or made under this name. Give it a source of its "
                  "own (--source NAME); or, when it takes the place of the old one (pg_upgrade), "
                  "run once by hand: holdfast wal-push --new-cluster " +
                      options_.path);
    }
  }
  if (!spool_.empty()) write_note(file, text);
}

// Ours first, then the oldest of those that wait. Notes about files that wait no longer go.
std::vector<std::string> WalPush::ready_files() {
  std::vector<std::string> files = {name_};
  if (spool_.empty()) return files;
  constexpr std::string_view kReady = ".ready";
  constexpr std::string_view kNote = ".ok";
  const std::set<std::string> waiting = names_in(path_of("archive_status"));
  const std::set<std::string> notes = names_in(spool_);
  for (const std::string& note : notes) {
    if (!note.ends_with(kNote)) continue;
    const std::string name = note.substr(0, note.size() - kNote.size());
    if (!waiting.contains(name + std::string(kReady))) ::unlink(note_of(name).c_str());
  }
  for (const std::string& entry : waiting) {
    if (!entry.ends_with(kReady)) continue;
    const std::string name = entry.substr(0, entry.size() - kReady.size());
    if (name == name_ || !wal_file_kind(name)) continue;
    if (notes.contains(name + std::string(kNote)) && text_of(note_of(name)) == stamp(name)) {
      continue;
    }
    files.push_back(name);
    if (files.size() == kMaxFiles) break;
  }
  return files;
}

std::uint64_t WalPush::largest(const std::vector<std::string>& names) const {
  std::uint64_t size = 0;
  for (const std::string& name : names) {
    std::error_code gone;
    const std::uint64_t one = fs::file_size(path_of(name), gone);
    if (!gone) size = std::max(size, one);
  }
  return size;
}

void WalPush::store(const std::string& name, bool own) {
  const std::string path = path_of(name);
  const std::string before = stamp(name);
  nlohmann::json facts = nlohmann::json::object();
  const Bytes content = read_file(path);
  if (is_segment(name)) {
    const WalHeader header = checked_header(path, name, content.size());
    if (std::to_string(header.system_identifier) != stream_) {
      throw Error(Code::kConflict, path + " is of another server than the others");
    }
    SegmentFacts known(header.start, *wal_timeline(name), header.segment_size);
    known.feed(content);
    facts = known.json();
  }
  store_log(
      *opened_.vault, {source_, stream_, name, {}}, content, facts.dump(),
      context_.settings().compression > 0 ? context_.settings().compression : kDefaultCompression);
  if (!own) write_note(note_of(name), before);
}

void WalPush::run() {
  if (!wal_file_kind(name_)) {
    throw Error(Code::kUsage, "'" + printable(name_) + "' is not the name of a WAL file",
                "in postgresql.conf: archive_command = 'holdfast wal-push %p'");
  }
  spool_ = wal_spool(context_, source_, "push");
  if (was_stored()) return;
  const std::uint64_t size = fs::file_size(options_.path);
  stream_ = std::to_string(is_segment(name_)
                               ? checked_header(options_.path, name_, size).system_identifier
                               : read_system_identifier("."));
  opened_ = open_vault(context_, Access::kWrite);
  check_identity(stream_);
  const std::vector<std::string> files = ready_files();
  const Duration end = context_.clock.monotonic() + kMaxTime;
  first_and_others(files.size(), wal_threads(*opened_.store, largest(files)), [&](std::size_t i) {
    if (i > 0 && (context_.stop.stop_requested() || context_.clock.monotonic() > end)) return;
    store(files[i], i == 0);
  });
}

int push(Context& context, const PushOptions& options) {
  try {
    WalPush(context, options).run();
  } catch (const fs::filesystem_error& error) {
    throw system_error(error.code().value(), "cannot read " + options.path);
  } catch (Error& error) {
    throw error.add_context("cannot archive " + options.path)
        .suggest("PostgreSQL keeps the file and tries again");
  }
  return kExitSuccess;
}

}  // namespace

void add_wal_push_command(Command& root) {
  const auto o = std::make_shared<PushOptions>();
  Command command =
      root.subcommand("wal-push", "Store a file of PostgreSQL's log (for archive_command)");
  command.argument("PATH", o->path, true, "The file: %p")
      .text("--source", o->source, "Whose log it is (default: the only database source)")
      .flag("--new-cluster", o->new_cluster, "Take a server with another system identifier too")
      .examples({"archive_command = 'holdfast wal-push %p'  # in postgresql.conf",
                 "archive_command = 'holdfast wal-push --source shop %p'"})
      .run([o](Context& context) { return push(context, *o); });
}

}  // namespace holdfast
