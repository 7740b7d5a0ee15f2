// holdfast wal-fetch: PostgreSQL's restore_command. The call for one segment also fetches those
// that follow, several at once, into the spool, where the next calls find them.
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/session.h"
#include "cli/wal_spool.h"
#include "codec/hash.h"
#include "os/file.h"
#include "protect/log_archive.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

// Each 50 ms to the store would cost a tenth of the speed of recovery.
constexpr std::size_t kReadAhead = 16;
constexpr std::uint64_t kReadAheadBytes = 512u << 20;  // or so many files, if that is more:
constexpr std::size_t kLeastReadAhead = 8;
constexpr std::size_t kLogDigits = 16;  // timeline and log number: up to 4 GiB of segments
constexpr std::size_t kSegmentDigits = 24;

struct FetchOptions {
  std::string name;
  std::string path;
  std::string source;
};

class WalFetch {
 public:
  WalFetch(Context& context, const FetchOptions& options)
      : context_(context), options_(options), source_(wal_source(context, options.source)) {}

  int run();

 private:
  bool take_from_spool();
  void open();
  bool is_listed_with_followers(std::vector<std::string>& followers);
  void list_log_number(const std::string& digits, std::vector<std::string>& followers);
  void fetch(const std::string& name, const std::string& path);
  std::vector<std::string> to_read_ahead(std::vector<std::string> followers) const;
  void read_ahead(const std::vector<std::string>& names);
  int fetch_alone();
  void require_stream();
  void forget_earlier();
  std::string spooled(const std::string& name) const { return spool_ + "/" + name; }
  LogName log_name(const std::string& file) const { return {source_, stream_, file, {}}; }

  Context& context_;
  const FetchOptions& options_;
  const std::string source_;
  std::string stream_;
  std::string spool_;
  bool listed_ = false;
  std::uint64_t segment_size_ = 0;
  OpenedVault opened_;
};

// What is there is whole: it was written beside, synced and renamed.
bool WalFetch::take_from_spool() {
  if (spool_.empty()) return false;
  const std::string from = spooled(options_.name);
  if (::rename(from.c_str(), options_.path.c_str()) == 0) return true;
  if (errno != EXDEV) return false;
  write_file_atomic(options_.path, read_file(from), 0600);
  ::unlink(from.c_str());
  return true;
}

void WalFetch::open() {
  opened_ = open_vault(context_, Access::kRead);
  if (!opened_.vault->ring().can_read()) {
    throw Error(Code::kDenied, "this key cannot read content",
                "use a restorer key: --key-file, or the recovery sheet");
  }
}

void WalFetch::list_log_number(const std::string& digits, std::vector<std::string>& followers) {
  opened_.store->list(log_prefix(source_, stream_) + digits, [&](const ObjectInfo& info) {
    const auto name = parse_log_key(info.key);
    if (!name || name->piece || name->file.size() != kSegmentDigits) return;
    if (name->file == options_.name) listed_ = true;
    if (name->file > options_.name && followers.size() < kReadAhead) {
      followers.push_back(name->file);
    }
  });
}

bool WalFetch::is_listed_with_followers(std::vector<std::string>& followers) {
  list_log_number(options_.name.substr(0, kLogDigits), followers);
  if (listed_ && followers.size() < kReadAhead) {
    const std::string log = options_.name.substr(8, 8);
    const auto next = static_cast<std::uint32_t>(std::stoul(log, nullptr, 16) + 1);
    list_log_number(options_.name.substr(0, 8) + fmt::format("{:08X}", next), followers);
  }
  return listed_;
}

void WalFetch::fetch(const std::string& name, const std::string& path) {
  const auto fetched = fetch_log(*opened_.vault, log_name(name), path);
  if (!fetched) throw Error(Code::kUnavailable, name + " was listed and is gone", "try again");
  segment_size_ = fetched->size;
}

