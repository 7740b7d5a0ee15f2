// What point-in-time recovery needs to know of a record of the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/time.h"
#include "source/postgres/lsn.h"
#include "source/postgres/wal_reader.h"

namespace holdfast {

enum class LogEventKind {
  kCommit,
  kAbort,
  kRestorePoint,
  kCheckpoint,
  kEndOfRecovery,
  kMinimalLevel,  // the server goes on with wal_level = minimal: no recovery replays this record
};

struct LogEvent {
  LogEventKind kind = LogEventKind::kCommit;
  Lsn lsn = 0;
  Lsn end_lsn = 0;
  Lsn previous = 0;       // where the record before it begins
  Timestamp time{};       // as the server wrote it
  std::uint32_t xid = 0;  // commit and abort; of the prepared transaction where there is one; 0:
                          // unknown, its place is beyond what was kept of the record
  std::string name;       // restore point
  Lsn redo = 0;           // checkpoint: where recovery from it begins
  // Checkpoint and end of recovery: the timeline from here on, and the one until here.
  std::uint32_t timeline = 0;
  std::uint32_t previous_timeline = 0;
};

// Nothing for a record of any other kind. Throws Error(kCorrupt) when its data is too short.
std::optional<LogEvent> parse_log_event(const WalRecord& record);

// The same from the first bytes of a record that was put together from two inputs. When they are
// the whole record its checksum is verified; otherwise it cannot be. Throws Error(kCorrupt).
std::optional<LogEvent> parse_cut_record(Lsn lsn, Lsn end_lsn, ByteView bytes, int major);

// Whether the record of which these are the first bytes may be a kMinimalLevel.
bool may_drop_level(ByteView bytes);

}  // namespace holdfast
