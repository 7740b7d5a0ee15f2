// The uploading threads outlive whatever is thrown in them.
#include "protect/log_uploader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <new>

#include "protect/log_world.h"

namespace holdfast::test {
namespace {

// Throws the first time.
template <typename Thrown>
class Failing final : public LogFileFacts {
 public:
  Failing(std::atomic<int>& times, Thrown thrown) : times_(times), thrown_(std::move(thrown)) {}
  void feed(ByteView) override {}
  std::string json() override {
    if (times_++ == 0) throw Thrown(thrown_);
    return "{}";
  }

 private:
  std::atomic<int>& times_;
  const Thrown thrown_;
};

class NoFacts final : public LogFileFacts {
 public:
  void feed(ByteView) override {}
  std::string json() override { return "{}"; }
};

class LogUploads : public ::testing::Test {
 protected:
  static LogUploadFile file(std::uint64_t number, std::uint64_t position,
                            std::uint32_t stored = 0) {
    LogUploadFile file;
    file.name = log_segment(number).file;
    file.position = position;
    file.stored = stored;
    file.facts = std::make_unique<NoFacts>();
    return file;
  }
  static LogUploadOptions options() {
    LogUploadOptions options;
    options.source = kSource;
    options.stream = kSystem;
    options.complete_by_size = true;
    return options;
  }
  template <typename Thrown>
  void upload(Thrown thrown) {
    LogUploadOptions whole = options();
    whole.complete_by_size = false;
    std::atomic<int> times = 0;
    LogUploader uploader(
        *vault_, whole, [this](const Error& error) { errors_.push_back(error); }, [] {});
    LogUploadFile file;
    file.name = log_segment(3).file;
    file.facts = std::make_unique<Failing<Thrown>>(times, std::move(thrown));
    uploader.begin(std::move(file), {});
    uploader.add(as_bytes("log"));
    uploader.complete();
    uploader.drain({});
    EXPECT_EQ(uploader.stats().errors, 1u);
  }

  MemoryStore store_{system_clock()};
  std::unique_ptr<Vault> vault_ = tiny_vault(store_, system_clock(), new_key_ring());
  std::vector<Error> errors_;  // filled by one thread, read when it has ended
};

TEST_F(LogUploads, TryAgainAfterWhateverWasThrown) {
  upload(std::bad_alloc());
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_EQ(errors_[0].code(), Code::kExhausted);
  EXPECT_THAT(log_of(store_), ::testing::ElementsAre("1:3"));
}

TEST_F(LogUploads, SayWhatADefectWas) {
  upload(std::out_of_range("no such key"));
  ASSERT_EQ(errors_.size(), 1u);
  EXPECT_EQ(errors_[0].code(), Code::kInternal);
  EXPECT_EQ(errors_[0].message(), "no such key");
}

// What is said to be durable is acknowledged, and the server forgets it.
TEST_F(LogUploads, WhatIsOnItsWayIsNotDurableWhenTheNextFileBegins) {
  std::promise<void> store_answers;
  LogUploadOptions held = options();
  held.before_object = [answer = store_answers.get_future().share()](
                           const Vault&, const LogName&, const std::string&) { answer.wait(); };
  LogUploader uploader(
      *vault_, held, [](const Error&) {}, [] {});
  uploader.begin(file(3, 3 * kSegment), {});
  EXPECT_EQ(uploader.durable(), 3 * kSegment);
  for (const std::uint64_t number : {3u, 4u}) {
    uploader.add(Bytes(kSegment, 1));
    uploader.complete();
    uploader.begin(file(number + 1, (number + 1) * kSegment), {});
    EXPECT_EQ(uploader.durable(), 3 * kSegment);
  }
  store_answers.set_value();
  uploader.drain({});
  EXPECT_EQ(uploader.durable(), 5 * kSegment);
}

TEST_F(LogUploads, BehindAChangeOfTimelineTheNewOneIsNotDurableByTheOldOne) {
  LogUploader uploader(
      *vault_, options(), [](const Error&) {}, [] {});
  uploader.begin(file(3, 3 * kSegment), {});
  uploader.add(Bytes(1000, 1));
  uploader.drain({});
  EXPECT_EQ(uploader.durable(), 3 * kSegment + 1000);
  uploader.begin(file(2, 2 * kSegment, 500), {});
  EXPECT_EQ(uploader.durable(), 2 * kSegment + 500);
  uploader.add(Bytes(600, 1));
  uploader.drain({});
  EXPECT_EQ(uploader.durable(), 2 * kSegment + 600);
}

}  // namespace
}  // namespace holdfast::test
