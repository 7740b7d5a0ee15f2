// Places of a stream that are written at the same time, and places that nothing waits for.
#include "protect/log_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "os/grace.h"
#include "protect/log_uploader.h"
#include "protect/log_world.h"
#include "support/cut_off_store.h"

namespace holdfast::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Pauses between two tries are short.
class HastyClock final : public Clock {
 public:
  Timestamp now() const override { return system_clock().now(); }
  Duration monotonic() const override { return system_clock().monotonic(); }
  bool sleep_for(Duration duration, std::stop_token stop) override {
    return system_clock().sleep_for(std::min<Duration>(duration, std::chrono::milliseconds{1}),
                                    std::move(stop));
  }
};

template <typename Done>
bool eventually(const Done& done) {
  const Duration end = system_clock().monotonic() + std::chrono::minutes{2};
  while (!done()) {
    if (system_clock().monotonic() > end) return false;
    system_clock().sleep_for(std::chrono::milliseconds{1}, {});
  }
  return true;
}

// Who writes waits until the gate is open.
class Gated final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  bool put_new(std::string_view key, ByteView data) override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    moved_.notify_all();
    moved_.wait(lock, [&] { return open_; });
    --waiting_;
    return ForwardingStore::put_new(key, data);
  }
  void open(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    moved_.notify_all();
  }
  bool await_writer() {
    std::unique_lock lock(mutex_);
    return moved_.wait_for(lock, std::chrono::minutes{2}, [&] { return waiting_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  bool open_ = true;
  int waiting_ = 0;
};

bool has_all(const LogFollowerStatus& status) {
  return status.even && status.behind_for == Duration{} && status.behind == 0 &&
         status.error.empty();
}

class LogFollow : public ::testing::Test {
 protected:
  LogFollowerPlace place() {
    return {"west", [this] {
              if (gone_) throw Error(Code::kUnavailable, "west is away");
              return std::shared_ptr<const Vault>(
                  Vault::open(cut_, clock_, ring_.restricted_to(Role::kWriter), ""));
            }};
  }
  LogFollowerOptions options() {
    LogFollowerOptions options;
    options.source = kSource;
    options.notify = [this](const std::string& text) {
      const std::lock_guard lock(mutex_);
      said_ += text + "\n";
    };
    return options;
  }
  std::string said() {
    const std::lock_guard lock(mutex_);
    return said_;
  }
  // In the vault and offered, as an uploader does it.
  void keep(LogFollower& follower, std::uint64_t number) {
    store_segment(*vault_, number);
    follower.offer({log_segment(number), std::make_shared<const Bytes>(wal_content(number)), "{}",
                    (number + 1) * kSegment});
  }
  bool all_there() {
    return eventually([&] { return log_of(one_) == log_of(two_); });
  }

  HastyClock clock_;
  MemoryStore one_{clock_};
  MemoryStore two_{clock_};
  Gated gate_{two_};
  CutOff cut_{gate_};
  std::atomic<bool> gone_{false};
  const KeyRing ring_ = new_key_ring();
  std::unique_ptr<Vault> vault_ = tiny_vault(one_, clock_, ring_);
  std::unique_ptr<Vault> copy_ = tiny_vault(two_, clock_, ring_);
  std::mutex mutex_;
  std::string said_;
};

TEST_F(LogFollow, GetsWhatThereIsAndWhatComes) {
  store_segment(*vault_, 3);
  LogFollower follower(*vault_, place(), options());
  follower.even_out(kSystem);
  EXPECT_TRUE(all_there());
  for (const std::uint64_t number : {4u, 5u, 6u}) keep(follower, number);
  EXPECT_TRUE(eventually([&] { return follower.status().behind == 0; }));
  EXPECT_THAT(log_of(two_), ElementsAre("1:3", "1:4", "1:5", "1:6"));
  EXPECT_TRUE(eventually([&] { return follower.status().behind_for == Duration{}; }));
  EXPECT_EQ(read_log(*copy_, log_segment(6))->bytes, wal_content(6));
}

TEST_F(LogFollow, IsNotWaitedForAndGetsAllWhenItIsBack) {
  store_segment(*vault_, 3);
  LogFollower follower(*vault_, place(), options());
  follower.even_out(kSystem);
  ASSERT_TRUE(all_there());
  cut_.cut = true;
  for (const std::uint64_t number : {4u, 5u, 6u}) keep(follower, number);
  ASSERT_TRUE(eventually([&] { return !follower.status().error.empty(); }));
  const LogFollowerStatus away = follower.status();
  EXPECT_EQ(away.behind, 3 * kSegment);
  EXPECT_GT(away.behind_for, Duration{});
  EXPECT_EQ(away.error, "cut off");
  EXPECT_THAT(log_of(two_), ElementsAre("1:3"));
  cut_.cut = false;
  EXPECT_TRUE(all_there());
  EXPECT_TRUE(eventually([&] { return has_all(follower.status()); }));
  EXPECT_TRUE(
      eventually([&] { return said().find("west has the whole log again") < said().size(); }));
  EXPECT_THAT(said(), HasSubstr("west does not get the log at present"));
}

TEST_F(LogFollow, MayBeAwayWhenTheStreamBegins) {
  gone_ = true;
  store_segment(*vault_, 3);
  LogFollower follower(*vault_, place(), options());
  follower.even_out(kSystem);
  ASSERT_TRUE(eventually([&] { return follower.status().error == "west is away"; }));
  keep(follower, 4);
  EXPECT_EQ(follower.status().behind, kSegment);
  gone_ = false;
  // It has nothing yet: the newest file, as any place of a stream.
  EXPECT_TRUE(eventually([&] { return has_all(follower.status()); }));
  EXPECT_THAT(log_of(two_), ElementsAre("1:4"));
}

TEST_F(LogFollow, OfAKilledRunIsEvenedOutByTheNext) {
  store_segments(*copy_, 3, 3);
  store_segments(*vault_, 3, 5);
  cut_.cut = true;
  {
    LogFollower follower(*vault_, place(), options());
    follower.even_out(kSystem);
    keep(follower, 6);
    ASSERT_TRUE(eventually([&] { return !follower.status().error.empty(); }));
  }
  EXPECT_THAT(log_of(two_), ElementsAre("1:3"));
  cut_.cut = false;
  LogFollower next(*vault_, place(), options());
  next.even_out(kSystem);
  EXPECT_TRUE(all_there());
}

TEST_F(LogFollow, ThatIsSlowKeepsLittleWaiting) {
  store_segment(*vault_, 3);
  LogFollowerOptions few = options();
  few.waiting_bytes = 3 * kSegment;
  LogFollower follower(*vault_, place(), few);
  follower.even_out(kSystem);
  ASSERT_TRUE(all_there());
  ASSERT_TRUE(eventually([&] { return follower.status().even; }));
  gate_.open(false);
  std::weak_ptr<const Bytes> last;
  for (std::uint64_t number = 4; number < 20; ++number) {
    store_segment(*vault_, number);
    const auto content = std::make_shared<const Bytes>(wal_content(number));
    last = content;
    follower.offer({log_segment(number), content, "{}", (number + 1) * kSegment});
  }
  EXPECT_TRUE(last.expired());  // nobody keeps it
  EXPECT_GT(follower.status().overflows, 0u);
  EXPECT_FALSE(follower.status().even);
  gate_.open(true);
  EXPECT_TRUE(all_there());
  EXPECT_TRUE(eventually([&] { return has_all(follower.status()); }));
}

TEST_F(LogFollow, ThatIsStoppedStoresWhatWaits) {
  store_segment(*vault_, 3);
  {
    LogFollower follower(*vault_, place(), options());
    follower.even_out(kSystem);
    ASSERT_TRUE(all_there());
    ASSERT_TRUE(eventually([&] { return follower.status().even; }));
    for (const std::uint64_t number : {4u, 5u, 6u}) keep(follower, number);
  }
  EXPECT_EQ(log_of(two_), log_of(one_));
}

// As a bucket after the stop that ends the program: only what is given a grace gets through.
class Stopped final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  bool put_new(std::string_view key, ByteView data) override {
    const bool made = ForwardingStore::put_new(key, data);
    if (stopped && !Grace::is_given()) throw Error(Code::kCancelled, "interrupted");
    return made;
  }
  std::atomic<bool> stopped{false};
};

class LogFollowStop : public LogFollow {
 protected:
  // A follower with objects that wait behind one that is on its way while everything stops.
  void stop_with_waiting(Duration last_words) {
    store_segment(*vault_, 3);
    Stopped stopped(gate_);
    LogFollowerOptions quick = options();
    quick.last_words = last_words;
    const LogFollowerPlace west{
        "west",
        [&] { return std::shared_ptr<const Vault>(Vault::open(stopped, clock_, ring_, "")); }};
    LogFollower follower(*vault_, west, quick);
    follower.even_out(kSystem);
    ASSERT_TRUE(all_there());
    ASSERT_TRUE(eventually([&] { return follower.status().even; }));
    gate_.open(false);
    for (const std::uint64_t number : {4u, 5u, 6u}) keep(follower, number);
    ASSERT_TRUE(gate_.await_writer());
    stopped.stopped = true;
    gate_.open(true);
    // The vault's own last object.
    keep(follower, 7);
  }
};

TEST_F(LogFollowStop, EndsTheRequestOfAnObjectThatIsStoredAllTheSame) {
  stop_with_waiting(std::chrono::minutes{1});
  EXPECT_EQ(log_of(two_), log_of(one_));
  EXPECT_THAT(said(), Not(HasSubstr("west")));
}

TEST_F(LogFollowStop, DoesNotTakeLongAndSaysWhatIsMissing) {
  stop_with_waiting(Duration{});
  EXPECT_THAT(log_of(two_), ElementsAre("1:3", "1:4"));
  EXPECT_THAT(said(), HasSubstr("west ends before the last 4.0 MiB of the log that the vault has"));
  EXPECT_THAT(said(), HasSubstr("holdfast copy --to west"));
}

TEST_F(LogFollow, GivesNothingToTheVault) {
  store_segment(*vault_, 3);
  store_segments(*copy_, 3, 6);
  const auto before = log_of(one_);
  LogFollower follower(*vault_, place(), options());
  follower.even_out(kSystem);
  ASSERT_TRUE(eventually([&] { return follower.status().even; }));
  EXPECT_EQ(log_of(one_), before);
}

// Counts who is in put_new() at the same time.
class Meeting {
 public:
  explicit Meeting(int expected) : expected_(expected) {}
  void enter() {
    std::unique_lock lock(mutex_);
    most_ = std::max(most_, ++inside_);
    moved_.notify_all();
    moved_.wait_for(lock, std::chrono::seconds{20}, [&] { return most_ >= expected_; });
    --inside_;
  }
  int most() {
    const std::lock_guard lock(mutex_);
    return most_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable moved_;
  const int expected_;
  int inside_ = 0;
  int most_ = 0;
};

class Met final : public ForwardingStore {
 public:
  Met(ObjectStore& inner, Meeting& meeting) : ForwardingStore(inner), meeting_(meeting) {}
  bool put_new(std::string_view key, ByteView data) override {
    if (key.starts_with("log/")) meeting_.enter();
    return ForwardingStore::put_new(key, data);
  }

 private:
  Meeting& meeting_;
};

class NoFacts final : public LogFileFacts {
 public:
  void feed(ByteView) override {}
  std::string json() override { return "{}"; }
};

LogUploadFile upload_file(std::uint64_t number) {
  return {log_segment(number).file, number * kSegment, 0, std::make_unique<NoFacts>()};
}

class LogPlaceUpload : public LogFollow {
 protected:
  LogUploadOptions upload_options() {
    LogUploadOptions upload;
    upload.source = kSource;
    upload.stream = kSystem;
    return upload;
  }
};

TEST_F(LogPlaceUpload, AllPlacesAreWrittenAtTheSameTime) {
  Meeting meeting(3);
  Met first(one_, meeting);
  Met second(two_, meeting);
  MemoryStore three(clock_);
  Met third(three, meeting);
  const auto vault = Vault::open(first, clock_, ring_, "");
  const auto also = Vault::open(second, clock_, ring_, "");
  const auto more = tiny_vault(third, clock_, ring_);
  LogUploadOptions upload = upload_options();
  upload.others = {also.get(), more.get()};
  LogUploader uploader(
      *vault, upload, [](const Error&) {}, [] {});
  uploader.begin(upload_file(3), {});
  uploader.add(wal_content(3));
  uploader.complete();
  uploader.drain({});
  EXPECT_EQ(meeting.most(), 3);
  for (MemoryStore* store : {&one_, &two_, &three}) EXPECT_THAT(log_of(*store), ElementsAre("1:3"));
}

TEST_F(LogPlaceUpload, WhatOnePlaceRefusesTheOthersGet) {
  CutOff away(one_);
  away.cut = true;
  const auto vault = Vault::open(away, clock_, ring_, "");
  LogUploadOptions upload = upload_options();
  upload.others = {copy_.get()};
  std::atomic<int> errors = 0;
  LogUploader uploader(
      *vault, upload, [&](const Error&) { ++errors; }, [] {});
  uploader.begin(upload_file(3), {});
  uploader.add(wal_content(3));
  ASSERT_TRUE(eventually([&] { return errors > 0; }));
  EXPECT_EQ(uploader.durable(), 3 * kSegment);
  EXPECT_FALSE(log_of(two_).empty());
  away.cut = false;
  uploader.complete();
  uploader.drain({});
  EXPECT_EQ(uploader.durable(), 4 * kSegment);
}

TEST_F(LogPlaceUpload, IsDurableWithoutAFollowerThatIsAway) {
  store_segment(*vault_, 2);
  cut_.cut = true;
  LogFollowers followers(*vault_, {place()}, options());
  followers.even_out(kSystem);
  LogUploadOptions upload = upload_options();
  upload.followers = &followers;
  {
    LogUploader uploader(
        *vault_, upload, [](const Error&) {}, [] {});
    for (const std::uint64_t number : {3u, 4u}) {
      uploader.begin(upload_file(number), {});
      uploader.add(wal_content(number));
      uploader.complete();
    }
    uploader.drain({});
    EXPECT_EQ(uploader.durable(), 5 * kSegment);
  }
  EXPECT_THAT(log_of(two_), ElementsAre());
  cut_.cut = false;
  EXPECT_TRUE(eventually([&] { return has_all(followers.status().front()); }));
  EXPECT_EQ(log_of(two_).back(), log_of(one_).back());
}

}  // namespace
}  // namespace holdfast::test
