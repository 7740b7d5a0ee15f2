// Files of MariaDB's binary log, and single events.
#include "fuzz.h"
#include "source/mariadb/binlog_file.h"
#include "source/mariadb/binlog_index.h"

using namespace holdfast;

namespace {

void read_event(const BinlogEvent& event) {
  refuse_or_accept([&] { read_format(event); });
  refuse_or_accept([&] {
    const BinlogRotate rotate = read_rotate(event);
    require(rotate.file.find('/') == std::string::npos, "a file is a name");
  });
  refuse_or_accept([&] { read_gtid(event); });
  refuse_or_accept([&] {
    const BinlogQuery query = read_query(event);
    require(query.database.size() + query.statement.size() <= event.whole.size(), "both are in it");
  });
  refuse_or_accept([&] { read_stated_position(event); });
  refuse_or_accept([&] { opens_block(event); });
  refuse_or_accept([&] { ends_transaction(event); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  BinlogIndexer index;
  std::uint64_t last = 0;
  BinlogFileReader reader([&](const BinlogEvent& event, std::uint64_t offset) {
    require(offset > last && offset + event.whole.size() <= size, "events follow each other");
    last = offset;
    read_event(event);
    index.see(event, offset);
  });
  refuse_or_accept([&] {
    reader.feed(input.first(size / 2));
    reader.feed(input.subspan(size / 2));
    reader.finish();
    require(reader.offset() == size, "all has been read");
  });
  for (const BinlogTransaction& transaction : index.transactions()) {
    require(transaction.begin < transaction.end && transaction.end <= size, "it is in the file");
  }
  // Without the checksum, which no fuzzer guesses.
  refuse_or_accept([&] { read_event(parse_binlog_event(input, false)); });
  refuse_or_accept([&] { GtidPosition(as_text(input)); });
  return 0;
}
