#include "source/mariadb/gtid.h"

#include <gtest/gtest.h>

#include "base/throws.h"

namespace holdfast {
namespace {

TEST(Gtid, ReadsAndWritesPositions) {
  EXPECT_EQ(parse_gtid("0-7-42"), (Gtid{0, 7, 42}));
  const GtidPosition position(" 5-2-7,\n0-1-18446744073709551615 ");
  EXPECT_EQ(position.text(), "0-1-18446744073709551615,5-2-7");
  EXPECT_TRUE(GtidPosition(" \n").empty());
  EXPECT_EQ(GtidPosition().text(), "");
}

TEST(Gtid, RefusesWhatIsNone) {
  for (const char* text : {"x", "0-1", "0-1-", "0-1-2-3", "-1-1-1", "0-1-18446744073709551616",
                           "4294967296-1-1", "0-1-2,", "0-1-2,0-1-3", "0 -1-2"}) {
    EXPECT_EQ(thrown_by([&] { GtidPosition{text}; }), Code::kInvalid) << text;
  }
}

TEST(Gtid, KnowsWhatAPositionContains) {
  GtidPosition position("0-1-10,3-1-5");
  EXPECT_TRUE(position.contains(Gtid{0, 9, 10}));
  EXPECT_FALSE(position.contains(Gtid{0, 1, 11}));
  EXPECT_FALSE(position.contains(Gtid{1, 1, 1}));
  EXPECT_TRUE(position.contains(GtidPosition("3-1-5")));
  EXPECT_FALSE(position.contains(GtidPosition("0-1-1,3-1-6")));
  position.advance({0, 2, 11});
  EXPECT_EQ(position.text(), "0-2-11,3-1-5");
}

}  // namespace
}  // namespace holdfast
