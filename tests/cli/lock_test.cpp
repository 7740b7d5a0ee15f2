// lock, and what the removing commands say about locks. Real locks are in tests/lab.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <ctime>

#include "cli/context.h"
#include "cli/removal.h"
#include "cli/support.h"
#include "store/manual_clock.h"
#include "store/memory_store.h"
#include "support/locking_store.h"
#include "support/mini_s3.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr Duration kDay = std::chrono::hours{24};

TEST(Lock, ADirectoryHasNone) {
  const Workshop shop;
  shop.write("data/a", "a");
  shop.init();
  shop.backup();
  const json status = shop.expect_json(0, {"lock", "status"});
  EXPECT_EQ(status.at("locks"), false);
  EXPECT_EQ(status.at("mode"), "none");
  EXPECT_THAT(shop.expect(0, {"lock", "status"}).out, HasSubstr("no locks"));
  const std::string before = shop.listing("vault");
  const Outcome refused = shop.expect(11, {"lock", "extend", "--period", "30d"});
  EXPECT_THAT(refused.err, HasSubstr("has no locks"));
  EXPECT_EQ(shop.listing("vault"), before);
  EXPECT_EQ(shop.expect_json(0, {"retention", "apply"}).at("locked").size(), 0u);
  EXPECT_EQ(shop.expect_json(0, {"prune"}).at("locked_packs"), 0);
}

TEST(Lock, ExtendWantsASensiblePeriod) {
  const Workshop shop;
  shop.init();
  EXPECT_THAT(shop.expect(2, {"lock", "extend"}).err, HasSubstr("--period is missing"));
  EXPECT_THAT(shop.expect(2, {"lock", "extend", "--period", "1h"}).err, HasSubstr("1d to 100y"));
  EXPECT_EQ(shop.expect(10, {"lock", "extend", "--period", "long"}).code, 10);
  EXPECT_THAT(shop.expect(2, {"lock"}).err, HasSubstr("the commands are: status, extend"));
}

// Locks end by the store's clock, whatever this machine's says.
TEST(Lock, AClockThatDiffersIsSaid) {
  const Workshop shop;
  MiniS3 server;
  std::atomic<std::int64_t> hours{0};
  server.set_plan([&](const MiniS3::Received& received, unsigned) -> std::optional<MiniS3::Fault> {
    const bool locks = received.target.find("?object-lock") != std::string::npos;
    if (!locks && received.target.find("?versioning") == std::string::npos) return std::nullopt;
    const std::time_t now = std::time(nullptr) + 3600 * hours;
    std::array<char, 64> date{};
    std::strftime(date.data(), date.size(), "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&now));
    MiniS3::Reply reply;
    reply.headers = {{"Date", date.data()}};
    reply.body = locks ? "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
                         "</ObjectLockConfiguration>"
                       : "<VersioningConfiguration/>";
    return MiniS3::Fault{reply};
  });
  const auto run = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--vault", "s3://bucket", "--key-file", shop / "key"});
    return shop.run(std::move(words), {{"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
                                       {"AWS_SECRET_ACCESS_KEY", "secret-example"},
                                       {"AWS_ENDPOINT_URL", server.url()}});
  };
  ASSERT_EQ(run({"init"}).code, 0);
  const json even = run({"lock", "status", "--json"}).document();
  EXPECT_EQ(even.at("clock_difference_seconds"), 0);
  hours = 3;
  const Outcome behind = run({"lock", "status", "--json"});
  EXPECT_NEAR(behind.document().at("clock_difference_seconds").get<double>(), 3 * 3600, 30);
  EXPECT_THAT(behind.err, HasSubstr("behind the store's"));
  hours = -3;
  EXPECT_THAT(run({"lock", "status"}).err, HasSubstr("ahead of the store's"));
}

class LockedBackups : public testing::Test {
 protected:
  LockedBackups() {
    for (int day = 0; day < 3; ++day) {
      const BackupName name{"files", clock_.now(), "web"};
      store_.put(name.key(), as_bytes("backup"));
      names_.push_back(name);
      clock_.sleep_for(kDay, {});
    }
    clock_.sleep_for(8 * kDay, {});  // the first has been free for a day, the second becomes free
  }

  ManualClock clock_{parse_rfc3339("2025-11-10T12:00:00Z")};
  MemoryStore memory_{clock_};
  LockingStore store_{memory_, clock_, 10 * kDay};
  GlobalOptions options_;
  Output output_{false, true};
  Context context_{options_, output_, clock_, {}};
  std::vector<BackupName> names_;
};

TEST_F(LockedBackups, AreSortedOutBeforeAnythingIsRemoved) {
  const RemovalPlan plan = plan_removal(context_, store_, names_);
  ASSERT_EQ(plan.free.size(), 2u);
  EXPECT_EQ(plan.free[0].id(), names_[0].id());
  ASSERT_EQ(plan.locked.size(), 1u);
  EXPECT_EQ(plan.locked[0].name.id(), names_[2].id());
  EXPECT_EQ(plan.locked[0].until, names_[2].time + 10 * kDay);
  EXPECT_TRUE(store_.attempts().empty());
  EXPECT_EQ(list_objects(store_, "").size(), 3u);
}

TEST_F(LockedBackups, AreNamedWithTheirDates) {
  EXPECT_EQ(locked_text({{names_[0], names_[0].time}}),
            "1 backup is locked until 2025-11-10T12:00:00Z");
  EXPECT_EQ(locked_text({{names_[1], names_[1].time}, {names_[0], names_[0].time}}),
            "2 backups are locked, the first until 2025-11-10T12:00:00Z, the last until "
            "2025-11-11T12:00:00Z");
}

}  // namespace
}  // namespace holdfast
