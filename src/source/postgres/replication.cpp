#include "source/postgres/replication.h"

#include <fmt/format.h>
#include <poll.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "base/one_line.h"
#include "source/postgres/connect.h"
#include "source/postgres/libpq.h"
#include "source/postgres/pg_time.h"

namespace holdfast {
namespace {

constexpr std::size_t kDataHeader = 1 + 8 + 8 + 8;
constexpr std::size_t kKeepaliveSize = 1 + 8 + 8 + 1;
constexpr std::string_view kGone = "58P01";       // SQLSTATE of a file that is not there
constexpr std::string_view kNotReady = "55000";   // of an object that cannot be used as it is
constexpr std::string_view kInUse = "55006";      // a slot, by another walsender
constexpr std::string_view kIntervention = "57";  // class of those that an operator causes

std::uint64_t big_endian(ByteView bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = (value << 8) | bytes[at + i];
  return value;
}

void put_big_endian(Bytes& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

PqResult run(pg_conn* connection, const std::string& command) {
  return PqResult(PQexec(connection, command.c_str()));
}

// What a server says behind the end of a timeline.
std::optional<NextTimeline> next_in(const pg_result* result) {
  if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1) return std::nullopt;
  return NextTimeline{static_cast<std::uint32_t>(std::stoul(PQgetvalue(result, 0, 0))),
                      parse_lsn(PQgetvalue(result, 0, 1))};
}

std::string_view state_of(const pg_result* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? "" : state;
}

// A server may say that in answer to START_REPLICATION, or only when the stream has begun.
void throw_if_lost(const pg_result* result) {
  const auto lost = pg_lost_log(state_of(result), one_line(PQresultErrorMessage(result)));
  if (lost) throw Error(*lost);
}

// pg_terminate_backend() and shutdowns: the connection may still look alive.
void throw_if_interrupted(const pg_result* result) {
  if (!state_of(result).starts_with(kIntervention)) return;
  throw Error(Code::kUnavailable,
              "the server ended the stream: " + one_line(PQresultErrorMessage(result)));
}

// Names of slots are [a-z0-9_], so that no quoting is needed.
void check_slot(const std::string& slot) {
  const bool plain =
      !slot.empty() && slot.size() <= 63 &&
      slot.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
  if (plain) return;
  throw Error(Code::kInvalid, "'" + printable(slot) + "' is not the name of a replication slot",
              "use lower-case letters, digits and '_', at most 63 of them");
}

}  // namespace

WalMessage parse_wal_message(ByteView bytes) {
  WalMessage message;
  const std::uint8_t kind = bytes.empty() ? 0 : bytes[0];
  if (kind == 'w' && bytes.size() >= kDataHeader) {
    message.start = big_endian(bytes, 1);
    message.server_end = big_endian(bytes, 9);
    message.data = bytes.subspan(kDataHeader);
    return message;
  }
  if (kind == 'k' && bytes.size() == kKeepaliveSize) {
    message.kind = WalMessageKind::kKeepalive;
    message.server_end = big_endian(bytes, 1);
    message.reply_wanted = bytes[kKeepaliveSize - 1] != 0;
    return message;
  }
  throw Error(Code::kCorrupt, "the server's stream has a message that is not understood");
}

std::optional<Error> pg_lost_log(std::string_view state, const std::string& message) {
  if (state == kGone) {
    return Error(Code::kNotFound,
                 "the server has removed WAL that was not received yet: " + message,
                 "the log has a gap now: take a backup at once (holdfast backup database), then "
                 "start the stream with --skip-gap; look at max_slot_wal_keep_size");
  }
  if (state != kNotReady) return std::nullopt;
  // PostgreSQL 18 says so of every slot that was invalidated, others of slots of the wrong kind.
  return Error(Code::kNotFound, "the server does not stream from the replication slot: " + message,
               std::string(kInvalidatedSlotHint));
}

void PgReplication::Freer::operator()(char* buffer) const { PQfreemem(buffer); }

std::string pg_slot_of(const std::string& source) {
  std::string slot = "holdfast_";
  for (const char c : source) slot += c == '-' || c == '.' ? '_' : c;
  return slot;
}

PgReplication::PgReplication(const PostgresSettings& settings, const std::string& name)
    : connection_(connect(settings, {{"replication", "true"}, {"application_name", name}})) {}

PgReplication::~PgReplication() = default;

void PgReplication::fail(const std::string& what) {
  const std::string reason = one_line(PQerrorMessage(connection_.get()));
  const bool gone = PQstatus(connection_.get()) != CONNECTION_OK;
  throw Error(gone ? Code::kUnavailable : Code::kInvalid, what + ": " + reason);
}

std::string PgReplication::cell(const std::string& command, int row, int column) {
  const PqResult result = run(connection_.get(), command);
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) fail(command);
  if (PQntuples(result.get()) <= row || PQnfields(result.get()) <= column) return {};
  return PQgetvalue(result.get(), row, column);
}

