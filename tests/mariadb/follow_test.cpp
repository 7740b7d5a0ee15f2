// A copy that holdfast stream brings the log to without waiting for it.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>

#include "mariadb/shop.h"
#include "mariadb/writer.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class MariadbFollow : public ::testing::Test {
 protected:
  MariadbFollow() {
    MariadbWriter::create_table(server_);
    shop_.add_west("    log: {follow: [west]}\n");
  }

  json west() const {
    const json followers = shop_.status().value("followers", json::array());
    return followers.empty() ? json::object() : followers[0];
  }
  // "even" may be of the moment before: nothing of what is durable is behind.
  bool west_has_all() const {
    const json at = west();
    return at.value("even", false) && at.value("behind_bytes", 1) == 0 && at["error"].is_null();
  }

  TestMariadb server_;
  MariadbShop shop_{server_};
};

TEST_F(MariadbFollow, ACopyThatIsAwayHoldsNothingUpAndGetsEverythingLater) {
  Background stream = shop_.stream();
  MariadbWriter writer(server_);
  writer.wait_for(200);
  shop_.await(stream, [&] { return west().value("objects", 0) > 0; });
  fs::rename(shop_ / "west", shop_ / "away");
  shop_.await(stream, [&] { return west().value("error", json()).is_string(); });
  writer.wait_for(200);
  server_.run({"FLUSH BINARY LOGS"});
  writer.wait_for(200);
  writer.stop();
  shop_.wait_until_durable(server_);
  EXPECT_FALSE(west().value("even", true));
  EXPECT_GT(west().value("behind_bytes", 0), 0);
  EXPECT_GT(west().value("behind_seconds", 0.0), 0.0);
  fs::rename(shop_ / "away", shop_ / "west");
  shop_.await(stream, [&] { return west_has_all(); });
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  EXPECT_NE(stream.said().find("west has the whole log again"), std::string::npos);

  const std::string wanted = server_.contents();
  server_.kill();
  fs::remove_all(shop_ / "vault");
  fs::rename(shop_ / "west", shop_ / "vault");
  EXPECT_EQ(TestMariadb::on(shop_.restore("restored")).contents(), wanted);
}

TEST_F(MariadbFollow, APlaceIsNotBothAndHasToBeConfigured) {
  EXPECT_NE(shop_.expect(2, {"stream", "shop", "--also", "west"}).err.find("both"),
            std::string::npos);
  shop_.expect(4, {"stream", "shop", "--follow", "east"});
}

}  // namespace
}  // namespace holdfast
