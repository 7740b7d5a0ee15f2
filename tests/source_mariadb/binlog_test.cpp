// The parser of binary logs, on hand-made events and on those of a real server.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <map>
#include <thread>

#include "base/wire.h"
#include "os/clock.h"
#include "os/file.h"
#include "source/mariadb/binlog_file.h"
#include "source/mariadb/binlog_index.h"
#include "source/mariadb/binlog_stream.h"
#include "source/mariadb/server.h"
#include "store/expect_error.h"
#include "support/mariadb_server.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct Parsed {
  BinlogIndexer index;
  bool closed = false;
};

Parsed parse(ByteView file, std::size_t piece = 1 << 20) {
  Parsed parsed;
  BinlogFileReader reader(
      [&](const BinlogEvent& event, std::uint64_t offset) { parsed.index.see(event, offset); });
  while (!file.empty()) {
    const ByteView part = file.first(std::min(piece, file.size()));
    reader.feed(part);
    file = file.subspan(part.size());
  }
  reader.finish();
  parsed.closed = reader.closed();
  return parsed;
}

// A log made by hand.
class LogMaker {
 public:
  LogMaker() {
    append(file_, as_bytes(kBinlogMagic));
    Bytes body;
    WireWriter out(body);
    out.fixed(std::uint16_t{4});
    std::string version = "10.11.19-MariaDB-log";
    version.resize(50);
    out.raw(as_bytes(version));
    out.fixed(std::uint32_t{0});
    out.fixed(std::uint8_t{19});
    body.resize(body.size() + 171);
    out.fixed(std::uint8_t{1});
    add(BinlogType::kFormat, 100, body);
  }

  void add(BinlogType type, std::uint32_t time, const Bytes& body, std::uint32_t server = 7) {
    const std::size_t size = kBinlogHeader + body.size() + 4;
    Bytes event;
    WireWriter out(event);
    out.fixed(time);
    out.fixed(static_cast<std::uint8_t>(type));
    out.fixed(server);
    out.fixed(static_cast<std::uint32_t>(size));
    out.fixed(static_cast<std::uint32_t>(file_.size() + size));
    out.fixed(std::uint16_t{0});
    out.raw(body);
    out.fixed(static_cast<std::uint32_t>(::crc32_z(0, event.data(), event.size())));
    append(file_, event);
  }
  void add_list(const std::vector<Gtid>& list) {
    Bytes body;
    WireWriter out(body);
    out.fixed(static_cast<std::uint32_t>(list.size()));
    for (const Gtid& gtid : list) {
      out.fixed(gtid.domain);
      out.fixed(gtid.server);
      out.fixed(gtid.sequence);
    }
    add(BinlogType::kGtidList, 100, body);
  }
  void add_gtid(std::uint32_t time, std::uint64_t sequence, bool standalone) {
    Bytes body;
    WireWriter out(body);
    out.fixed(sequence);
    out.fixed(std::uint32_t{0});
    out.fixed(static_cast<std::uint8_t>(standalone ? 1 : 0));
    out.raw(Bytes(6));
    add(BinlogType::kGtid, time, body);
  }
  void add_query(std::uint32_t time, const std::string& statement) {
    Bytes body;
    WireWriter out(body);
    out.raw(Bytes(8));
    out.fixed(std::uint8_t{4});
    out.fixed(std::uint16_t{0});
    out.fixed(std::uint16_t{3});
    out.raw(as_bytes("sss"));
    out.raw(as_bytes(std::string("shop\0", 5)));
    out.raw(as_bytes(statement));
    add(BinlogType::kQuery, time, body);
  }
  void add_xid(std::uint32_t time) { add(BinlogType::kXid, time, Bytes(8)); }

  Bytes& file() { return file_; }

 private:
  Bytes file_;
};

