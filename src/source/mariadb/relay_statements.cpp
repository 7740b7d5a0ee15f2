#include "source/mariadb/relay_statements.h"

#include <fcntl.h>
#include <zlib.h>

#include "base/error.h"
#include "base/wire.h"
#include "os/file.h"
#include "source/mariadb/binlog_event.h"
#include "source/mariadb/relay_applier.h"
#include "source/mariadb/relay_replay.h"

namespace holdfast {
namespace {

[[noreturn]] void damaged_log(const char* reason) {
  throw Error(Code::kCorrupt, std::string("the binary log is damaged: ") + reason,
              kReplayNotComplete);
}

// Of a compressed statement: u8 with the length of the length | length, its highest byte first |
// deflated. Source: MariaDB's log_event.cc, query_event_uncompress().
std::string inflated(std::string_view compressed) {
  WireReader in(as_bytes(compressed));
  std::size_t left = in.fixed<std::uint8_t>() & 0x07;
  std::uint64_t size = 0;
  for (; left > 0; --left) size = size << 8 | in.fixed<std::uint8_t>();
  if (size > kMaxBinlogEvent) damaged_log("a compressed statement is too long");
  Bytes sql(static_cast<std::size_t>(size));
  auto got = static_cast<uLongf>(size);
  const ByteView rest = in.raw(in.left());
  const int done = ::uncompress(sql.data(), &got, rest.data(), static_cast<uLong>(rest.size()));
  if (done != Z_OK || got != size) damaged_log("a compressed statement cannot be inflated");
  return std::string(as_text(sql));
}

void read_file_of(const std::string& path, const std::stop_token& stop,
                  const std::function<void(const RelayStatement&)>& take) {
  const Fd file = open_file(path, O_RDONLY);
  BinlogFormat format;
  std::uint32_t source = 0;
  Bytes event(kBinlogHeader);
  for (std::uint64_t at = kBinlogMagic.size();; event.resize(kBinlogHeader)) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    if (pread_full(file.get(), event, at, path) != event.size()) return;
    const auto type = type_of_binlog_event(event);
    event.resize(binlog_event_size(event));
    const bool is_query = type == BinlogType::kQuery || type == BinlogType::kQueryCompressed;
    if (is_query || type == BinlogType::kFormat) {
      if (pread_full(file.get(), event, at, path) != event.size()) return;
    }
    if (type == BinlogType::kFormat) {
      const BinlogEvent parsed = parse_format_event(event);
      format = read_format(parsed);
      source = parsed.server;
    } else if (is_query) {
      const BinlogEvent parsed = parse_binlog_event(event, format.checksums);
      const BinlogQuery query = read_query(parsed);
      const std::string sql =
          type == BinlogType::kQuery ? std::string(query.statement) : inflated(query.statement);
      take({query.database, sql, parsed.server != source});
    }
    at += event.size();
  }
}

}  // namespace

void for_each_statement(const std::string& received, const std::stop_token& stop,
                        const std::function<void(const RelayStatement&)>& take) {
  for (std::string name = kFirstRelayLog; path_exists(received + "/" + name);
       name = next_relay_name(name)) {
    read_file_of(received + "/" + name, stop, take);
  }
}

}  // namespace holdfast
