// holdfast wal-push: PostgreSQL's archive_command. The call for one file stores it; when others
// wait, it leaves a worker behind that stores them, several at once, and notes each for the call
// that will ask for it.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/copies.h"
#include "cli/session.h"
#include "cli/wal_queue.h"
#include "cli/wal_spool.h"
#include "os/detached.h"
#include "os/file.h"
#include "protect/log_archive.h"
#include "protect/log_follower.h"
#include "protect/log_level.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 64;            // between two looks at what waits
constexpr std::uint64_t kSmallFile = 64u << 20;  // a call and its worker may hold it at once

struct PushOptions {
  std::string path;
  std::string source;
  std::vector<std::string> also;
  bool new_cluster = false;
  bool worker = false;
};

// What the command line says goes before what the configuration says of the source.
std::vector<std::string> places_of(Context& context, const PushOptions& options,
                                   const std::string& source) {
  if (!options.also.empty()) return options.also;
  for (const SourceSettings& one : context.settings().sources) {
    if (one.name == source) return one.log_places.also;
  }
  return {};
}

// A note of what is in these places says nothing about others.
std::string urls_of(Context& context, const std::vector<CopyPlace>& also) {
  std::string urls = vault_url(context);
  for (const CopyPlace& place : also) urls += " " + place.settings.url;
  return urls;
}

std::vector<CopyPlace> copies_named(Context& context, const std::vector<std::string>& names) {
  std::vector<CopyPlace> places;
  places.reserve(names.size());
  for (const std::string& name : names) places.push_back(find_copy(context, name));
  return places;
}

class WalPush {
 public:
  WalPush(Context& context, const PushOptions& options)
      : context_(context),
        options_(options),
        name_(fs::path(options.path).filename().string()),
        source_(wal_source(context, options.source)),
        also_(copies_named(context, places_of(context, options, source_))),
        spool_(wal_spool(context, source_, "push")),
        queue_(fs::path(options.path).parent_path().string(), spool_, urls_of(context, also_)) {}

  // The call for one file.
  void run();
  // Everything that waits.
  void work();

 private:
  void open();
  void open_others();
  void check_identity(const std::string& stream);
  void check_identity_in(const OpenedVault& place, const std::string& stream) const;
  void store(const std::string& name);
  void in_all_places(const std::function<void(const Vault&)>& action) const;
  bool others_wait() const;
  void note_for_worker(const std::string& stamp) const;
  bool will_be_stored() const;
  bool leave_worker() const;
  void start_worker() const;

  Context& context_;
  const PushOptions& options_;
  const std::string name_;
  const std::string source_;
  const std::vector<CopyPlace> also_;
  const std::string spool_;
  const WalQueue queue_;
  std::string stream_;
  OpenedVault opened_;
  std::vector<OpenedVault> others_;
  std::optional<Error> away_;  // why one of them could not be opened
};

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

void WalPush::check_identity_in(const OpenedVault& place, const std::string& stream) const {
  try {
    check_log_stream(*place.store, source_, stream);
  } catch (Error& error) {
    throw Error(
        error.code(), error.message(),
        "another server was restored or made under this name. Give it a source of its own "
        "(--source NAME); or, when it takes the place of the old one (pg_upgrade), run once "
        "by hand: holdfast wal-push --new-cluster " +
            options_.path);
  }
}

// Asks the places once; later calls know.
void WalPush::check_identity(const std::string& stream) {
  const std::string file = spool_ + "/identity";
  std::string text = to_hex(opened_.vault->ring().vault) + " " + stream;
  for (const CopyPlace& place : also_) text += " " + place.settings.url;
  text += "\n";
  if (!spool_.empty() && text_if_there(file) == text) return;
  if (!options_.new_cluster) {
    check_identity_in(opened_, stream);
    for (const OpenedVault& other : others_) {
      try {
        check_identity_in(other, stream);
      } catch (const Error& error) {
        if (error.code() == Code::kConflict) throw;
        away_ = error;  // the vault gets the file all the same
      }
    }
  }
  if (!spool_.empty() && !away_) write_file_atomic(file, as_bytes(text), 0600);
}

// The same memory for one file after the other: fresh pages cost as much as compressing them.
ByteView read_again(const std::string& path, Bytes& buffer) {
  const Fd fd = open_file(path, O_RDONLY);
  buffer.resize(static_cast<std::size_t>(fs::file_size(path)));
  return ByteView(buffer).first(read_full(fd.get(), buffer, path));
}

// At once, and in each also when another one fails: a copy that is away is no reason to have less
// in the vault. Throws when not all have it.
void WalPush::in_all_places(const std::function<void(const Vault&)>& action) const {
  std::vector<const Vault*> vaults{opened_.vault.get()};
  for (const OpenedVault& other : others_) vaults.push_back(other.vault.get());
  at_all_places(vaults, action);
  if (away_) throw Error(*away_);
}

