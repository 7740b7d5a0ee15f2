// The uploading threads outlive whatever is thrown in them.
#include "protect/log_uploader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
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

class LogUploads : public ::testing::Test {
 protected:
  template <typename Thrown>
  void upload(Thrown thrown) {
    LogUploadOptions options;
    options.source = kSource;
    options.stream = kSystem;
    std::atomic<int> times = 0;
    LogUploader uploader(
        *vault_, options, [this](const Error& error) { errors_.push_back(error); }, [] {});
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

}  // namespace
}  // namespace holdfast::test
