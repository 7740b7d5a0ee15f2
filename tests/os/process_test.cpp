#include "os/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "os/file.h"
#include "shell.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

TEST(Process, ItsComplaintIsWhatItSaidOrHowItEnded) {
  EXPECT_EQ(complaint(run_process(shell("echo no >&2; echo ' way' >&2; exit 3"))), "no way");
  EXPECT_EQ(complaint(run_process(shell("exit 3"))), "it ended with 3 and said nothing");
  EXPECT_EQ(complaint(run_process(shell("kill -9 $$"))), "signal 9 ended it");
}

Code code_of(const ProcessOptions& options) {
  try {
    run_process(options);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error was thrown";
  return Code::kInternal;
}

// A FIFO that a child holds open: reading it ends when the child and all it started are gone.
class Lifeline {
 public:
  Lifeline() {
    if (::mkfifo(path().c_str(), 0600) != 0) ADD_FAILURE() << "mkfifo failed";
    fd_ = open_file(path(), O_RDONLY | O_NONBLOCK);
  }
  std::string path() const { return directory_ / "fifo"; }
  // True when nobody holds it any more. Only to be asked once all holders have been signalled.
  bool wait_until_dropped() {
    if (::fcntl(fd_.get(), F_SETFL, 0) != 0) return false;
    Bytes buffer(1000);
    return read_full(fd_.get(), buffer, path()) < buffer.size();
  }

 private:
  TempDir directory_;
  Fd fd_;
};

TEST(Process, CapturesOutputAndExitCode) {
  const ProcessResult result = run_process(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.error_output, "err\n");
  EXPECT_FALSE(result.timed_out || result.stopped);
  EXPECT_FALSE(result.output_truncated || result.error_output_truncated);
}

TEST(Process, LooksUpCommandsInPath) {
  ProcessOptions options;
  options.argv = {"printf", "%s|", "a b", "", "$HOME", "*"};
  EXPECT_EQ(run_process(options).output, "a b||$HOME|*|");
}

TEST(Process, ReportsTheSignal) {
  const ProcessResult result = run_process(shell("kill -KILL $$"));
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_EQ(result.exit_code, 128 + SIGKILL);
}

TEST(Process, MissingCommandIsNotFound) {
  ProcessOptions options;
  options.argv = {"holdfast-no-such-command"};
  EXPECT_EQ(code_of(options), Code::kNotFound);
  options.argv = {"/no/such/command"};
  EXPECT_EQ(code_of(options), Code::kNotFound);
}

TEST(Process, MissingWorkingDirectoryIsNotFoundByName) {
  ProcessOptions options = shell("true");
  options.working_directory = "/no/such/directory";
  try {
    run_process(options);
    FAIL() << "no error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kNotFound);
    EXPECT_THAT(error.message(), HasSubstr("/no/such/directory"));
  }
}

TEST(Process, FileWithoutTheRightIsDenied) {
  const TempDir directory;
  write_file_atomic(directory / "tool", as_bytes("#!/bin/sh\n"), 0644);
  ProcessOptions options;
  options.argv = {directory / "tool"};
  EXPECT_EQ(code_of(options), Code::kDenied);
}

TEST(Process, RefusesImpossibleOptions) {
  ProcessOptions options;
  EXPECT_EQ(code_of(options), Code::kInvalid);
  options.argv = {std::string("a\0b", 3)};
  EXPECT_EQ(code_of(options), Code::kInvalid);
  options = shell("true");
  options.environment = {{"A=B", "x"}};
  EXPECT_EQ(code_of(options), Code::kInvalid);
}

TEST(Process, AddsToTheEnvironment) {
  ASSERT_EQ(::setenv("HOLDFAST_TEST_KEPT", "kept", 1), 0);
  ASSERT_EQ(::setenv("HOLDFAST_TEST_CHANGED", "old", 1), 0);
  ProcessOptions options =
      shell("echo $HOLDFAST_TEST_KEPT $HOLDFAST_TEST_CHANGED $HOLDFAST_TEST_ADDED");
  options.environment = {{"HOLDFAST_TEST_CHANGED", "new"}, {"HOLDFAST_TEST_ADDED", "a=b"}};
  EXPECT_EQ(run_process(options).output, "kept new a=b\n");
}

TEST(Process, RunsInTheWorkingDirectory) {
  const TempDir directory;
  ProcessOptions options = shell("pwd -P");
  options.working_directory = directory.path();
  EXPECT_EQ(run_process(options).output,
            std::filesystem::canonical(directory.path()).string() + "\n");
}

TEST(Process, FeedsInputLargerThanAPipe) {
  ProcessOptions options = shell("cat; echo end >&2");
  options.input = std::string(900'000, 'x') + "end";
  const ProcessResult result = run_process(options);
  EXPECT_EQ(result.output, options.input);
  EXPECT_EQ(result.error_output, "end\n");
}

TEST(Process, WithoutInputTheChildReadsNothing) {
  EXPECT_EQ(run_process(shell("cat; echo done")).output, "done\n");
}

TEST(Process, ChildThatIgnoresItsInputIsNoProblem) {
  ProcessOptions options = shell("exec 0<&-; echo closed");
  options.input = std::string(5'000'000, 'x');
  const ProcessResult result = run_process(options);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "closed\n");
}

TEST(Process, DropsOutputBeyondTheLimit) {
  const ProcessResult result =
      run_process(shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; echo >&2"));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output.size(), kProcessOutputLimit);
  EXPECT_EQ(result.error_output.size(), kProcessOutputLimit);
  EXPECT_TRUE(result.output_truncated);
  EXPECT_TRUE(result.error_output_truncated);
}

TEST(Process, OutputOfExactlyTheLimitIsWhole) {
  const ProcessResult result = run_process(shell("head -c 1048576 /dev/zero"));
  EXPECT_EQ(result.output.size(), kProcessOutputLimit);
  EXPECT_FALSE(result.output_truncated);
}

TEST(Process, TimeoutEndsTheWholeGroup) {
  Lifeline lifeline;
  ProcessOptions options = shell("exec 9>\"$0\"; sleep 1000 & sleep 1000 & echo up; wait");
  options.argv.push_back(lifeline.path());
  options.timeout = std::chrono::milliseconds{300};
  const ProcessResult result = run_process(options);
  EXPECT_TRUE(result.timed_out);
  EXPECT_FALSE(result.stopped);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_TRUE(lifeline.wait_until_dropped());
}

TEST(Process, WhatIgnoresSigtermIsKilled) {
  ProcessOptions options;
  options.argv = {"sleep", "1000"};
  options.timeout = std::chrono::milliseconds{50};
  const auto start = std::chrono::steady_clock::now();
  // The child inherits it, so that it is in force from the start.
  const auto before = std::signal(SIGTERM, SIG_IGN);
  const ProcessResult result = run_process(options);
  std::signal(SIGTERM, before);
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_GE(std::chrono::steady_clock::now() - start, seconds{5});
}

TEST(Process, SilentDescendantsAreKilledToo) {
  Lifeline lifeline;
  ProcessOptions options = shell(
      "exec 9>\"$0\"; (trap '' TERM; exec >/dev/null 2>&1 sleep 1000) & echo up; exec sleep 1000");
  options.argv.push_back(lifeline.path());
  options.timeout = std::chrono::milliseconds{300};
  EXPECT_TRUE(run_process(options).timed_out);
  EXPECT_TRUE(lifeline.wait_until_dropped());
}

TEST(Process, StopEndsTheChild) {
  const TempDir directory;
  const std::string fifo = directory / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::stop_source stop;
  Fd started;  // open until the end: the child is to be stopped, not to fail when it writes
  std::jthread stopper([&] {
    // Opening returns when the child has opened the other end, hence runs.
    started = open_file(fifo, O_RDONLY);
    stop.request_stop();
  });
  ProcessOptions options = shell("echo up > \"$0\"; exec sleep 1000");
  options.argv.push_back(fifo);
  const ProcessResult result = run_process(options, stop.get_token());
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.timed_out);
  EXPECT_NE(result.signal, 0);
}

TEST(Process, NothingIsStartedAfterAStop) {
  const TempDir directory;
  std::stop_source stop;
  stop.request_stop();
  ProcessOptions options = shell("touch \"$0\"");
  options.argv.push_back(directory / "touched");
  const ProcessResult result = run_process(options, stop.get_token());
  EXPECT_TRUE(result.stopped);
  EXPECT_NE(result.exit_code, 0);
  EXPECT_FALSE(path_exists(directory / "touched"));
}

TEST(Process, DoesNotWaitForBackgroundServices) {
  const auto start = std::chrono::steady_clock::now();
  const ProcessResult result = run_process(shell("sleep 30 & echo $!"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds{25});
  EXPECT_EQ(result.exit_code, 0);
  const pid_t service = static_cast<pid_t>(std::stoi(result.output));
  EXPECT_EQ(::kill(service, SIGKILL), 0) << "the service was ended";
}

TEST(Process, ChildHasOnlyStandardDescriptors) {
  // Without O_CLOEXEC, as a careless library would open it.
  const Fd leak(::open("/dev/null", O_RDONLY));
  ASSERT_TRUE(leak.valid());
  ProcessOptions options = shell("test ! -e /proc/self/fd/$0 && echo closed");
  options.argv.push_back(std::to_string(leak.get()));
  EXPECT_EQ(run_process(options).output, "closed\n");
}

TEST(Process, LeaksNoDescriptors) {
  const auto count = [] {
    const std::filesystem::directory_iterator descriptors("/proc/self/fd");
    return std::distance(begin(descriptors), end(descriptors));
  };
  const auto before = count();
  for (int i = 0; i < 20; ++i) run_process(shell("echo x"));
  ProcessOptions missing;
  missing.argv = {"holdfast-no-such-command"};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(code_of(missing), Code::kNotFound);
  EXPECT_EQ(count(), before);
}

TEST(Process, SignalsAreAsAFreshProgramExpects) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const ProcessResult result = run_process(shell("kill -TERM $$; echo survived"));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(result.signal, SIGTERM);
}

TEST(Process, ManyThreads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([i] {
      for (int round = 0; round < 10; ++round) {
        const std::string word = std::to_string(i) + "-" + std::to_string(round);
        ProcessOptions options = shell("cat");
        options.input = word;
        EXPECT_EQ(run_process(options).output, word);
      }
    });
  }
}

}  // namespace
}  // namespace holdfast
