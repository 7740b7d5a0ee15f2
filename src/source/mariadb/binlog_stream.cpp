#include "source/mariadb/binlog_stream.h"

#include <errmsg.h>
#include <fmt/format.h>
#include <mysqld_error.h>
#include <sys/socket.h>

#include <memory>

#include "base/error.h"
#include "source/mariadb/libmariadb.h"

namespace holdfast {
namespace {

class Receiver {
 public:
  // `checksums`: what the server says of its log; each format event says it anew.
  Receiver(const BinlogStart& start, bool checksums, const BinlogHandler& handler)
      : file_(start.file), offset_(start.offset), checksums_(checksums), handler_(handler) {}

  void take(ByteView whole);

 private:
  void go_to(const BinlogRotate& rotate);
  void take_format(ByteView whole);
  void deliver(const BinlogEvent& event);

  std::string file_;
  std::uint64_t offset_;
  bool checksums_;
  const BinlogHandler& handler_;
  bool told_ = false;  // of the file
};

void Receiver::take(ByteView whole) {
  if (whole.size() < kBinlogHeader) throw Error(Code::kCorrupt, "the server sent half an event");
  const auto type = static_cast<BinlogType>(whole[4]);
  if (type == BinlogType::kFormat) return take_format(whole);
  const BinlogEvent event = parse_binlog_event(whole, checksums_);
  if (event.type == BinlogType::kHeartbeat) {
    if (handler_.idle) handler_.idle();
  } else if (!event.artificial()) {
    deliver(event);
  } else if (event.type == BinlogType::kRotate) {
    go_to(read_rotate(event));
  }
}

void Receiver::go_to(const BinlogRotate& rotate) {
  const bool same = rotate.file == file_ && rotate.offset == offset_;
  if (same && told_) return;
  file_ = rotate.file;
  offset_ = rotate.offset;
  told_ = true;
  handler_.file(file_, offset_);
}

void Receiver::take_format(ByteView whole) {
  const BinlogEvent event = parse_format_event(whole);
  checksums_ = read_format(event).checksums;
  // In the middle of a file it is only there to be known.
  if (offset_ == kBinlogMagic.size() && event.next != 0 && !event.artificial()) deliver(event);
}

void Receiver::deliver(const BinlogEvent& event) {
  const std::uint64_t end = offset_ + event.whole.size();
  const bool in_place = event.next == static_cast<std::uint32_t>(end);
  // Of the beginning of an encrypted file, also to those who begin in its middle.
  if (event.type == BinlogType::kStartEncryption && !in_place) return;
  if (!in_place) {
    throw Error(Code::kCorrupt,
                fmt::format("the server left out a piece of {} at byte {}", file_, offset_));
  }
  handler_.event(event, offset_);
  offset_ = end;
}

// A dump of the log that has been asked for, and its connection.
class Dump {
 public:
  Dump(MariadbConnection& connection, const BinlogStart& start, std::uint32_t server_id,
       unsigned flags, std::stop_token stop);
  // False at the end; throws what the server says.
  bool next();
  ByteView event() const { return current_; }

 private:
  bool take_unparsed();

  MYSQL* handle_;
  const bool any_unparsed_;  // the library is made for MariaDB's events
  std::stop_token stop_;
  MariadbReplication replication_;
  // The library waits in a read: what ends it is the end of the connection.
  std::stop_callback<std::function<void()>> on_stop_;
  MariadbRplEvent event_;
  ByteView current_;
};

Error stream_error(MYSQL* connection) {
  const unsigned number = mysql_errno(connection);
  const std::string text = mysql_error(connection);
  // It ends the older of the two.
  if (number == ER_SLAVE_SAME_ID) {
    return {Code::kConflict, "another reader of the binary log took this one's place: " + text,
            "a second 'holdfast stream' of this source into this vault was started (select * from "
            "information_schema.processlist says from where): let one of them run"};
  }
  if (number != ER_MASTER_FATAL_ERROR_READING_BINLOG) return mariadb_error(number, text);
  return {Code::kNotFound, "the server cannot give its binary log from there: " + text,
          "it has been purged (binlog_expire_logs_seconds), or the server is another one: take a "
          "new backup, and stream from there"};
}

Dump::Dump(MariadbConnection& connection, const BinlogStart& start, std::uint32_t server_id,
           unsigned flags, std::stop_token stop)
    : handle_(connection.handle()),
      any_unparsed_(connection.engine() == MariadbEngine::kMysql),
      stop_(std::move(stop)),
      replication_(mariadb_rpl_init(handle_)),
      on_stop_(stop_, [handle = handle_] {
        ::shutdown(static_cast<int>(mysql_get_socket(handle)), SHUT_RDWR);
      }) {
  if (!replication_) throw Error(Code::kExhausted, "out of memory");
  MARIADB_RPL* const rpl = replication_.get();
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_FILENAME, start.file.c_str(), start.file.size());
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_START, static_cast<unsigned long>(start.offset));
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_SERVER_ID, server_id);
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_FLAGS, flags);
  if (mariadb_rpl_open(rpl) != 0) throw stream_error(handle_);
}

