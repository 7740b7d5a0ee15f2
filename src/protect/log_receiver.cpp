#include "protect/log_receiver.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/error.h"
#include "os/file.h"
#include "protect/log_archive.h"
#include "protect/log_backfill.h"
#include "protect/log_catch_up.h"
#include "protect/log_continuity.h"
#include "protect/log_level.h"
#include "protect/log_listing.h"
#include "protect/log_patience.h"
#include "protect/wal_upload.h"
#include "source/postgres/connection.h"
#include "source/postgres/replication.h"
#include "source/postgres/timeline_history.h"

namespace holdfast {
namespace {

constexpr Duration kStatusEvery = std::chrono::seconds{5};

// What to do with a server that was set back as files.
constexpr const char* kSetBackHint =
    "what it writes now must not be taken for what it wrote before: restore it with holdfast "
    "restore, which begins a timeline of its own; or keep it as it is, with a new full backup and "
    "a log of their own: give it another source name";

// Where the stream has to go on.
struct Position {
  std::uint32_t timeline = 0;
  Lsn start = 0;             // of a segment
  std::uint32_t stored = 0;  // bytes of that segment that are there as pieces

  Lsn end() const { return start + stored; }
  bool operator==(const Position&) const = default;
};

}  // namespace

struct LogReceiver::State {
  State(const Vault& the_vault, const LogReceiverOptions& the_options,
        std::function<void(const std::string&)> the_notify)
      : vault(the_vault),
        options(the_options),
        notify(std::move(the_notify)),
        skip_gap(the_options.skip_gap),
        followers(the_vault, the_options.followers, follower_options()),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake.valid()) throw system_error(errno, "cannot watch for progress");
  }

  void progress() const {
    const std::uint64_t one = 1;
    while (::write(wake.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
  }

  void run(std::stop_token stop);
  void connect_and_stream(std::stop_token stop);
  void check_system(const PgIdentity& identity);
  std::optional<Position> archived() const;
  void check_behind(const PgIdentity& identity, const Position& known) const;
  void check_same(PgReplication& server, const Position& known, const std::stop_token& stop) const;
  Position on_branch(PgReplication& server, const PgIdentity& identity, const Position& known);
  void ensure_slot(PgReplication& server) const;
  bool slot_is_lost() const;
  Position from_slot(const PgIdentity& identity) const;
  void store_history(PgReplication& server, std::uint32_t timeline);
  bool stream(PgReplication& server, std::stop_token stop);  // true at the end of the timeline
  void report(PgReplication& server);
  void start_backfill();

  LogFollowerOptions follower_options() const {
    LogFollowerOptions follow;
    follow.source = options.source;
    follow.before_object = mark_level_drop;
    follow.notify = notify;
    return follow;
  }

  template <typename Change>
  void update(Change change) {
    MutexLock lock(mutex);
    change(status);
  }

  const Vault& vault;
  const LogReceiverOptions options;
  std::function<void(const std::string&)> notify;
  // Until log behind the gap has come, which the next connection goes on from.
  bool skip_gap;
  LogFollowers followers;
  Fd wake;
  std::string system;
  std::uint32_t segment_size = kWalSegmentSize;
  Lsn received = 0;
  Lsn reported = 0;
  Duration last_report{};

  mutable Mutex mutex;
  LogReceiverStatus status GUARDED_BY(mutex);
  // These go first: their threads still work then, and tell of it.
  std::unique_ptr<WalUpload> uploader;
  std::jthread backfill;
};

// Beside the stream, which does not wait for it.
void LogReceiver::State::start_backfill() {
  BackfillOptions fill{options.source, system,
                       options.server, options.name + "_backfill",
                       options.others, [this, stream = system] { followers.even_out(stream); }};
  backfill = std::jthread([this, fill = std::move(fill)](std::stop_token stop) {
    try {
      backfill_log(vault, fill, notify, stop);
    } catch (...) {
      const Error error = current_error();
      if (error.code() == Code::kCancelled) return;
      notify("holes in the log stay until the next connection: " + error.message());
    }
  });
}

void LogReceiver::State::check_system(const PgIdentity& identity) {
  if (!system.empty() && system != identity.system) {
    throw Error(
        Code::kConflict,
        fmt::format("another cluster answers now: system {}, it was {}", identity.system, system),
        "give the new cluster a source of its own");
  }
  system = identity.system;
  if (options.new_cluster) return;
  try {
    check_log_stream(vault.store(), options.source, system);
    for (const Vault* other : options.others) {
      check_log_stream(other->store(), options.source, system);
    }
  } catch (const Error& error) {
    if (error.code() != Code::kConflict) throw;
    throw Error(Code::kConflict, error.message(),
                "give this server a source of its own; if it takes the place of the old one (after "
                "an upgrade, say), start once with --new-cluster");
  }
}

// The end of what the vault has of the newest timeline.
std::optional<Position> LogReceiver::State::archived() const {
  for (const LogStream& log : list_log(vault, options.source)) {
    if (log.stream != system || log.timelines.empty()) continue;
    const LogTimeline& newest = log.timelines.back();
    Position position{newest.timeline, 0, 0};
    if (!newest.held.empty()) {
      const auto last = parse_wal_segment(newest.held.back().last, segment_size);
      if (last) position.start = last->next().start(segment_size);
    }
    for (const PartialLog& partial : newest.partial) {
      const auto segment = parse_wal_segment(partial.name, segment_size);
      if (!segment || segment->start(segment_size) < position.start) continue;
      position.start = segment->start(segment_size);
      position.stored = static_cast<std::uint32_t>(partial.reach);
    }
    if (position.start > 0) return position;
  }
  return std::nullopt;
}

// What the vault has came from a server: one that has less of the same timeline, or is on an older
// one, was set back, and writes another log under the same names. A standby may only be late.
void LogReceiver::State::check_behind(const PgIdentity& identity, const Position& known) const {
  std::string what;
  if (known.timeline > identity.timeline) {
    what = fmt::format("the server is on timeline {}, and the vault has log of timeline {} already",
                       identity.timeline, known.timeline);
  } else if (known.timeline == identity.timeline && known.end() > identity.flushed) {
    what = fmt::format(
        "the server's log ends at {} on timeline {}, and the vault has it to {} already",
        format_lsn(identity.flushed), identity.timeline, format_lsn(known.end()));
  } else {
    return;
  }
  PgConnection connection(options.server, "", {});
  if (connection.value("select pg_is_in_recovery()") == "t") {
    throw Error(Code::kUnavailable, what + ": the standby is behind");
  }
  throw Error(Code::kConflict, what + ": the server was set back to an older state", kSetBackHint);
}

// One that was set back and has written more since then has passed the vault's end. What it wrote
// in the vault's last segment tells.
void LogReceiver::State::check_same(PgReplication& server, const Position& known,
                                    const std::stop_token& stop) const {
  const LogEnd end{options.source, system, known.timeline, known.end(), segment_size};
  switch (compare_log(vault, server, end, stop)) {
    case LogContinuity::kSame:
      return;
    case LogContinuity::kUnknown:
      notify(
          fmt::format("the server has no log before {} any more: that it is the one that the "
                      "vault has could not be compared",
                      format_lsn(known.end())));
      return;
    case LogContinuity::kOther:
      throw Error(
          Code::kConflict,
          fmt::format("the server's log up to {} on timeline {} is another one than the vault has "
                      "up to there: the server was set back to an older state, and has gone on",
                      format_lsn(known.end()), known.timeline),
          kSetBackHint);
  }
}

// A server that was restored to a moment has left the vault's newest timeline before its end, or
// was never on it: its own begins in the segment in which it branched off.
Position LogReceiver::State::on_branch(PgReplication& server, const PgIdentity& identity,
                                       const Position& known) {
  if (known.timeline >= identity.timeline) return known;
  const TimelineHistory history =
      TimelineHistory::parse(server.timeline_history(identity.timeline), identity.timeline);
  if (history.leads_here(known.timeline, known.end())) return known;
  const Lsn begin = history.spans().back().begin;
  return {identity.timeline, begin - begin % segment_size, 0};
}

// Asked where connections that replicate nothing are allowed. Without an answer the server's own
// refusal has to do, which those before 18 leave out while the log happens to be there.
bool LogReceiver::State::slot_is_lost() const {
  try {
    PgConnection connection(options.server, "", {});
    return connection.value("select wal_status from pg_replication_slots where slot_name = $1",
                            {options.slot}) == "lost";
  } catch (const Error&) {
    return false;
  }
}

// One that was invalidated keeps no log for us, and never will.
void LogReceiver::State::ensure_slot(PgReplication& server) const {
  server.ensure_slot(options.slot);
  if (!slot_is_lost()) return;
  if (!skip_gap) {
    throw Error(Code::kNotFound,
                "the server has invalidated the replication slot " + options.slot +
                    ": it keeps no log for the stream any more",
                std::string(kInvalidatedSlotHint));
  }
  server.drop_slot(options.slot);
  server.ensure_slot(options.slot);
  notify("the replication slot " + options.slot + " had been invalidated, and was made anew");
}

// Where the slot keeps the log from, which is the start of a segment or in one.
Position LogReceiver::State::from_slot(const PgIdentity& identity) const {
  PgConnection connection(options.server, "", {});
  const std::string restart = connection.value(
      "select coalesce(restart_lsn, pg_current_wal_flush_lsn()) from pg_replication_slots "
      "where slot_name = $1",
      {options.slot});
  const Lsn from = restart.empty() ? identity.flushed : parse_lsn(restart);
  return {identity.timeline, from - from % segment_size, 0};
}

void LogReceiver::State::store_history(PgReplication& server, std::uint32_t timeline) {
  if (timeline == 1) return;
  const std::string content = server.timeline_history(timeline);
  const LogName name{options.source, system, history_file_name(timeline), {}};
  store_log(vault, name, as_bytes(content));
  for (const Vault* other : options.others) store_log(*other, name, as_bytes(content));
  followers.offer({name, std::make_shared<const Bytes>(to_bytes(as_bytes(content)))});
}

void LogReceiver::State::report(PgReplication& server) {
  const Lsn durable = uploader->durable();
  server.report(std::max(received, durable), durable, vault.clock().now());
  reported = durable;
  last_report = vault.clock().monotonic();
  update([&](LogReceiverStatus& s) {
    s.received = received;
    s.durable = durable;
    s.uploads = uploader->stats();
  });
}

bool LogReceiver::State::stream(PgReplication& server, std::stop_token stop) {
  while (!stop.stop_requested()) {
    const auto message = server.receive(kStatusEvery, wake.get());
    std::uint64_t ignored = 0;
    while (::read(wake.get(), &ignored, sizeof ignored) < 0 && errno == EINTR) {
    }
    bool reply = false;
    if (message) {
      if (message->kind == WalMessageKind::kEnd) return true;
      if (message->kind == WalMessageKind::kData) {
        if (message->start != received) {
          throw Error(Code::kUnavailable,
                      fmt::format("the stream jumped from {} to {}", format_lsn(received),
                                  format_lsn(message->start)));
        }
        uploader->add(message->data, stop);
        skip_gap = false;
        received += message->data.size();
      }
      reply = message->reply_wanted;
      update([&](LogReceiverStatus& s) {
        s.server_end = std::max(s.server_end, message->server_end);
        s.received = received;
        s.heard = vault.clock().now();
      });
    }
    const bool due = vault.clock().monotonic() - last_report >= kStatusEvery;
    if (reply || due || uploader->durable() != reported) report(server);
  }
  return false;
}

void LogReceiver::State::connect_and_stream(std::stop_token stop) {
  PgReplication server(options.server, options.name);
  const PgIdentity identity = server.identify();
  check_system(identity);
  segment_size = static_cast<std::uint32_t>(server.segment_size());
  if (!uploader) {
    LogUploadOptions upload;
    upload.source = options.source;
    upload.stream = system;
    upload.interval = options.interval;
    upload.complete_by_size = true;
    upload.others = options.others;
    upload.followers = &followers;
    upload.before_object = mark_level_drop;
    uploader = std::make_unique<WalUpload>(
        vault, upload, segment_size,
        [this](const Error& error) { notify("the log waits: " + error.message()); },
        [this] { progress(); });
  }
  uploader->drain(stop);
  // Where the vault ends is where all end: from there on the server is told that it is durable.
  std::vector<const Vault*> places{&vault};
  places.insert(places.end(), options.others.begin(), options.others.end());
  catch_up_log(places, options.source, system, notify, stop);
  followers.even_out(system);
  const std::optional<Position> known = archived();
  Position at{};
  if (known) {
    check_behind(identity, *known);
    at = on_branch(server, identity, *known);
    if (at == *known) check_same(server, *known, stop);
  }
  ensure_slot(server);
  if (!known || skip_gap) at = from_slot(identity);
  start_backfill();
  for (;;) {
    store_history(server, at.timeline);
    uploader->begin(at.timeline, at.start, at.stored, stop);
    received = at.start;
    server.start(options.slot, at.start, at.timeline);
    notify(fmt::format("receiving from {} on timeline {}", format_lsn(at.start), at.timeline));
    update([&](LogReceiverStatus& s) {
      s.connected = true;
      s.timeline = at.timeline;
    });
    if (!stream(server, stop)) return;
    uploader->drain(stop);
    const NextTimeline next = server.next_timeline();
    notify(fmt::format("timeline {} ended, it goes on with {} at {}", at.timeline, next.timeline,
                       format_lsn(next.start)));
    at = {next.timeline, next.start - next.start % segment_size, 0};
  }
}

void LogReceiver::State::run(std::stop_token stop) {
  const std::stop_callback on_stop(stop, [this] { progress(); });
  keep_connected(
      vault.clock(), stop, [&] { connect_and_stream(stop); },
      [this] {
        bool was_connected = false;
        update([&](LogReceiverStatus& s) { was_connected = std::exchange(s.connected, false); });
        return was_connected;
      },
      notify);
  backfill = {};
  uploader.reset();
}

LogReceiver::LogReceiver(const Vault& vault, const LogReceiverOptions& options,
                         std::function<void(const std::string&)> notify)
    : state_(std::make_unique<State>(vault, options, std::move(notify))) {}

LogReceiver::~LogReceiver() = default;

void LogReceiver::run(std::stop_token stop) { state_->run(std::move(stop)); }

LogReceiverStatus LogReceiver::status() const {
  LogReceiverStatus status;
  {
    MutexLock lock(state_->mutex);
    status = state_->status;
  }
  status.followers = state_->followers.status();
  return status;
}

}  // namespace holdfast
