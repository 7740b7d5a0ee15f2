// A PostgreSQL whose backups and log are in a bucket: what comes back when the store's gateway was
// killed meanwhile, and from the second region alone, by the recovery sheet.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/bytes.h"
#include "os/file.h"
#include "postgres/shop.h"
#include "postgres/writer.h"
#include "source/postgres/wal_file.h"
#include "support/lab.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class LabDatabase : public testing::Test {
 protected:
  LabDatabase() : server_(small()) {
    ::setenv("no_proxy", "127.0.0.1", 1);
    server_.start();
    Writer::create_table(server_);
    // The server's user stores segments, too.
    write_file_atomic(server_.path() + "/credentials",
                      read_file(std::getenv("AWS_SHARED_CREDENTIALS_FILE")), 0600);
    give_to_postgres(server_.path() + "/credentials");
    shop_.emplace(server_, "", ShopVault{url(), stores()});
  }

  static PostgresOptions small() {
    return {{"--data-checksums", "--wal-segsize=1"},
            {"max_wal_size = 64MB", "min_wal_size = 2MB", "archive_mode = on"}};
  }
  std::string url() const { return "s3://" + bucket_ + "/vault"; }
  static std::string stores() {
    std::string store = "stores:\n  - {url: 's3://', endpoint: '" + lab().east_url +
                        "', region: us-east-1, profile: operator, retry_for: 1s";
    if (!lab().ca_file.empty()) store += ", ca_file: '" + lab().ca_file + "'";
    return store + "}\n";
  }

  Background stream() const {
    return shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
  }
  void wait_until_durable() const {
    server_.wait_for(
        "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'holdfast' "
        "AND flush_lsn >= '" +
            server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
        "1");
  }
  void archive_by_command() const {
    give_to_postgres(*shop_ / "");
    server_.configure({"archive_command = 'env AWS_SHARED_CREDENTIALS_FILE=" + server_.path() +
                       "/credentials AWS_CONFIG_FILE=/dev/null no_proxy=127.0.0.1 " +
                       shop_->line({"wal-push", "--source", "shop", "%p"}) + "'"});
    server_.query("SELECT pg_reload_conf()");
  }
  // Where the last segment ends that archive_command has stored.
  std::string archived() const {
    constexpr std::uint32_t kSegment = 1u << 20;
    const std::string last = server_.query("SELECT last_archived_wal FROM pg_stat_archiver");
    const auto segment = parse_wal_segment(last, kSegment);
    if (!segment) throw std::runtime_error("no segment: " + last);
    return format_lsn(segment->start(kSegment) + kSegment);
  }
  void write_segments(const Writer& writer) const {
    for (int i = 0; i < 3; ++i) {
      writer.wait_for(300);
      server_.query("SELECT pg_switch_wal()");
    }
  }
  std::string now() const {
    return server_.query(
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
  }

  // A machine with the program and a sheet of paper, and no home directory that knows anything.
  json recover_in_the_west(const std::string& sheet, const std::string& target) const {
    const TempDir home;
    ProcessOptions options;
    options.argv = {HOLDFAST_BINARY, "recover",   "--from",      url(),   "--recovery-code-file",
                    sheet,           "--log-dir", home / "logs", "--json"};
    if (!target.empty()) options.argv.insert(options.argv.end(), {"--target", target});
    options.working_directory = home.path();
    options.environment = lab_environment(Region::kWest);
    for (const char* name : {"HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}) {
      options.environment.emplace_back(name, home.path());
    }
    for (const char* name : {"HOLDFAST_VAULT", "HOLDFAST_KEY_FILE", "HOLDFAST_RECOVERY_CODE"}) {
      options.environment.emplace_back(name, "");
    }
    options.timeout = std::chrono::minutes{2};
    const ProcessResult result = run_process(options);
    EXPECT_EQ(result.exit_code, 0) << result.output << result.error_output;
    return json::parse(result.output, nullptr, false);
  }

  const std::string bucket_ = new_bucket();
  PostgresServer server_;
  std::optional<Shop> shop_;
  PostgresServer restored_{"restored"};
};

TEST_F(LabDatabase, ComesBackToAMomentAndFromTheSecondRegionByTheSheet) {
  shop_->expect(0, {"key", "recover-sheet", "--output", *shop_ / "sheet"});
  Background stream = this->stream();
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer before(server_);
  before.wait_for(200);
  before.stop();
  const std::string then = written_rows(server_);
  const std::string moment = now();
  Writer after(server_, 2, 10);
  after.wait_for(200);
  after.stop();
  const std::string all = written_rows(server_);
  wait_until_durable();
  EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  server_.kill();

  shop_->restore(restored_, {"--to-time", moment});
  start_restored(restored_);
  EXPECT_EQ(written_rows(restored_), then);

  wait_sync();
  const RegionOutage outage(Region::kEast);
  const json found = recover_in_the_west(*shop_ / "sheet", "").at("sources").at(0);
  EXPECT_GT(found.at("recovery_point").get<std::string>(), moment);
  PostgresServer west("database/shop");
  recover_in_the_west(*shop_ / "sheet", west.path());
  start_restored(west);
  EXPECT_EQ(written_rows(west), all);
}

// A stream under a server that commits without waiting for it: once the store is back, nothing is
// missing of all that was written meanwhile.
TEST_F(LabDatabase, AGatewayThatIsKilledUnderTheStreamLosesNothing) {
  Background stream = this->stream();
  stream.wait_for("receiving from");
  shop_->back_up();
  Writer writer(server_);
  for (int i = 0; i < 2; ++i) {
    writer.wait_for(200);
    RegionOutage outage(Region::kEast, kill_zone);
    writer.wait_for(2000);
    server_.query("SELECT pg_switch_wal()");
    writer.wait_for(200);
    if (i == 0) stream.wait_for("the log waits");
    outage.end();
    writer.wait_for(200);
  }
  writer.stop();
  wait_until_durable();
  EXPECT_TRUE(stream.running()) << stream.said();
  EXPECT_EQ(stream.end(SIGKILL), 128 + SIGKILL);
  server_.kill();
  shop_->restore(restored_);
  start_restored(restored_);
  EXPECT_EQ(writer.missing_in(restored_), 0u) << stream.said();
  std::printf("%lu rows acknowledged, all are there\n", writer.acknowledged());
}

// Store, receiver and server die at once. What the server was told to be durable is there.
TEST_F(LabDatabase, KillingGatewayStreamAndServerAtOnceLosesNothingThatWasAcknowledged) {
  server_.configure({"synchronous_standby_names = 'holdfast'"});
  Background stream = this->stream();
  stream.wait_for("receiving from");
  server_.query("SELECT pg_reload_conf()");
  shop_->back_up();
  Writer writer(server_, 4);
  writer.wait_for(300);
  {
    const RegionOutage outage(Region::kEast, kill_zone);
    stream.end(SIGKILL);
    server_.kill();
    writer.stop();
  }
  shop_->restore(restored_);
  start_restored(restored_);
  EXPECT_EQ(writer.missing_in(restored_), 0u) << stream.said();
  std::printf("%lu rows acknowledged, all are there\n", writer.acknowledged());
}

TEST_F(LabDatabase, AGatewayThatIsKilledUnderWalPushLosesNothingOfTheArchivedSegments) {
  archive_by_command();
  shop_->back_up();
  Writer writer(server_);
  write_segments(writer);
  {
    RegionOutage outage(Region::kEast, kill_zone);
    write_segments(writer);
    server_.wait_for("SELECT failed_count > 0 FROM pg_stat_archiver", "t");
    outage.end();
    // By itself.
    server_.wait_for("SELECT last_archived_time > last_failed_time FROM pg_stat_archiver", "t");
  }
  write_segments(writer);
  std::string promised;
  {
    const RegionOutage outage(Region::kEast, kill_zone);
    write_segments(writer);
    promised = archived();
    server_.kill();
    writer.stop();
  }
  shop_->restore(restored_);
  start_restored(restored_);
  server_.start();
  EXPECT_GT(restored_.query("SELECT count(*) FROM written"), "0");
  EXPECT_EQ(missing_before(promised, server_, restored_), 0u);
  std::printf("%lu rows acknowledged, %lu behind the last archived segment are lost\n",
              writer.acknowledged(), writer.missing_in(restored_));
}

}  // namespace
}  // namespace holdfast