LogMaker sample() {
  LogMaker log;
  log.add_list({{0, 7, 3}, {1, 8, 9}});
  log.add_gtid(110, 4, true);
  log.add_query(111, "CREATE TABLE t (i INT)");
  log.add_gtid(120, 5, false);
  log.add_query(120, "INSERT INTO t VALUES (1)");
  log.add_xid(125);
  log.add_gtid(130, 6, false);
  log.add_query(130, "COMMIT");
  log.add_gtid(140, 7, false);  // goes on in nothing: not complete
  return log;
}

std::vector<std::string> transactions_of(const BinlogIndexer& index) {
  std::vector<std::string> all;
  for (const auto& t : index.transactions())
    all.push_back(fmt::format("{} {}", to_text(t.gtid), t.time));
  return all;
}

TEST(Binlog, FindsTransactionsAndTheirTimes) {
  LogMaker log = sample();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{50}, log.file().size()}) {
    const Parsed parsed = parse(log.file(), piece);
    EXPECT_EQ(parsed.index.start().text(), "0-7-3,1-8-9");
    EXPECT_THAT(transactions_of(parsed.index), ElementsAre("0-7-4 111", "0-7-5 125", "0-7-6 130"));
    EXPECT_EQ(parsed.index.end().text(), "0-7-6,1-8-9");
    EXPECT_FALSE(parsed.closed);
  }
  log.add(BinlogType::kStop, 150, {});
  EXPECT_TRUE(parse(log.file()).closed);
  log.add(BinlogType::kStop, 150, {});
  expect_error(Code::kCorrupt, [&] { parse(log.file()); });
}

TEST(Binlog, ATimeIsTranslatedToTransactions) {
  LogMaker log = sample();
  const auto all = parse(log.file()).index.transactions();
  const auto at = [&](int seconds, int milliseconds) {
    return count_until(
        all, Timestamp(std::chrono::seconds(seconds) + std::chrono::milliseconds(milliseconds)));
  };
  EXPECT_EQ(at(110, 999), 0U);
  EXPECT_EQ(at(111, 0), 1U);
  EXPECT_EQ(at(124, 0), 1U);
  EXPECT_EQ(at(125, 500), 2U);
  EXPECT_EQ(at(1000, 0), 3U);
}

TEST(Binlog, EveryTruncationIsFoundOrAtAnEvent) {
  LogMaker log = sample();
  const Bytes& file = log.file();
  std::vector<std::size_t> ends;
  BinlogFileReader reader([&](const BinlogEvent& event, std::uint64_t offset) {
    ends.push_back(static_cast<std::size_t>(offset) + event.whole.size());
  });
  reader.feed(file);
  for (std::size_t size = 0; size <= file.size(); ++size) {
    const auto error = error_of([&] { parse(ByteView(file).first(size)); });
    const bool at_event = std::find(ends.begin(), ends.end(), size) != ends.end();
    EXPECT_EQ(error.has_value(), !at_event) << size;
    EXPECT_TRUE(!error || error->code() == Code::kCorrupt) << size;
  }
}

TEST(Binlog, AnEventThatIsMissingIsFound) {
  LogMaker log = sample();
  std::vector<std::pair<std::size_t, std::size_t>> events;  // offset, size
  BinlogFileReader reader([&](const BinlogEvent& event, std::uint64_t offset) {
    events.emplace_back(static_cast<std::size_t>(offset), event.whole.size());
  });
  reader.feed(log.file());
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    Bytes bad = log.file();
    const auto begin = bad.begin() + static_cast<std::ptrdiff_t>(events[i].first);
    bad.erase(begin, begin + static_cast<std::ptrdiff_t>(events[i].second));
    expect_error(Code::kCorrupt, [&] { parse(bad); });
  }
}

TEST(Binlog, EveryChangedBitIsFound) {
  LogMaker log = sample();
  std::size_t accepted = 0;
  for (std::size_t at = 0; at < log.file().size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bad = log.file();
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ 1U << bit);
      if (!error_of([&] { parse(bad); })) ++accepted;
    }
  }
  EXPECT_EQ(accepted, 1U) << "only the mark of the active file may differ";
}

