// What a place of a stream lacks comes from another one, and what it has removed stays away.
#include "protect/log_catch_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protect/log_world.h"
#include "source/mariadb/binlog_chunk.h"
#include "store/expect_error.h"

namespace holdfast::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LogCatchUp : public ::testing::Test {
 protected:
  void catch_up(const std::string& stream = kSystem) {
    said_.clear();
    // A key that only writes is enough.
    const auto a = Vault::open(one_, clock_, ring_.restricted_to(Role::kWriter), "");
    const auto b = Vault::open(two_, clock_, ring_.restricted_to(Role::kWriter), "");
    catch_up_log(
        {a.get(), b.get()}, kSource, stream, [&](const std::string& t) { said_ += t; },
        stop_.get_token());
  }
  Bytes read(const LogName& name) const { return read_log(*copy_, name)->bytes; }

  StandingClock clock_;
  MemoryStore one_{clock_};
  MemoryStore two_{clock_};
  const KeyRing ring_ = new_key_ring();
  std::unique_ptr<Vault> vault_ = tiny_vault(one_, clock_, ring_);
  std::unique_ptr<Vault> copy_ = tiny_vault(two_, clock_, ring_);
  std::stop_source stop_;
  std::string said_;
};

TEST_F(LogCatchUp, TheLastPieceAndTheLastSegmentAreBrought) {
  for (const auto& vault : {vault_.get(), copy_.get()}) store_segments(*vault, 3, 4);
  store_segment(*vault_, 5);
  store_piece(*vault_, 6, 0, 1000);
  catch_up();
  EXPECT_THAT(log_of(two_), ElementsAre("1:3", "1:4", "1:5", "1:6[0-1000]"));
  EXPECT_EQ(read(log_segment(5)), wal_content(5));
  EXPECT_THAT(said_, HasSubstr("bringing 2 files there"));
  store_piece(*copy_, 6, 1000, 2000);  // the other way round
  catch_up();
  EXPECT_EQ(log_of(one_), log_of(two_));
  EXPECT_EQ(read_log(*vault_, log_segment(6))->bytes.size(), 2000u);
  catch_up();
  EXPECT_EQ(said_, "");
}

TEST_F(LogCatchUp, HolesAreFilledAndWholesTakeThePlaceOfPieces) {
  store_segments(*vault_, 3, 7);
  store_segment(*copy_, 4);
  store_piece(*copy_, 5, 0, 1000);
  store_segment(*copy_, 7);
  catch_up();
  // What is older than its own beginning was removed there, or never asked for.
  EXPECT_THAT(log_of(two_), ElementsAre("1:4", "1:5", "1:6", "1:7"));
  EXPECT_THAT(log_of(one_), ElementsAre("1:3", "1:4", "1:5", "1:6", "1:7"));
}

TEST_F(LogCatchUp, PiecesThatReachAsFarAreEnough) {
  store_piece(*vault_, 3, 0, 1000);
  store_piece(*vault_, 3, 1000, 2000);
  store_piece(*copy_, 3, 0, 2000);
  catch_up();
  EXPECT_THAT(log_of(one_), ElementsAre("1:3[0-1000]", "1:3[1000-2000]"));
  EXPECT_EQ(log_of(two_).size(), 1u);
  EXPECT_EQ(said_, "");
}

TEST_F(LogCatchUp, ATimelineThatIsNewComesAndOneThatWasRemovedDoesNot) {
  for (std::uint32_t timeline = 1; timeline <= 3; ++timeline) {
    store_segments(*vault_, 2 * timeline, 2 * timeline + 1, timeline);
    if (timeline > 1) store_history(*vault_, timeline, timeline - 1, 2 * timeline);
  }
  store_segment(*copy_, 2, 1);
  catch_up();
  EXPECT_EQ(log_of(two_), log_of(one_));
  for (const std::string& key : {log_segment(4, 2).key(), log_segment(5, 2).key()})
    two_.remove(key);
  two_.remove(log_file("00000002.history").key());
  const auto left = log_of(two_);
  catch_up();
  EXPECT_EQ(log_of(two_), left);
}

TEST_F(LogCatchUp, APlaceWithoutLogGetsTheNewestFile) {
  store_segments(*vault_, 3, 5);
  store_piece(*vault_, 6, 0, 10);
  store_piece(*vault_, 6, 10, 20);
  catch_up();
  EXPECT_THAT(log_of(two_), ElementsAre("1:6[0-10]", "1:6[10-20]"));
  EXPECT_THAT(said_, HasSubstr("holdfast copy brings what is older"));
}

TEST_F(LogCatchUp, DamageIsNotSpreadAndEndsNothing) {
  store_segment(*copy_, 3);
  store_segments(*vault_, 3, 5);
  const std::string key = log_segment(4).key();
  Bytes object = one_.get(key);
  object.resize(object.size() - 1);
  one_.put(key, object);
  catch_up();
  EXPECT_THAT(log_of(two_), ElementsAre("1:3", "1:5"));
  EXPECT_THAT(said_, HasSubstr("stays without " + key));
}

TEST_F(LogCatchUp, AnEmptyMountPointIsNoPlace) {
  store_segment(*vault_, 3);
  two_.remove("holdfast.json");
  expect_error(Code::kUnavailable, [&] {
    catch_up_log({vault_.get(), copy_.get()}, kSource, kSystem, [](const std::string&) {}, {});
  });
  EXPECT_THAT(log_of(two_), IsEmpty());
}

TEST_F(LogCatchUp, ChunksOfABinaryLogAreOrderedByNumber) {
  const std::string stream = "mariadb-20251110T120000Z-7";
  const auto chunk = [&](std::uint64_t number) {
    return LogName{kSource, stream, binlog_chunk_name("bin." + std::to_string(number), 0), {}};
  };
  store_log(*copy_, chunk(999999), as_bytes("a"));
  for (const std::uint64_t number : {999998u, 999999u, 1000000u}) {
    store_log(*vault_, chunk(number), as_bytes("a"));
  }
  catch_up(stream);
  EXPECT_TRUE(two_.stat(chunk(1000000).key()));
  EXPECT_FALSE(two_.stat(chunk(999998).key()));
}

}  // namespace
}  // namespace holdfast::test