// What is in the spool and does not follow is of no use, and goes.
std::vector<std::string> WalFetch::to_read_ahead(std::vector<std::string> followers) const {
  if (spool_.empty()) return {};
  const std::uint64_t bytes = std::max<std::uint64_t>(segment_size_, 1);
  followers.resize(std::min<std::size_t>(
      followers.size(), std::max<std::size_t>(kLeastReadAhead, kReadAheadBytes / bytes)));
  const std::set<std::string> there = names_in(spool_);
  for (const std::string& name : there) {
    if (std::find(followers.begin(), followers.end(), name) == followers.end()) {
      ::unlink(spooled(name).c_str());
    }
  }
  if (free_space(spool_) < 2 * bytes * followers.size()) return {};
  std::erase_if(followers, [&](const std::string& name) { return there.contains(name); });
  return followers;
}

void WalFetch::read_ahead(const std::vector<std::string>& names) {
  first_and_others(names.size(), wal_threads(*opened_.store, segment_size_), [&](std::size_t i) {
    if (!context_.stop.stop_requested()) {
      fetch_log(*opened_.vault, log_name(names[i]), spooled(names[i]));
    }
  });
}

// Nothing of it at all: then this is not the end of a log but the wrong place to look.
void WalFetch::require_stream() {
  if (first_key(*opened_.store, log_prefix(source_, stream_))) return;
  check_log_stream(*opened_.store, source_, stream_);
  throw Error(Code::kNotFound,
              fmt::format("{} has no log of {}", opened_.store->traits().url, source_),
              "check --source and --vault; recovery would end here as if the log were complete");
}

// The end of a timeline: what was read ahead of it and not asked for is of no more use.
void WalFetch::forget_earlier() {
  if (spool_.empty()) return;
  for (const std::string& name : names_in(spool_)) {
    if (name < options_.name && name.substr(0, 8) == options_.name.substr(0, 8)) {
      ::unlink(spooled(name).c_str());
    }
  }
}

int WalFetch::fetch_alone() {
  const auto fetched =
      fetch_log(*opened_.vault, log_name(options_.name), options_.path,
                [](ByteView start) { return parse_wal_header(start).segment_size; });
  if (!fetched) {
    require_stream();
    forget_earlier();
    return kExitAbsent;
  }
  if (fetched->gap) {
    context_.output.warning(options_.name +
                            " is there in pieces, and one in the middle is missing: its end is not "
                            "recovered. Another copy of the vault may have it");
  }
  return kExitSuccess;
}

int WalFetch::run() {
  const auto kind = wal_file_kind(options_.name);
  if (!kind) {
    throw Error(Code::kUsage, "'" + printable(options_.name) + "' is not the name of a WAL file",
                "in postgresql.conf: restore_command = 'holdfast wal-fetch %f %p'");
  }
  stream_ = std::to_string(read_system_identifier("."));
  if (*kind == WalFileKind::kSegment) {
    // Of this vault alone, at this moment of it.
    const Digest place = sha256(as_bytes(vault_url(context_) + " " + context_.options.as_of));
    spool_ =
        wal_spool(context_, source_, "fetch/" + to_hex(ByteView(place).first(8)) + "-" + stream_);
    if (take_from_spool()) return kExitSuccess;
  }
  open();
  std::vector<std::string> followers;
  if (*kind != WalFileKind::kSegment || !is_listed_with_followers(followers)) return fetch_alone();
  fetch(options_.name, options_.path);
  try {  // what goes wrong now is for the call to say that wants the file
    read_ahead(to_read_ahead(std::move(followers)));
  } catch (const Error&) {
  }
  return kExitSuccess;
}

}  // namespace

void add_wal_fetch_command(Command& root) {
  const auto o = std::make_shared<FetchOptions>();
  Command command =
      root.subcommand("wal-fetch", "Bring back a file of PostgreSQL's log (for restore_command)");
  command.argument("NAME", o->name, true, "The file that PostgreSQL wants: %f")
      .argument("PATH", o->path, true, "Where it wants it: %p")
      .text("--source", o->source, "Whose log it is (default: the only database source)")
      .examples({"restore_command = 'holdfast wal-fetch %f %p'  # in postgresql.conf",
                 "restore_command = 'holdfast wal-fetch --source shop %f %p'"})
      .run([o](Context& context) {
        try {
          return WalFetch(context, *o).run();
        } catch (Error& error) {
          throw error.add_context("cannot fetch " + printable(o->name));
        }
      });
}

}  // namespace holdfast