PgIdentity PgReplication::identify() {
  const PqResult result = run(connection_.get(), "IDENTIFY_SYSTEM");
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) != 1 ||
      PQnfields(result.get()) < 3) {
    fail("IDENTIFY_SYSTEM");
  }
  return {PQgetvalue(result.get(), 0, 0),
          static_cast<std::uint32_t>(std::stoul(PQgetvalue(result.get(), 0, 1))),
          parse_lsn(PQgetvalue(result.get(), 0, 2))};
}

std::uint64_t PgReplication::segment_size() {
  const std::string text = cell("SHOW wal_segment_size", 0, 0);  // "16MB", "1GB"
  const std::uint64_t number = std::stoull(text);
  return text.ends_with("GB") ? number << 30 : number << 20;
}

void PgReplication::ensure_slot(const std::string& slot) {
  check_slot(slot);
  const PqResult made =
      run(connection_.get(), "CREATE_REPLICATION_SLOT " + slot + " PHYSICAL RESERVE_WAL");
  if (PQresultStatus(made.get()) == PGRES_TUPLES_OK) return;
  const char* state = PQresultErrorField(made.get(), PG_DIAG_SQLSTATE);
  const std::string_view text = state == nullptr ? "" : state;
  constexpr std::string_view kDuplicate = "42710";
  if (text == kDuplicate) return;
  throw Error(text.starts_with("53") ? Code::kExhausted : Code::kInvalid,
              "the replication slot " + slot +
                  " cannot be made: " + one_line(PQresultErrorMessage(made.get())),
              "raise max_replication_slots, or drop a slot that nobody uses");
}

void PgReplication::drop_slot(const std::string& slot) {
  check_slot(slot);
  const PqResult dropped = run(connection_.get(), "DROP_REPLICATION_SLOT " + slot);
  if (PQresultStatus(dropped.get()) != PGRES_COMMAND_OK) {
    fail("the replication slot " + slot + " cannot be dropped");
  }
}

std::string PgReplication::timeline_history(std::uint32_t timeline) {
  return cell(fmt::format("TIMELINE_HISTORY {}", timeline), 0, 1);
}

void PgReplication::start(const std::string& slot, Lsn from, std::uint32_t timeline) {
  if (!slot.empty()) check_slot(slot);
  ended_.reset();
  const std::string command =
      fmt::format("START_REPLICATION {}PHYSICAL {} TIMELINE {}",
                  slot.empty() ? std::string{} : "SLOT " + slot + " ", format_lsn(from), timeline);
  if (PQsendQuery(connection_.get(), command.c_str()) == 0) fail(command);
  const PqResult result(PQgetResult(connection_.get()));
  if (PQresultStatus(result.get()) == PGRES_COPY_BOTH) return;
  while (const PqResult rest{PQgetResult(connection_.get())}) {
  }
  ended_ = next_in(result.get());
  if (ended_) return;
  throw_if_lost(result.get());
  const bool in_use = state_of(result.get()) == kInUse;
  throw Error(
      Code::kUnavailable,
      "the stream does not start: " + one_line(PQresultErrorMessage(result.get())) +
          (in_use ? ": another 'holdfast stream' of this source is at work (that PID is the "
                    "server's; select client_addr, application_name from "
                    "pg_stat_replication says from where), or the server has not noticed "
                    "yet that the last one is gone"
                  : ""));
}

