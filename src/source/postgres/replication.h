// The streaming replication protocol of PostgreSQL, as a receiver of WAL speaks it:
// https://www.postgresql.org/docs/15/protocol-replication.html
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "settings/settings.h"
#include "source/postgres/connect.h"
#include "source/postgres/lsn.h"

namespace holdfast {

struct PgIdentity {
  std::string system;          // identifier, decimal
  std::uint32_t timeline = 0;  // the server's present one
  Lsn flushed = 0;
};

enum class WalMessageKind {
  kData,
  kKeepalive,
  kEnd,  // of this timeline: next_timeline() tells where it goes on
};

struct WalMessage {
  WalMessageKind kind = WalMessageKind::kData;
  Lsn start = 0;       // kData: of the first byte
  Lsn server_end = 0;  // how far the server's log reaches
  ByteView data;       // valid until the next call
  bool reply_wanted = false;
};

struct NextTimeline {
  std::uint32_t timeline = 0;
  Lsn start = 0;
};

// The slot of a source's stream: "appdb-1" -> "holdfast_appdb_1".
std::string pg_slot_of(const std::string& source);

// One connection in replication mode. One thread at a time.
class PgReplication {
 public:
  // `name` is the application_name, by which synchronous_standby_names knows us. Throws as
  // PgConnection does.
  PgReplication(const PostgresSettings& settings, const std::string& name);
  ~PgReplication();

  PgIdentity identify();
  std::uint64_t segment_size();
  // Makes the physical slot unless it is there; it keeps WAL from then on.
  void ensure_slot(const std::string& slot);
  // Throws when it is in use, or not there.
  void drop_slot(const std::string& slot);
  // The content of TTTTTTTT.history.
  std::string timeline_history(std::uint32_t timeline);

  // An empty `slot`: without one. Where `timeline` ends at `from` the first message is kEnd. Throws
  // kNotFound when the server has removed what is asked for, or has invalidated the slot.
  void start(const std::string& slot, Lsn from, std::uint32_t timeline);
  // The next message; nothing when none came within `timeout`, or `wake_fd` became readable, or a
  // signal came. Throws kUnavailable when the server goes away.
  std::optional<WalMessage> receive(Duration timeout, int wake_fd);
  // Tells how far the log is written and durable on our side.
  void report(Lsn written, Lsn flushed, Timestamp now, bool reply_wanted = false);
  // Leaves the stream before its end, or behind an early one, so that start() may be called again.
  // Throws kNotFound when the server had removed what was asked for.
  void end_stream();
  // After kEnd, which an error of the server gives, too. Throws kNotFound as start() does.
  NextTimeline next_timeline();

 private:
  struct Freer {
    void operator()(char* buffer) const;
  };
  [[noreturn]] void fail(const std::string& what);
  std::string cell(const std::string& command, int row, int column);

  PgHandle connection_;
  std::unique_ptr<char, Freer> buffer_;
  std::optional<NextTimeline> ended_;  // there is no stream, since the timeline ends where it began
};

// What to do about a slot that the server has given up.
inline constexpr std::string_view kInvalidatedSlotHint =
    "see wal_status (and from 17 on invalidation_reason) in pg_replication_slots. An invalidated "
    "slot stays so: drop it (select pg_drop_replication_slot('NAME')) and start the stream again, "
    "which makes it anew and goes on where the vault ends, if the server still has that log. If it "
    "has not: take a backup at once (holdfast backup database), then start with --skip-gap. For "
    "the next time: larger max_slot_wal_keep_size, idle_replication_slot_timeout";

// The error of a server that will never send what is asked for, by its SQLSTATE; nothing for those
// that may pass. `message` is what it said.
std::optional<Error> pg_lost_log(std::string_view state, const std::string& message);

// One message of the stream, as CopyData carries it. Throws Error(kCorrupt). For fuzzers too.
WalMessage parse_wal_message(ByteView bytes);

}  // namespace holdfast
