#include "source/postgres/log_event.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/wire.h"
#include "source/postgres/crc32c.h"
#include "source/postgres/pg_time.h"
#include "source/postgres/wal_format.h"

namespace holdfast {

namespace {

// xact.h: what a commit or abort record contains after its time.
constexpr std::uint32_t kHasDatabase = 1u << 0;
constexpr std::uint32_t kHasSubtransactions = 1u << 1;
constexpr std::uint32_t kHasRelations = 1u << 2;
constexpr std::uint32_t kHasInvalidations = 1u << 3;
constexpr std::uint32_t kHasTwoPhase = 1u << 4;
constexpr std::uint32_t kHasDroppedStatistics = 1u << 8;
constexpr std::size_t kRestorePointName = 64;  // MAXFNAMELEN
// xlog_internal.h, xl_parameter_change: five numbers, then the level, of which minimal is 0.
constexpr std::size_t kBeforeWalLevel = 5 * 4;
constexpr std::uint32_t kMinimal = 0;

void skip_array(WireReader& in, std::uint64_t element_size) {
  const std::uint64_t bytes = in.fixed<std::uint32_t>() * element_size;
  if (bytes > in.left()) throw Error(Code::kCorrupt, "an array is longer than the record");
  in.raw(static_cast<std::size_t>(bytes));
}

// The transaction that was prepared earlier; `in` stands after the time.
std::uint32_t prepared_xid(WireReader in, const WalRecord& record) {
  if ((record.info & kXactHasInfo) == 0) return 0;
  const auto has = in.fixed<std::uint32_t>();
  if (has & kHasDatabase) in.raw(8);
  if (has & kHasSubtransactions) skip_array(in, 4);
  if (has & kHasRelations) skip_array(in, 12);
  if (has & kHasDroppedStatistics) skip_array(in, record.major >= 18 ? 16 : 12);
  if (has & kHasInvalidations) skip_array(in, 16);
  return has & kHasTwoPhase ? in.fixed<std::uint32_t>() : 0;
}

Timestamp read_time(WireReader& in) {
  return from_pg_time(static_cast<std::int64_t>(in.fixed<std::uint64_t>()));
}

std::optional<LogEvent> parse_transaction(const WalRecord& record, LogEvent event) {
  const int operation = record.info & kXactOperation;
  const bool prepared = operation == kXactCommitPrepared || operation == kXactAbortPrepared;
  if (operation == kXactCommit || operation == kXactCommitPrepared) {
    event.kind = LogEventKind::kCommit;
  } else if (operation == kXactAbort || operation == kXactAbortPrepared) {
    event.kind = LogEventKind::kAbort;
  } else {
    return std::nullopt;
  }
  WireReader in(record.main_data);
  event.time = read_time(in);
  event.xid = record.xid;
  if (!prepared) return event;
  try {
    event.xid = prepared_xid(in, record);
  } catch (const Error&) {
    if (record.main_data.size() == record.main_length) throw;
    event.xid = 0;
  }
  return event;
}

std::optional<LogEvent> parse_log_operation(const WalRecord& record, LogEvent event) {
  WireReader in(record.main_data);
  switch (record.info & kXlogOperation) {
    case kXlogShutdownCheckpoint:
    case kXlogOnlineCheckpoint:
      event.kind = LogEventKind::kCheckpoint;
      event.redo = in.fixed<std::uint64_t>();
      event.timeline = in.fixed<std::uint32_t>();
      event.previous_timeline = in.fixed<std::uint32_t>();
      return event;
    case kXlogRestorePoint: {
      event.kind = LogEventKind::kRestorePoint;
      event.time = read_time(in);
      const std::string_view name = as_text(in.raw(kRestorePointName));
      event.name = name.substr(0, name.find('\0'));
      return event;
    }
    case kXlogEndOfRecovery:
      event.kind = LogEventKind::kEndOfRecovery;
      event.time = read_time(in);
      event.timeline = in.fixed<std::uint32_t>();
      event.previous_timeline = in.fixed<std::uint32_t>();
      return event;
    case kXlogParameterChange:
      in.raw(kBeforeWalLevel);
      if (in.fixed<std::uint32_t>() != kMinimal) return std::nullopt;
      event.kind = LogEventKind::kMinimalLevel;
      return event;
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<LogEvent> parse_log_event(const WalRecord& record) {
  LogEvent event;
  event.lsn = record.lsn;
  event.end_lsn = record.end_lsn;
  event.previous = record.previous;
  try {
    if (record.rmid == kRmXact) return parse_transaction(record, std::move(event));
    if (record.rmid == kRmXlog) return parse_log_operation(record, std::move(event));
  } catch (Error& error) {
    throw error.add_context("the log at " + format_lsn(record.lsn));
  }
  return std::nullopt;
}

std::optional<LogEvent> parse_cut_record(Lsn lsn, Lsn end_lsn, ByteView bytes, int major) {
  if (bytes.size() < kRecordHeader) return std::nullopt;
  const WalRecordHeader header = parse_record_header(bytes);
  const ByteView payload = bytes.subspan(kRecordHeader);
  const auto corrupt = [&](std::string_view what) {
    return Error(Code::kCorrupt, fmt::format("the log at {}: {}", format_lsn(lsn), what));
  };
  if (header.total_length < bytes.size()) throw corrupt("the record is longer than it says");
  if (header.total_length == bytes.size() && record_crc(crc32c(0, payload), bytes) != header.crc) {
    throw corrupt("the record's checksum is wrong");
  }
  if (header.rmid != kRmXact && header.rmid != kRmXlog) return std::nullopt;
  const auto data = parse_data_headers(payload, header.total_length - kRecordHeader, major);
  // Records with blocks are none of those that we look for.
  if (!data || data->block_data != 0) return std::nullopt;
  return parse_log_event({lsn, end_lsn, header.previous, header.total_length, header.xid,
                          header.rmid, header.info, major, data->main_length,
                          payload.subspan(data->size)});
}

bool may_drop_level(ByteView bytes) {
  if (bytes.size() < kRecordHeader) return true;
  const WalRecordHeader header = parse_record_header(bytes);
  return header.rmid == kRmXlog && (header.info & kXlogOperation) == kXlogParameterChange;
}

}  // namespace holdfast
