// Positions, times, checksums and histories.
#include <gtest/gtest.h>

#include <random>

#include "base/throws.h"
#include "source/postgres/crc32c.h"
#include "source/postgres/lsn.h"
#include "source/postgres/pg_time.h"
#include "source/postgres/timeline_history.h"

namespace holdfast {
namespace {

TEST(Lsn, IsReadAndWrittenAsPostgresqlDoes) {
  EXPECT_EQ(parse_lsn("16/B374D848"), 0x16b374d848u);
  EXPECT_EQ(format_lsn(0x16b374d848), "16/B374D848");
  EXPECT_EQ(format_lsn(0), "0/0");
  EXPECT_EQ(parse_lsn("ffffffff/ffffffff"), ~Lsn{0});
  EXPECT_EQ(parse_lsn("0/0152D3A8"), 0x152d3a8u);
  for (const char* bad : {"", "/", "1", "1/", "/1", "1/2/3", "1/123456789", "x/1", "1/-1", "+1/1",
                          " 1/1", "1/1 ", "0x1/1", "1/000000001"}) {
    EXPECT_EQ(thrown_by([&] { parse_lsn(bad); }), Code::kInvalid) << bad;
  }
}

TEST(PgTime, CountsMicrosecondsSince2000) {
  EXPECT_EQ(format_rfc3339(from_pg_time(0)), "2000-01-01T00:00:00Z");
  const Timestamp time = parse_rfc3339("2025-11-10T12:00:00.123456789Z");
  EXPECT_EQ(format_rfc3339(from_pg_time(to_pg_time(time)), true), "2025-11-10T12:00:00.123456000Z");
  EXPECT_EQ(to_pg_time(parse_rfc3339("1999-12-31T23:59:59.9999999Z")), -1);
  EXPECT_EQ(from_pg_time(std::numeric_limits<std::int64_t>::max()),
            from_pg_time(to_pg_time(Timestamp::max())));
  EXPECT_LT(from_pg_time(std::numeric_limits<std::int64_t>::min()), from_pg_time(0));
}

TEST(Crc32c, IsTheKnownOneInAnyPieces) {
  EXPECT_EQ(crc32c(0, as_bytes("123456789")), 0xe3069283u);  // RFC 3720's check value
  EXPECT_EQ(crc32c_by_tables(0, as_bytes("123456789")), 0xe3069283u);
  std::mt19937 random(1);
  Bytes data(10'000);
  for (auto& byte : data) byte = static_cast<std::uint8_t>(random());
  for (int i = 0; i < 200; ++i) {
    const std::size_t size = random() % data.size();
    const std::size_t cut = random() % (size + 1);
    const ByteView all = ByteView(data).first(size);
    EXPECT_EQ(crc32c(crc32c(0, all.first(cut)), all.subspan(cut)), crc32c_by_tables(0, all));
  }
}

TEST(TimelineHistory, KnowsWhereEachTimelineWasLeft) {
  const auto history = TimelineHistory::parse(
      "1\t0/3000000\tno recovery target specified\n\n# a comment\n"
      "3\t0/5000A28\tbefore 2025-11-10 12:00:00+00\n",
      4);
  ASSERT_EQ(history.spans().size(), 3u);
  EXPECT_EQ(history.spans()[1],
            (TimelineSpan{3, 0x3000000, 0x5000a28, "before 2025-11-10 12:00:00+00"}));
  EXPECT_EQ(history.timeline(), 4u);
  EXPECT_EQ(history.timeline_at(0x2ffffff), 1u);
  EXPECT_EQ(history.timeline_at(0x3000000), 3u);
  EXPECT_EQ(history.timeline_at(0x5000a28), 4u);
  EXPECT_EQ(history.left_at(3), 0x5000a28u);
  EXPECT_FALSE(history.left_at(2));
  EXPECT_FALSE(history.left_at(4));
  EXPECT_TRUE(history.leads_here(1, 0x3000000));
  EXPECT_FALSE(history.leads_here(1, 0x3000001));
  EXPECT_FALSE(history.leads_here(2, 1));
  EXPECT_TRUE(history.leads_here(4, ~Lsn{0}));
  EXPECT_EQ(TimelineHistory(1).timeline_at(5), 1u);
  EXPECT_EQ(TimelineHistory::parse("", 7).spans().size(), 1u);
}

TEST(TimelineHistory, RefusesMalformedOnes) {
  for (const char* bad : {"x\t0/1\n", "1\n", "1\t\n", "1\t0-1\tr\n", "0\t0/1\n", "-1\t0/1\n",
                          "4\t0/1\n", "5\t0/1\n", "2\t0/1\n1\t0/2\n", "2\t0/1\n2\t0/2\n",
                          "1\t0/2\n2\t0/1\n", "1 0/1x\n", "99999999999\t0/1\n"}) {
    EXPECT_EQ(thrown_by([&] { TimelineHistory::parse(bad, 4); }), Code::kCorrupt) << bad;
  }
  try {
    TimelineHistory::parse("1\t0/1\tr\nnonsense\n", 2);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "00000002.history, line 2: it does not begin with the number of a timeline");
  }
}

TEST(TimelineHistory, HasFileNames) {
  EXPECT_EQ(history_file_name(0x1f), "0000001F.history");
  EXPECT_EQ(parse_history_file_name("0000001F.history"), 0x1fu);
  for (const char* bad : {"0000001f.history", "1F.history", "00000000.history", "0000001F.historyx",
                          "000000010000000000000001", "0000001F.backup_"}) {
    EXPECT_FALSE(parse_history_file_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace holdfast
