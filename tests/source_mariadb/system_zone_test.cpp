// The time zone of a server's host: asked for, written down, and given to another server.
#include "source/mariadb/system_zone.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "os/file.h"
#include "source/mariadb/connection.h"
#include "store/expect_error.h"
#include "support/mariadb_server.h"
#include "support/temp_dir.h"
#include "support/time_zone.h"

namespace holdfast {
namespace {

// 2027-03-14T07:00:00Z and 2027-11-07T06:00:00Z.
const SystemZone kOneSummer = {{1790000000, -18000}, {1805007600, -14400}, {1825567200, -18000}};

std::int64_t offset_at(std::time_t moment) {
  std::tm local{};
  ::localtime_r(&moment, &local);
  return local.tm_gmtoff;
}

TEST(SystemZone, AServerTellsEachChangeToTheSecond) {
  const TimeZone there(kNewYork);
  const TestMariadb server;
  MariadbConnection connection(server.settings(), {});
  const SystemZone zone = read_system_zone(connection);
  EXPECT_EQ(zone.front(), (ZoneChange{0, -18000}));
  EXPECT_EQ(zone.size(), 1U + 2 * 68);                                 // 1970 to 2037
  for (const ZoneChange& change : {ZoneChange{1805007600, -14400},     // 2027-03-14T07:00:00Z
                                   ZoneChange{1825567200, -18000},     // 2027-11-07T06:00:00Z
                                   ZoneChange{1836457200, -14400},     // 2028-03-12T07:00:00Z
                                   ZoneChange{1857016800, -18000}}) {  // 2028-11-05T06:00:00Z
    EXPECT_EQ(std::count(zone.begin(), zone.end(), change), 1) << change.from;
  }
  EXPECT_EQ(parse_zone(zone_text(zone)), zone);
  EXPECT_EQ(connection.value("SELECT @@SESSION.time_zone"), "+00:00");
}

TEST(SystemZone, TheFileSaysToTheCLibraryWhatTheServerSaid) {
  const TempDir directory;
  write_file_atomic(directory / "zone", zone_file(kOneSummer));
  const TimeZone there(":" + directory / "zone");
  EXPECT_EQ(offset_at(0), -18000);
  for (const ZoneChange& change : kOneSummer) {
    EXPECT_EQ(offset_at(change.from), change.offset) << change.from;
  }
  EXPECT_EQ(offset_at(1805007599), -18000);
  EXPECT_EQ(offset_at(1825567199), -14400);
  EXPECT_EQ(offset_at(3000000000), -18000);
}

TEST(SystemZone, AFileWithoutChangesIsOneOffset) {
  const TempDir directory;
  write_file_atomic(directory / "zone", zone_file({{5, 19800}}));
  const TimeZone there(":" + directory / "zone");
  EXPECT_EQ(offset_at(0), 19800);
  EXPECT_EQ(offset_at(1800000000), 19800);
}

TEST(SystemZone, ItsTextComesBackOrIsRefused) {
  EXPECT_EQ(parse_zone(zone_text(kOneSummer)), kOneSummer);
  EXPECT_EQ(zone_text({{-5, 0}}), "-5:0");
  for (const char* text : {"", " ", ":", "1", "1:", ":1", "1:x", "1:0 ", "1:0 1:5", "2:0 1:5",
                           "1:93601", "1:-93601", "1:0,2:0", "99999999999999999999:0"}) {
    expect_error(Code::kCorrupt, [&] { parse_zone(text); });
  }
}

}  // namespace
}  // namespace holdfast
