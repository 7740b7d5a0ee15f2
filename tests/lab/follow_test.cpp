// A PostgreSQL whose vault is a directory and whose log follows into a bucket of another region.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "postgres/shop.h"
#include "postgres/writer.h"
#include "support/lab.h"

namespace holdfast {
namespace {

class FollowInBucket : public testing::Test {
 protected:
  FollowInBucket()
      : server_(
            PostgresOptions{{"--wal-segsize=1"}, {"max_wal_size = 64MB", "min_wal_size = 2MB"}}) {
    ::setenv("no_proxy", "127.0.0.1", 1);
    server_.start();
    Writer::create_table(server_);
    shop_.emplace(server_, "", ShopVault{"", west()});
    shop_->back_up();
    shop_->expect(0, {"copy", "--to", "west"});
  }

  std::string url() const { return "s3://" + bucket_ + "/vault"; }
  std::string west() const {
    std::string yaml = "stores:\n  - {url: 's3://', endpoint: '" + lab().west_url +
                       "', region: us-east-1, profile: operator, retry_for: 1s";
    if (!lab().ca_file.empty()) yaml += ", ca_file: '" + lab().ca_file + "'";
    return yaml + "}\ncopies:\n  - {name: west, url: '" + url() + "'}\n";
  }

  Background stream() const {
    Background stream =
        shop_->start("stream.log", {"stream", "shop", "--interval", "20ms", "--follow", "west"});
    stream.wait_for("receiving from");
    return stream;
  }
  json followed() const {
    const std::string path = *shop_ / "state/stream/shop.json";
    if (!path_exists(path)) return json::object();
    const json all = json::parse(as_text(read_file(path))).value("followers", json::array());
    return all.empty() ? json::object() : all[0];
  }
  void wait_until_durable() const {
    server_.wait_for(
        "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' "
        "AND flush_lsn >= '" +
            server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
        "1");
  }
  template <typename Done>
  void await(const Background& stream, const Done& done) const {
    const Duration end = system_clock().monotonic() + std::chrono::minutes{1};
    while (!done()) {
      ASSERT_LT(system_clock().monotonic(), end) << stream.said() << followed().dump(2);
      system_clock().sleep_for(std::chrono::milliseconds{20}, {});
    }
  }
  // On a machine that has nothing but the key and the bucket.
  void recover(const PostgresServer& server) const {
    const TempDir home;
    ProcessOptions options;
    options.argv = {HOLDFAST_BINARY, "recover",   "--from",      url(),      "--key-file",
                    *shop_ / "key",  "--log-dir", home / "logs", "--target", server.path()};
    options.working_directory = home.path();
    options.environment = lab_environment(Region::kWest);
    for (const char* name : {"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}) {
      options.environment.emplace_back(name, home.path());
    }
    options.timeout = std::chrono::minutes{2};
    const ProcessResult result = run_process(options);
    EXPECT_EQ(result.exit_code, 0) << result.output << result.error_output;
  }

  const std::string bucket_ = new_bucket();
  PostgresServer server_;
  std::optional<Shop> shop_;
};

// The stop comes under full load: all that the vault has gets there before the end, or it is said
// what does not.
TEST_F(FollowInBucket, AStopLosesNothingThatTheVaultHas) {
  Background stream = this->stream();
  Writer writer(server_, 4);
  await(stream, [&] { return followed().value("objects", 0) > 10; });
  writer.wait_for(500);
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  writer.stop();
  // On a slow machine the bucket may be too far behind for the time that there is.
  const bool told = stream.said().find("west ends before") != std::string::npos;
  const json copied = shop_->expect_json(0, {"copy", "--to", "west"});
  EXPECT_EQ(copied.at("copies").at(0).at("objects") != 0, told) << copied.dump(2) << stream.said();
}

// Nothing waits for the bucket, and it has everything once it is back.
TEST_F(FollowInBucket, AnOutageHoldsNothingUpAndTheBucketAloneBringsAllBack) {
  Background stream = this->stream();
  Writer writer(server_);
  await(stream, [&] { return followed().value("objects", 0) > 0; });
  {
    RegionOutage outage(Region::kWest, kill_zone);
    stream.wait_for("west does not get the log at present");
    writer.wait_for(1000);
    server_.query("SELECT pg_switch_wal()");
    writer.wait_for(200);
    EXPECT_GT(followed().value("behind_bytes", 0), 0);
    outage.end();
  }
  stream.wait_for("west has the whole log again");
  writer.wait_for(200);
  writer.stop();
  wait_until_durable();
  await(stream, [&] { return followed().value("behind_bytes", 1) == 0; });
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  const std::string rows = written_rows(server_);
  server_.kill();
  shop_->take_vault_away();
  PostgresServer recovered("database/shop");
  recover(recovered);
  start_restored(recovered);
  EXPECT_EQ(written_rows(recovered), rows) << stream.said();
}

}  // namespace
}  // namespace holdfast