// The files of a server's log, as it has them.
std::map<std::string, Bytes> logs_of(const TestMariadb& server) {
  std::map<std::string, Bytes> logs;
  MariadbConnection connection(server.settings(), {});
  for (const MariadbRow& row : connection.query("SHOW BINARY LOGS")) {
    logs[*row[0]] = read_file(server.data_directory() + "/" + *row[0]);
  }
  return logs;
}

BinlogHandler into(std::map<std::string, Bytes>& logs, std::string& current) {
  BinlogHandler handler;
  handler.file = [&](const std::string& file, std::uint64_t offset) {
    current = file;
    if (offset == kBinlogMagic.size()) logs[file] = to_bytes(as_bytes(kBinlogMagic));
  };
  handler.event = [&](const BinlogEvent& event, std::uint64_t offset) {
    ASSERT_EQ(logs[current].size(), offset);
    append(logs[current], event.whole);
  };
  return handler;
}

std::map<std::string, Bytes> received_from(const TestMariadb& server, const std::string& file) {
  std::map<std::string, Bytes> logs;
  std::string current;
  BinlogStreamOptions options;
  options.server_id = 4711;
  options.follow = false;
  stream_binlog(server.settings(), {file}, options, into(logs, current), {});
  return logs;
}

std::string first_log(const TestMariadb& server) { return logs_of(server).begin()->first; }

void fill(const TestMariadb& server) {
  server.run({"CREATE DATABASE shop",
              "CREATE TABLE shop.t (i INT PRIMARY KEY, v LONGBLOB)",
              "CREATE TABLE shop.m (i INT) ENGINE=MyISAM",
              "SET binlog_annotate_row_events=ON",
              "INSERT INTO shop.t VALUES (1, 'one'), (2, REPEAT('x', 3000000))",
              "FLUSH BINARY LOGS",
              "BEGIN",
              "INSERT INTO shop.t VALUES (3, 'three')",
              "UPDATE shop.t SET v = 'two'",
              "COMMIT",
              "INSERT INTO shop.m VALUES (1)",
              "XA START 'x'",
              "INSERT INTO shop.t VALUES (6, 'six')",
              "XA END 'x'",
              "XA PREPARE 'x'",
              "XA COMMIT 'x'",
              "SET SESSION gtid_domain_id = 5",
              "INSERT INTO shop.t VALUES (4, 'four')",
              "FLUSH BINARY LOGS",
              "SET STATEMENT binlog_format='STATEMENT' FOR INSERT INTO shop.t VALUES (5, UUID())",
              "DELETE FROM shop.t WHERE i = 3"});
}

class BinlogOfServer : public ::testing::TestWithParam<const char*> {};

