// Which moments of a MariaDB source can be recovered, without a server.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "protect/binlog_listing.h"
#include "protect/log_span.h"
#include "protect/log_world.h"

namespace holdfast::test {
namespace {

constexpr std::uint32_t kServer = 7;

std::string gtid(std::uint64_t sequence) { return fmt::format("0-{}-{}", kServer, sequence); }
std::string file_name(int number) { return fmt::format("binlog.{:06}", number); }

class BinlogSpans : public ::testing::Test {
 protected:
  // As after RESET MASTER: the next file is of another history, whose names and GTIDs are its own.
  void begin_history() {
    clock_.advance(std::chrono::hours{1});
    stream_ = binlog_stream_name(seconds(), kServer);
  }
  // A file that the server has ended: transactions `first` to `last`.
  void store_file(int number, std::uint64_t first, std::uint64_t last) {
    BinlogChunkFacts facts;
    facts.file = file_name(number);
    facts.end = kSize;
    facts.created = seconds();
    facts.server = kServer;
    if (first > 1) facts.before = GtidPosition(gtid(first - 1));
    facts.to = {kSize, true, GtidPosition(gtid(last)), {}, false};
    clock_.advance(std::chrono::minutes{1});
    facts.last = BinlogTransaction{parse_gtid(gtid(last)), seconds(), kSize - 100, kSize};
    const LogName name{kSource, stream_, binlog_chunk_name(facts.file, 0), {}};
    store_log(*vault_, name, Bytes(kSize), binlog_facts_to_json(facts).dump(), 1);
  }
  // In the middle of a file, behind `sequence`.
  Timestamp back_up(int number, std::uint64_t sequence) {
    DatabaseFacts facts{"mariadb",     "10.11.19", "physical", "", 0, file_name(number) + ":400",
                        gtid(sequence)};
    backups_.push_back(read_backup(*vault_, store_database(*vault_, facts)).summary);
    return backups_.back().consistent;
  }
  std::vector<LogSpan> spans() const { return log_spans(*vault_, backups_, {}); }

  static constexpr std::uint32_t kSize = 1000;
  StandingClock clock_;
  const KeyRing ring_ = new_key_ring();
  MemoryStore store_{clock_};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, clock_, ring_);
  std::string stream_;
  std::vector<BackupSummary> backups_;

 private:
  std::uint32_t seconds() const {
    const auto since = std::chrono::floor<std::chrono::seconds>(clock_.now()).time_since_epoch();
    return static_cast<std::uint32_t>(since.count());
  }
};

TEST_F(BinlogSpans, OneLogHasOneFromItsOldestBackup) {
  begin_history();
  store_file(1, 1, 5);
  const Timestamp older = back_up(1, 3);
  clock_.advance(std::chrono::minutes{1});
  back_up(1, 4);
  const auto found = spans();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].from, older);
  EXPECT_EQ(found[0].end, gtid(5));
}

// The end alone does not tell the one from the other.
TEST_F(BinlogSpans, TwoLogsThatEndAtTheSameGtidHaveTwo) {
  begin_history();
  store_file(1, 1, 5);
  const Timestamp older = back_up(1, 3);
  begin_history();
  store_file(1, 1, 5);
  const Timestamp newer = back_up(1, 3);
  const auto found = spans();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].from, newer);
  EXPECT_EQ(found[1].from, older);
  EXPECT_EQ(found[0].end, found[1].end);
  EXPECT_LT(*found[1].to, *found[0].to);
  EXPECT_TRUE(found[0].newest);
  EXPECT_FALSE(found[1].newest);
}

TEST_F(BinlogSpans, ALogThatWasInterruptedHasTwo) {
  begin_history();
  store_file(1, 1, 5);
  store_file(2, 6, 9);
  const Timestamp older = back_up(1, 3);
  store_file(4, 20, 30);
  const Timestamp newer = back_up(4, 25);
  const auto found = spans();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].from, newer);
  EXPECT_EQ(found[0].end, gtid(30));
  EXPECT_EQ(found[0].gap, "");
  EXPECT_EQ(found[1].from, older);
  EXPECT_EQ(found[1].gap, file_name(3));
}

}  // namespace
}  // namespace holdfast::test
