#include "source/mariadb/binlog_stream.h"

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
  if (event.next != static_cast<std::uint32_t>(end)) {
    throw Error(Code::kCorrupt,
                fmt::format("the server left out a piece of {} at byte {}", file_, offset_));
  }
  handler_.event(event, offset_);
  offset_ = end;
}

Error stream_error(MYSQL* connection) {
  const unsigned number = mysql_errno(connection);
  const std::string text = mysql_error(connection);
  if (number != ER_MASTER_FATAL_ERROR_READING_BINLOG) return mariadb_error(number, text);
  return {Code::kNotFound, "the server cannot give its binary log from there: " + text,
          "it has been purged (binlog_expire_logs_seconds), or the server is another one: take a "
          "new backup, and stream from there"};
}

}  // namespace

void stream_binlog(const MariadbSettings& settings, const BinlogStart& start,
                   const BinlogStreamOptions& options, const BinlogHandler& handler,
                   std::stop_token stop) {
  MariadbConnection connection(settings, stop);
  // We know GTIDs, and want the checksums of the log.
  connection.query("SET @mariadb_slave_capability = 4");
  connection.query("SET @master_binlog_checksum = @@global.binlog_checksum");
  const bool checksums = connection.value("SELECT @master_binlog_checksum") != "NONE";
  connection.query(fmt::format("SET @master_heartbeat_period = {}", options.heartbeat.count()));
  MYSQL* const handle = connection.handle();
  const MariadbReplication replication(mariadb_rpl_init(handle));
  if (!replication) throw Error(Code::kExhausted, "out of memory");
  MARIADB_RPL* const rpl = replication.get();
  const unsigned flags = MARIADB_RPL_BINLOG_SEND_ANNOTATE_ROWS |
                         (options.follow ? 0U : MARIADB_RPL_BINLOG_DUMP_NON_BLOCK);
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_FILENAME, start.file.c_str(), start.file.size());
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_START, static_cast<unsigned long>(start.offset));
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_SERVER_ID, options.server_id);
  mariadb_rpl_optionsv(rpl, MARIADB_RPL_FLAGS, flags);
  // The library waits in a read: what ends it is the end of the connection.
  const std::stop_callback on_stop(
      stop, [handle] { ::shutdown(static_cast<int>(mysql_get_socket(handle)), SHUT_RDWR); });
  if (mariadb_rpl_open(rpl) != 0) throw stream_error(handle);
  Receiver receiver(start, checksums, handler);
  MariadbRplEvent event;
  for (;;) {
    // It takes the old one back, also when there is no new one.
    event.reset(mariadb_rpl_fetch(rpl, event.release()));
    if (!event) break;
    receiver.take(ByteView(event->raw_data, event->raw_data_size).subspan(event->raw_data_ofs));
  }
  if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  if (mysql_errno(handle) != 0) throw stream_error(handle);
  if (options.follow) throw Error(Code::kUnavailable, "the server ended the stream of its log");
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