bool Dump::next() {
  // It takes the old one back, also when there is no new one.
  event_.reset(mariadb_rpl_fetch(replication_.get(), event_.release()));
  if (event_) {
    current_ = ByteView(event_->raw_data, event_->raw_data_size).subspan(event_->raw_data_ofs);
    return true;
  }
  if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  const unsigned failed = mysql_errno(handle_);
  if ((failed == CR_BINLOG_ERROR || failed == CR_UNKNOWN_BINLOG_EVENT) && take_unparsed()) {
    return true;
  }
  if (mysql_errno(handle_) != 0) throw stream_error(handle_);
  return false;
}

// Events of LOAD DATA: the library does not know the second one, and takes the data in the first
// for a text with a zero at its end.
bool has_loaded_data(std::uint8_t type) {
  constexpr std::uint8_t kAppendBlock = 9;
  return type == static_cast<std::uint8_t>(BinlogType::kBeginLoadQuery) || type == kAppendBlock;
}

// An event that the library has received whole and gives up on: it goes on with the next one.
bool Dump::take_unparsed() {
  const NET& net = handle_->net;
  const unsigned char* const packet = net.read_pos;
  // A byte that says that all is well comes first.
  if (packet == nullptr || net.buff_end - packet < 1 + static_cast<int>(kBinlogHeader))
    return false;
  const ByteView rest(packet + 1, static_cast<std::size_t>(net.buff_end - packet - 1));
  if (*packet != 0 || !(any_unparsed_ || has_loaded_data(rest[4]))) return false;
  const std::size_t size = binlog_event_size(rest);
  if (size > rest.size()) return false;
  current_ = rest.first(size);
  handle_->net.last_errno = 0;
  return true;
}

// We know GTIDs, and want the checksums of the log. MySQL has new names for what it asks replicas.
void introduce(MariadbConnection& connection) {
  connection.query("SET @mariadb_slave_capability = 4");
  connection.query(
      "SET @master_binlog_checksum = @@global.binlog_checksum, "
      "@source_binlog_checksum = @@global.binlog_checksum");
}

unsigned flags_of(const MariadbConnection& connection, bool follow) {
  unsigned flags = follow ? 0U : MARIADB_RPL_BINLOG_DUMP_NON_BLOCK;
  // Of MySQL the same bit asks for heartbeats of another kind.
  if (connection.engine() == MariadbEngine::kMariadb)
    flags |= MARIADB_RPL_BINLOG_SEND_ANNOTATE_ROWS;
  return flags;
}

}  // namespace

void stream_binlog(const MariadbSettings& settings, const BinlogStart& start,
                   const BinlogStreamOptions& options, const BinlogHandler& handler,
                   std::stop_token stop) {
  MariadbConnection connection(settings, stop);
  introduce(connection);
  const bool checksums = connection.value("SELECT @master_binlog_checksum") != "NONE";
  connection.query(fmt::format("SET @master_heartbeat_period = {0}, @source_heartbeat_period = {0}",
                               options.heartbeat.count()));
  Dump dump(connection, start, options.server_id, flags_of(connection, options.follow),
            std::move(stop));
  Receiver receiver(start, checksums, handler);
  while (dump.next()) receiver.take(dump.event());
  if (options.follow) throw Error(Code::kUnavailable, "the server ended the stream of its log");
}

void require_binlog_from(MariadbConnection& connection, const GtidPosition& from,
                         std::uint32_t server_id, std::stop_token stop) {
  introduce(connection);
  connection.query("SET @slave_connect_state = " + connection.quoted(from.text()));
  connection.query("SET @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0");
  Dump dump(connection, {}, server_id, MARIADB_RPL_BINLOG_DUMP_NON_BLOCK, std::move(stop));
  while (dump.next()) {
    const ByteView event = dump.event();
    if (event.size() < kBinlogHeader) throw Error(Code::kCorrupt, "the server sent half an event");
    // It has found the file, and that its beginning is not behind `from`.
    if (static_cast<BinlogType>(event[4]) == BinlogType::kFormat) return;
  }
}

BinlogBeginning read_binlog_beginning(const MariadbSettings& settings, const std::string& file,
                                      std::uint32_t server_id, std::stop_token stop) {
  struct Found {
    BinlogBeginning beginning;
  };
  BinlogHandler handler;
  handler.file = [](const std::string&, std::uint64_t) {};
  handler.event = [](const BinlogEvent& event, std::uint64_t) {
    throw Found{{event.time, event.server}};
  };
  try {
    stream_binlog(settings, {file}, {server_id, false}, handler, std::move(stop));
  } catch (const Found& found) {
    return found.beginning;
  }
  throw Error(Code::kCorrupt, "the server's " + file + " has no beginning");
}

}  // namespace holdfast
