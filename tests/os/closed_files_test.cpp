#include "os/closed_files.h"

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "support/temp_dir.h"

namespace holdfast {
namespace {

using Names = std::vector<std::string>;

TEST(ClosedFiles, AreNamedWhenTheyAreWholeAndNotBefore) {
  const TempDir place;
  std::ofstream(place / "before") << "x";
  ClosedFiles closed(place.path());
  std::ofstream open(place / "open");
  open << "half" << std::flush;
  std::ofstream(place / "first") << "x";
  EXPECT_EQ(closed.next(), Names{"first"});
  open.close();
  EXPECT_EQ(closed.next(), Names{"open"});
}

TEST(ClosedFiles, TheEndComesAfterAllThatWasClosed) {
  const TempDir place;
  ClosedFiles closed(place.path());
  std::jthread writer([&] {
    std::ofstream(place / "last") << "x";
    closed.end();
  });
  EXPECT_EQ(closed.next(), Names{"last"});
  EXPECT_EQ(closed.next(), Names{});
  EXPECT_EQ(closed.next(), Names{});
}

}  // namespace
}  // namespace holdfast