std::optional<WalMessage> PgReplication::receive(Duration timeout, int wake_fd) {
  buffer_.reset();
  if (ended_) {
    WalMessage end;
    end.kind = WalMessageKind::kEnd;
    return end;
  }
  char* raw = nullptr;
  int size = PQgetCopyData(connection_.get(), &raw, 1);
  if (size == 0) {
    pollfd waiting[2] = {{PQsocket(connection_.get()), POLLIN, 0}, {wake_fd, POLLIN, 0}};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    const int ready = ::poll(waiting, wake_fd >= 0 ? 2 : 1, static_cast<int>(milliseconds));
    if (ready < 0 && errno != EINTR) throw system_error(errno, "cannot wait for the server");
    if (ready <= 0 || waiting[0].revents == 0) return std::nullopt;
    if (PQconsumeInput(connection_.get()) == 0) fail("the stream broke");
    size = PQgetCopyData(connection_.get(), &raw, 1);
    if (size == 0) return std::nullopt;
  }
  if (size == -2) fail("the stream broke");
  if (size == -1) {
    WalMessage end;
    end.kind = WalMessageKind::kEnd;
    return end;
  }
  buffer_.reset(raw);
  return parse_wal_message(
      {reinterpret_cast<const std::uint8_t*>(raw), static_cast<std::size_t>(size)});
}

void PgReplication::report(Lsn written, Lsn flushed, Timestamp now, bool reply_wanted) {
  Bytes reply{'r'};
  put_big_endian(reply, written);
  put_big_endian(reply, flushed);
  put_big_endian(reply, 0);  // nothing is applied here
  put_big_endian(reply, static_cast<std::uint64_t>(to_pg_time(now)));
  reply.push_back(reply_wanted ? 1 : 0);
  if (PQputCopyData(connection_.get(), reinterpret_cast<const char*>(reply.data()),
                    static_cast<int>(reply.size())) != 1 ||
      PQflush(connection_.get()) < 0) {
    fail("the stream broke");
  }
}

void PgReplication::end_stream() {
  buffer_.reset();
  if (std::exchange(ended_, std::nullopt)) return;
  PQputCopyEnd(connection_.get(), nullptr);
  // What was on its way; how it ended the results tell.
  for (char* raw = nullptr; PQgetCopyData(connection_.get(), &raw, 0) > 0;) PQfreemem(raw);
  while (const PqResult result{PQgetResult(connection_.get())}) {
    if (PQresultStatus(result.get()) != PGRES_FATAL_ERROR) continue;
    throw_if_lost(result.get());
    throw_if_interrupted(result.get());
    fail("the stream ended");
  }
}

NextTimeline PgReplication::next_timeline() {
  if (const auto known = std::exchange(ended_, std::nullopt)) return *known;
  PQputCopyEnd(connection_.get(), nullptr);
  NextTimeline next;
  for (;;) {
    const PqResult result(PQgetResult(connection_.get()));
    if (!result) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (const auto told = next_in(result.get())) {
      next = *told;
    } else if (status == PGRES_FATAL_ERROR) {
      throw_if_lost(result.get());
      throw_if_interrupted(result.get());
      fail("the stream ended");
    }
  }
  // A server that shuts down ends the stream as well, with no timeline behind it.
  if (next.timeline == 0) throw Error(Code::kUnavailable, "the server ended the stream");
  return next;
}

}  // namespace holdfast
