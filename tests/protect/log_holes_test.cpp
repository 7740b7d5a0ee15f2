// Which segments a log lacks along a history of timelines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protect/log_backfill.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kMiB = 1u << 20;

LogRange range(std::uint32_t timeline, std::uint64_t first, std::uint64_t last) {
  return {WalSegment{timeline, first}.name(kMiB), WalSegment{timeline, last}.name(kMiB),
          last - first + 1};
}

LogStream log(std::vector<LogTimeline> timelines) {
  LogStream stream;
  stream.stream = "7301";
  stream.segment_size = kMiB;
  stream.timelines = std::move(timelines);
  return stream;
}

// "1: 3-4": segments 3 to 4 of timeline 1.
std::vector<std::string> holes(const LogStream& stream, const TimelineHistory& history) {
  std::vector<std::string> found;
  for (const LogHole& hole : log_holes(stream, history)) {
    found.push_back(std::to_string(hole.first.timeline) + ": " + std::to_string(hole.first.number) +
                    "-" + std::to_string(hole.last));
  }
  return found;
}

// Timeline 1 was left in the middle of segment 8, timeline 2 in that of segment 12.
TimelineHistory third() {
  return TimelineHistory::parse(
      "1\t0/880000\tno recovery target\n2\t0/C80000\tno recovery target\n", 3);
}

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LogHoles, AWholeLogHasNone) {
  EXPECT_THAT(holes(log({{1, {range(1, 3, 9)}, {}, {}}}), TimelineHistory(1)), IsEmpty());
  EXPECT_THAT(holes(log({}), TimelineHistory(1)), IsEmpty());
  EXPECT_THAT(holes(log({{1, {range(1, 3, 7)}, {}, {}},
                         {2, {range(2, 8, 11)}, {}, {}},
                         {3, {range(3, 12, 20)}, {}, {}}}),
                    third()),
              IsEmpty());
}

TEST(LogHoles, BetweenSegments) {
  EXPECT_THAT(holes(log({{1, {range(1, 3, 4), range(1, 6, 6), range(1, 9, 10)}, {}, {}}}),
                    TimelineHistory(1)),
              ElementsAre("1: 5-5", "1: 7-8"));
}

TEST(LogHoles, AtTheEndOfATimelineThatWasLeft) {
  EXPECT_THAT(holes(log({{1, {range(1, 3, 5)}, {}, {}},
                         {2, {range(2, 8, 11)}, {}, {}},
                         {3, {range(3, 12, 12)}, {}, {}}}),
                    third()),
              ElementsAre("1: 6-7"));
}

TEST(LogHoles, AtTheBeginningOfOneAndOfOneThatIsMissing) {
  EXPECT_THAT(holes(log({{1, {range(1, 3, 7)}, {}, {}}, {3, {range(3, 14, 15)}, {}, {}}}), third()),
              ElementsAre("2: 8-11", "3: 12-13"));
}

// The old primary went on alone: that is another branch.
TEST(LogHoles, WhatIsNotOnTheWayIsNone) {
  EXPECT_THAT(
      holes(log({{1, {range(1, 3, 7), range(1, 10, 11)}, {}, {}}, {2, {range(2, 8, 11)}, {}, {}}}),
            third()),
      IsEmpty());
}

// What is older than all that is held is not missed.
TEST(LogHoles, TheLogBeginsSomewhere) {
  EXPECT_THAT(holes(log({{2, {range(2, 10, 11)}, {}, {}}}), third()), IsEmpty());
}

}  // namespace
}  // namespace holdfast