TEST_P(BinlogOfServer, IsRebuiltByteForByteAndIndexed) {
  const TestMariadb server(std::vector<std::string>{GetParam()});
  fill(server);
  // A thread of the server's own writes checkpoints into its log: what was received is compared
  // with a log into which none came meanwhile.
  auto logs = logs_of(server);
  auto received = received_from(server, first_log(server));
  while (logs_of(server) != logs) {
    logs = logs_of(server);
    received = received_from(server, first_log(server));
  }
  ASSERT_GE(logs.size(), 3U);
  ASSERT_EQ(received.size(), logs.size());
  const std::string active = logs.rbegin()->first;
  GtidPosition position;
  for (const auto& [name, bytes] : logs) {
    Bytes rebuilt = received.at(name);
    const Parsed parsed = parse(rebuilt, 100'000);
    EXPECT_EQ(parsed.closed, name != active) << name;
    EXPECT_EQ(parsed.index.start(), position) << name;
    position = parsed.index.end();
    // The active file has the mark of one.
    if (name == active) {
      EXPECT_NE(rebuilt, bytes);
      rebuilt[kBinlogMagic.size() + 17] |= 1;
    }
    EXPECT_TRUE(rebuilt == bytes) << name;
    EXPECT_EQ(parse(bytes).index.transactions(), parse(received.at(name)).index.transactions());
  }
  EXPECT_EQ(position.text(), GtidPosition(server.sql("SELECT @@gtid_binlog_pos")).text());
  EXPECT_EQ(position.domains().size(), 2U);
  // Each transaction once: their numbers rise by one.
  std::map<std::uint32_t, std::uint64_t> last;
  for (const auto& [name, bytes] : logs) {
    const Parsed parsed = parse(bytes);
    for (const BinlogTransaction& t : parsed.index.transactions()) {
      EXPECT_EQ(t.gtid.sequence, ++last[t.gtid.domain]) << name;
      EXPECT_LT(t.begin, t.end);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, BinlogOfServer,
                         ::testing::Values("binlog-checksum=CRC32", "binlog-checksum=NONE",
                                           "log-bin-compress=ON", "binlog-format=ROW"));

TEST(BinlogStream, FollowsFromTheMiddleUntilAStop) {
  const TestMariadb server;
  MariadbConnection connection(server.settings(), {});
  const MariadbPosition end = mariadb_log_end(connection);
  fill(server);
  std::stop_source stop;
  std::vector<std::string> files;
  std::string text;
  BinlogHandler handler;
  handler.file = [&](const std::string& file, std::uint64_t offset) {
    files.push_back(fmt::format("{}:{}", file, offset));
  };
  handler.event = [&](const BinlogEvent& event, std::uint64_t) { text += as_text(event.body); };
  bool written = false;
  handler.idle = [&] {
    // Everything of before has come; then something new while we wait.
    if (!std::exchange(written, true)) server.run({"INSERT INTO shop.t VALUES (9, 'needle')"});
    if (text.find("needle") != std::string::npos) stop.request_stop();
  };
  BinlogStreamOptions options;
  options.server_id = 4711;
  options.heartbeat = std::chrono::milliseconds(50);
  expect_error(Code::kCancelled, [&] {
    stream_binlog(server.settings(), {end.file, end.offset}, options, handler, stop.get_token());
  });
  ASSERT_THAT(files, SizeIs(3));
  EXPECT_EQ(files[0], end.text());
  EXPECT_TRUE(files[1].ends_with(":4"));
}

TEST(BinlogStream, WhatCannotBeStreamedIsSaid) {
  TestMariadb server;
  server.run({"CREATE USER nobody@localhost IDENTIFIED BY 'x'"});
  const std::string file = first_log(server);
  BinlogStreamOptions options;
  options.server_id = 4711;
  BinlogHandler handler;
  handler.file = [](const std::string&, std::uint64_t) {};
  handler.event = [](const BinlogEvent&, std::uint64_t) {};
  const auto stream = [&](const MariadbSettings& settings, const BinlogStart& start) {
    return [&, settings, start] { stream_binlog(settings, start, options, handler, {}); };
  };
  expect_error(Code::kNotFound, stream(server.settings(), {"binlog.000099"}));
  expect_error(Code::kNotFound, stream(server.settings(), {file, 1U << 30}));
  expect_error(Code::kDenied, stream(server.settings("nobody", "x"), {file}));
  // A second reader with the same id ends the first.
  handler.idle = [&] { read_binlog_beginning(server.settings(), file, options.server_id, {}); };
  const auto displaced = error_of(stream(server.settings(), {file}));
  ASSERT_TRUE(displaced.has_value());
  EXPECT_EQ(displaced->code(), Code::kConflict) << displaced->what();
  EXPECT_THAT(displaced->hint(), HasSubstr("a second 'holdfast stream'"));
  handler.idle = [&] {
    if (server.running()) server.kill();
  };
  expect_error(Code::kUnavailable, stream(server.settings(), {file}));
}

TEST(BinlogStream, ADamagedFileOfTheServerIsFound) {
  const TestMariadb server;
  fill(server);
  const std::string name = first_log(server);
  const std::string path = server.data_directory() + "/" + name;
  Bytes bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  expect_error(Code::kCorrupt, [&] { parse(bytes); });
  const Fd fd = open_file(path, 1);
  pwrite_full(fd.get(), bytes, 0, path);
  const auto error = error_of([&] { received_from(server, name); });
  ASSERT_TRUE(error.has_value());
}

}  // namespace
}  // namespace holdfast
