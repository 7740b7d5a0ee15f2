// What holdfast stream refuses before it asks the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/support.h"
#include "os/file.h"

namespace holdfast {
namespace {

using testing::HasSubstr;
using testing::Not;

// 'init' would make another vault in its place.
TEST(StreamCommand, ACopyThatWasNeverMadeIsNamedWithTheCommandThatMakesIt) {
  const Workshop shop;
  shop.init();
  shop.write_config(
      "sources: [{name: db, class: database, postgresql: {}}]\ncopies: [{name: west, url: " +
      (shop / "west") + "}]\n");
  for (const bool mounted : {false, true}) {
    if (mounted) make_directories(shop / "west");
    const Outcome refused = shop.expect(4, {"stream", "db", "--also", "west"});
    EXPECT_THAT(refused.err, HasSubstr(shop / "west"));
    EXPECT_THAT(refused.err, HasSubstr("do that first: holdfast copy --to west"));
    EXPECT_THAT(refused.err, Not(HasSubstr("holdfast init")));
  }
}

}  // namespace
}  // namespace holdfast
