// GTIDs of MySQL: sets, positions, and the events that carry them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/wire.h"
#include "source/mariadb/gtid.h"
#include "source/mariadb/mysql_event.h"
#include "store/expect_error.h"

namespace holdfast {
namespace {

const std::string kA = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const std::string kB = "5c0cbd02-26ac-11ec-8d3f-0242ac110002";

MysqlGtidSet set(const std::string& text) { return MysqlGtidSet(text); }

TEST(MysqlGtidSet, IsReadAsServersWriteIt) {
  EXPECT_EQ(set("").text(), "");
  EXPECT_EQ(set(" \n").text(), "");
  EXPECT_EQ(set(kA + ":1-5").text(), kA + ":1-5");
  EXPECT_EQ(set(kA + ":7").text(), kA + ":7");
  EXPECT_EQ(set("3E11FA47-71CA-11E1-9E33-C80AA9429562:7").text(), kA + ":7");
  EXPECT_EQ(set(kB + ":1-3,\n" + kA + ":1-5:11-12").text(), kA + ":1-5:11-12," + kB + ":1-3");
  EXPECT_EQ(set(kA + ":1-5:blue:1-2:9:red:4").text(),
            kA + ":1-5," + kA + ":blue:1-2:9," + kA + ":red:4");
  EXPECT_EQ(set(kA + ":1-5:4-9:10").text(), kA + ":1-10");
  for (const std::string& wrong : std::vector<std::string>{
           kA, kA + ":", kA + ":0", kA + ":5-4", kA + ":x", kA + ":1-", kA + ":-1", "0-1-42",
           kA + ":9223372036854775808", kA + "f:1", kA.substr(1) + ":1", kA + ":blue"}) {
    SCOPED_TRACE(wrong);
    expect_error(Code::kInvalid, [&] { set(wrong); });
  }
}

TEST(MysqlGtidSet, GrowsInAnyOrder) {
  MysqlGtidSet grown;
  for (const std::uint64_t number : {5, 1, 2, 9, 3, 7, 8, 4, 20}) grown.add(kA, {number, number});
  EXPECT_EQ(grown.text(), kA + ":1-5:7-9:20");
  grown.add(kA, {2, 30});
  EXPECT_EQ(grown.text(), kA + ":1-30");
  grown.add(set(kB + ":4," + kA + ":31"));
  EXPECT_EQ(grown.text(), kA + ":1-31," + kB + ":4");
}

TEST(MysqlGtidSet, IsCompared) {
  const MysqlGtidSet some = set(kA + ":1-5:8-9");
  EXPECT_TRUE(some.contains(kA, 8));
  EXPECT_FALSE(some.contains(kA, 7));
  EXPECT_FALSE(some.contains(kB, 1));
  EXPECT_TRUE(some.contains(set(kA + ":2-3:9")));
  EXPECT_FALSE(some.contains(set(kA + ":5-8")));
  EXPECT_FALSE(some.contains(set(kA + ":1," + kB + ":1")));
  EXPECT_TRUE(some.contains(set("")));

  EXPECT_TRUE(set(kA + ":1-5," + kB + ":1").agrees_with(set(kA + ":1-5")));
  EXPECT_FALSE(set(kA + ":1-5").agrees_with(set(kA + ":1-6")));
  EXPECT_TRUE(set(kA + ":1-5").is_within(set(kA + ":1-6")));
  EXPECT_FALSE(set(kA + ":1-6").is_within(set(kA + ":1-5")));
  EXPECT_TRUE(set(kA + ":1-6").is_within(set(kB + ":1")));
  EXPECT_TRUE(set(kA + ":1-5").is_short_of(set(kA + ":1-6")));
  EXPECT_FALSE(set(kA + ":1-6").is_short_of(set(kA + ":1-6")));
  EXPECT_FALSE(set(kA + ":1-7").is_short_of(set(kA + ":1-6")));
  EXPECT_FALSE(set(kB + ":1").is_short_of(set(kA + ":1-6")));

  EXPECT_TRUE(set(kA + ":1-6").ends_as(set(kA + ":6")));
  EXPECT_FALSE(set(kA + ":1-6").ends_as(set(kA + ":1-5")));
  EXPECT_FALSE(set(kA + ":1-6").ends_as(set(kB + ":6")));
}

TEST(MysqlGtid, PositionsAreOfEitherKind) {
  const Gtid gtid = parse_gtid(kA + ":42");
  EXPECT_EQ(gtid.source, kA);
  EXPECT_EQ(gtid.sequence, 42U);
  EXPECT_EQ(to_text(gtid), kA + ":42");
  EXPECT_EQ(to_text(parse_gtid(kA + ":blue:7")), kA + ":blue:7");
  for (const std::string& wrong : {kA + ":1-2", kA + ":1:2", kA, kA + ":"}) {
    SCOPED_TRACE(wrong);
    expect_error(Code::kInvalid, [&] { parse_gtid(wrong); });
  }
  GtidPosition position(kA + ":1-41");
  EXPECT_FALSE(position.empty());
  EXPECT_FALSE(position.contains(gtid));
  position.advance(gtid);
  EXPECT_TRUE(position.contains(gtid));
  EXPECT_EQ(position.text(), kA + ":1-42");
  EXPECT_TRUE(position.stands_at(GtidPosition(kA + ":42")));
  position.advance(GtidPosition(kB + ":1-2"));
  EXPECT_EQ(position, GtidPosition(kB + ":1-2," + kA + ":1-42"));
  EXPECT_EQ(GtidPosition("0-1-42").text(), "0-1-42");
}

Bytes uuid_bytes(const std::string& uuid) {
  std::string digits = uuid;
  std::erase(digits, '-');
  return from_hex(digits);
}

BinlogEvent event(BinlogType type, const Bytes& body) {
  BinlogEvent event;
  event.type = type;
  event.body = body;
  return event;
}

TEST(MysqlEvent, OfGtids) {
  Bytes body;
  WireWriter out(body);
  out.fixed(std::uint8_t{1});
  out.raw(uuid_bytes(kA));
  out.fixed(std::uint64_t{300});
  out.raw(Bytes(17));  // what 5.7 and later add
  EXPECT_EQ(to_text(read_mysql_gtid(event(BinlogType::kMysqlGtid, body))), kA + ":300");
  body.resize(20);
  expect_error(Code::kCorrupt, [&] { read_mysql_gtid(event(BinlogType::kMysqlGtid, body)); });
}

// As MySQL 9.7 wrote it: SET gtid_next = 'AUTOMATIC:blue'.
TEST(MysqlEvent, OfTaggedGtids) {
  Bytes body;
  WireWriter out(body);
  const auto small = [&](std::uint8_t value) { out.fixed(static_cast<std::uint8_t>(value << 1)); };
  small(1);  // version
  small(60);
  small(12);
  small(0);  // flags
  small(1);
  small(1);  // UUID
  for (const std::uint8_t byte : uuid_bytes(kA)) {
    if (byte < 0x80) {
      small(byte);
    } else {  // two bytes
      out.fixed(static_cast<std::uint16_t>(byte << 2 | 1));
    }
  }
  small(2);  // number 1000, with a sign
  out.fixed(static_cast<std::uint16_t>(1000 << 1 << 2 | 1));
  small(3);
  small(4);
  out.raw(as_bytes("blue"));
  small(4);  // more
  EXPECT_EQ(to_text(read_mysql_gtid(event(BinlogType::kMysqlTaggedGtid, body))), kA + ":blue:1000");
  body.resize(body.size() - 3);
  expect_error(Code::kCorrupt, [&] { read_mysql_gtid(event(BinlogType::kMysqlTaggedGtid, body)); });
}

TEST(MysqlEvent, OfAllBeforeTheFile) {
  Bytes body;
  WireWriter out(body);
  out.fixed(std::uint64_t{2});
  out.raw(uuid_bytes(kA));
  out.fixed(std::uint64_t{2});
  for (const std::uint64_t number : {1, 6, 8, 9}) out.fixed(number);
  out.raw(uuid_bytes(kB));
  out.fixed(std::uint64_t{1});
  for (const std::uint64_t number : {1, 4}) out.fixed(number);
  EXPECT_EQ(read_mysql_previous_gtids(event(BinlogType::kMysqlPreviousGtids, body)).text(),
            kA + ":1-5:8," + kB + ":1-3");
  body.pop_back();
  expect_error(Code::kCorrupt,
               [&] { read_mysql_previous_gtids(event(BinlogType::kMysqlPreviousGtids, body)); });

  Bytes tagged;
  WireWriter more(tagged);
  more.fixed(std::uint64_t{1} << 56 | std::uint64_t{1} << 8 | 1);
  more.raw(uuid_bytes(kA));
  more.fixed(std::uint8_t{4 << 1});
  more.raw(as_bytes("blue"));
  more.fixed(std::uint64_t{1});
  for (const std::uint64_t number : {2, 5}) more.fixed(number);
  EXPECT_EQ(read_mysql_previous_gtids(event(BinlogType::kMysqlPreviousGtids, tagged)).text(),
            kA + ":blue:2-4");
  tagged[7] = 9;
  expect_error(Code::kUnsupported,
               [&] { read_mysql_previous_gtids(event(BinlogType::kMysqlPreviousGtids, tagged)); });
}

}  // namespace
}  // namespace holdfast