void WalPush::store(const std::string& name) {
  const std::string path = queue_.path_of(name);
  nlohmann::json facts = nlohmann::json::object();
  thread_local Bytes buffer;
  const LogName file{source_, stream_, name, {}};
  const ByteView content = read_again(path, buffer);
  if (is_segment(name)) {
    const WalHeader header = checked_header(path, name, content.size());
    if (std::to_string(header.system_identifier) != stream_) {
      throw Error(Code::kConflict, path + " is of another server than the others");
    }
    SegmentFacts known(header.start, *wal_timeline(name), header.segment_size);
    known.feed(content);
    facts = known.json();
  }
  const std::string said = facts.dump();
  const int level =
      context_.settings().compression > 0 ? context_.settings().compression : kDefaultCompression;
  in_all_places([&](const Vault& vault) {
    mark_level_drop(vault, file, said);
    store_log(vault, file, content, said, level);
  });
}

void WalPush::open() {
  const std::uint64_t size = fs::file_size(options_.path);
  stream_ = std::to_string(is_segment(name_)
                               ? checked_header(options_.path, name_, size).system_identifier
                               : read_system_identifier("."));
  opened_ = open_vault(context_, Access::kWrite);
  open_others();
  check_identity(stream_);
}

void WalPush::open_others() {
  for (const CopyPlace& place : also_) {
    try {
      others_.push_back(open_copy(context_, place, opened_.vault->ring()));
    } catch (Error& error) {
      away_ = error.add_context("the copy " + place.settings.name);
    }
  }
}

// Without a worker the log goes on, a call at a time.
bool WalPush::leave_worker() const {
  try {
    start_worker();
    return true;
  } catch (const std::exception& error) {
    context_.output.warning(std::string("no worker for the files that wait: ") + error.what());
    return false;
  }
}

// The same command line, which finds configuration and keys where this one did.
void WalPush::start_worker() const {
  const Fd right = queue_.begin_work();
  if (!right.valid()) return;
  std::ifstream words("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> argv;
  for (std::string word; std::getline(words, word, '\0');) argv.push_back(word);
  if (argv.empty()) return;
  argv.front() = fs::read_symlink("/proc/self/exe").string();
  argv.emplace_back("--worker");
  start_detached(argv, right);
}

void WalPush::run() {
  if (!wal_file_kind(name_)) {
    throw Error(Code::kUsage, "'" + printable(name_) + "' is not the name of a WAL file",
                "in postgresql.conf: archive_command = 'holdfast wal-push %p'");
  }
  if (queue_.take_note(name_) || queue_.await(name_, context_.stop)) return;
  if (context_.stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  open();
  const std::string before = queue_.stamp(name_);
  const bool others = others_wait();
  // Before this call's own file, so that all processors have work meanwhile.
  const bool foreseen = others && will_be_stored();
  const bool at_work = foreseen && leave_worker();
  store(name_);
  if (at_work) note_for_worker(before);
  if (others && !foreseen) leave_worker();
}

// That this call's file is stored. Where no note can be written the worker finds it in the store.
void WalPush::note_for_worker(const std::string& stamp) const {
  try {
    queue_.note(name_, stamp);
  } catch (const Error& error) {
    context_.output.warning(error.message());
  }
}

bool WalPush::others_wait() const {
  const std::vector<std::string> files = queue_.waiting(2);
  return std::any_of(files.begin(), files.end(), [&](const auto& file) { return file != name_; });
}

// As far as one can see. A history that another one has taken the place of must not go on behind
// its first file, and two processes with large files do not go into memory.
bool WalPush::will_be_stored() const {
  if (away_ || queue_.largest({name_}) > kSmallFile) return false;
  const std::string key = LogName{source_, stream_, name_, {}}.key();
  const auto has = [&](const OpenedVault& place) { return place.store->stat(key).has_value(); };
  try {
    return !has(opened_) && std::none_of(others_.begin(), others_.end(), has);
  } catch (const Error&) {
    return false;  // storing it says what is wrong, and goes to the places that are there
  }
}

// Ends with the first that fails: the call for that one tries itself, and says why.
void WalPush::work() {
  open();
  for (bool first = true;; first = false) {
    std::vector<std::string> files = queue_.waiting(kMaxFiles);
    const unsigned threads = wal_threads(*opened_.store, queue_.largest(files));
    if (first) {
      // The call that left this worker stores its own. When it could not, that one comes soon.
      std::erase(files, name_);
      files.resize(std::min<std::size_t>(files.size(), threads));
    }
    if (files.empty() || context_.stop.stop_requested()) return;
    std::atomic<std::size_t> stored{0};
    const auto one = [&](std::size_t i) {
      if (context_.stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      const std::string before = queue_.stamp(files[i]);
      store(files[i]);
      queue_.note(files[i], before);
      ++stored;
    };
    first_and_others(files.size(), threads, one);
    if (stored < files.size()) return;
  }
}

int push(Context& context, const PushOptions& options) {
  try {
    WalPush call(context, options);
    options.worker ? call.work() : call.run();
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
      .texts("--also", o->also,
             "A copy of the configuration that must have the file as well before the call succeeds")
      .flag("--new-cluster", o->new_cluster, "Take a server with another system identifier too")
      .flag("--worker", o->worker,
            "Store all that waits; a call leaves such a process behind when others wait")
      .examples({"archive_command = 'holdfast wal-push %p'  # in postgresql.conf",
                 "archive_command = 'holdfast wal-push --source shop --also west %p'"})
      .run([o](Context& context) { return push(context, *o); });
}

}  // namespace holdfast
