#include "os/process_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "shell.h"

namespace holdfast {
namespace {

using Direction = ProcessStream::Direction;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string read_all(ProcessStream& stream) {
  std::string text;
  Bytes buffer(1000);
  while (const std::size_t n = stream.read(buffer)) {
    text += as_text(ByteView(buffer).first(n));
  }
  return text;
}

TEST(ProcessStream, GivesTheOutputAndHowItEnded) {
  ProcessStream stream(shell("seq 1 20000; echo oh >&2; exit 3"), Direction::kOutput, {});
  const std::string text = read_all(stream);
  EXPECT_THAT(text, EndsWith("19999\n20000\n"));
  const ProcessResult result = stream.finish();
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.error_output, "oh\n");
}

TEST(ProcessStream, ASignalIsNotAnEndOfOutput) {
  ProcessStream stream(shell("echo half; kill -9 $$"), Direction::kOutput, {});
  EXPECT_EQ(read_all(stream), "half\n");
  const ProcessResult result = stream.finish();
  EXPECT_EQ(result.signal, 9);
  EXPECT_EQ(result.exit_code, 137);
}

TEST(ProcessStream, ManyMessagesNeitherBlockNorFillTheMemory) {
  ProcessStream stream(shell("seq 1 200000 >&2; echo done"), Direction::kOutput, {});
  EXPECT_EQ(read_all(stream), "done\n");
  const ProcessResult result = stream.finish();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_LT(result.error_output.size(), 300'000U);
  EXPECT_THAT(result.error_output, EndsWith("200000\n"));
}

TEST(ProcessStream, FeedsAChild) {
  ProcessStream stream(shell("wc -c"), Direction::kInput, {});
  const Bytes data(1'000'000, 'x');
  EXPECT_TRUE(stream.write(data));
  EXPECT_TRUE(stream.write(data));
  const ProcessResult result = stream.finish();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.error_output, HasSubstr("2000000"));
}

TEST(ProcessStream, AChildThatStopsReadingIsNoCrash) {
  ProcessStream stream(shell("exit 5"), Direction::kInput, {});
  const Bytes data(10'000'000, 'x');
  EXPECT_FALSE(stream.write(data));
  EXPECT_EQ(stream.finish().exit_code, 5);
}

TEST(ProcessStream, AStopEndsTheChild) {
  std::stop_source stop;
  ProcessStream stream(shell("sleep 1000"), Direction::kOutput, stop.get_token());
  stop.request_stop();
  Bytes buffer(10);
  try {
    stream.read(buffer);
    FAIL() << "it ended by itself";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCancelled);
  }
  EXPECT_EQ(stream.finish().signal, 15);
}

TEST(ProcessStream, AnUnknownCommandIsNamed) {
  ProcessOptions options;
  options.argv = {"no-such-command-here"};
  EXPECT_THROW(ProcessStream(options, Direction::kOutput, {}), Error);
}

}  // namespace
}  // namespace holdfast
