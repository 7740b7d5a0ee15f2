#include "os/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

namespace holdfast {
namespace {

// Generous; only reached when the test fails.
constexpr std::chrono::seconds kPatience{60};

bool stops(const std::stop_token& token) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, token, kPatience, [] { return false; });
  return token.stop_requested();
}

bool is_blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

class SignalStopOn : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Signals, SignalStopOn, ::testing::Values(SIGINT, SIGTERM));

TEST_P(SignalStopOn, RequestsAStop) {
  SignalStop signals;
  EXPECT_FALSE(signals.signalled());
  EXPECT_FALSE(signals.token().stop_requested());
  ASSERT_EQ(::kill(::getpid(), GetParam()), 0);
  EXPECT_TRUE(stops(signals.token()));
  EXPECT_TRUE(signals.signalled());
}

TEST_P(SignalStopOn, ThreadsStartedLaterAreNotDisturbed) {
  SignalStop signals;
  std::jthread thread([&] { EXPECT_TRUE(is_blocked(GetParam())); });
}

TEST_P(SignalStopOn, RestoresTheMask) {
  const bool before = is_blocked(GetParam());
  {
    SignalStop signals;
    EXPECT_TRUE(is_blocked(GetParam()));
  }
  EXPECT_EQ(is_blocked(GetParam()), before);
}

TEST_P(SignalStopOn, EndsTheProcessAsUsualAfterwards) {
  EXPECT_EXIT(
      {
        { SignalStop signals; }
        ::raise(GetParam());
        ::_exit(0);
      },
      ::testing::KilledBySignal(GetParam()), "");
}

TEST_P(SignalStopOn, SecondSignalExitsAtOnce) {
  EXPECT_EXIT(
      {
        SignalStop signals;
        ::kill(::getpid(), GetParam());
        if (!stops(signals.token())) ::_exit(1);
        ::kill(::getpid(), SIGINT);
        stops(std::stop_source().get_token());
        ::_exit(2);
      },
      ::testing::ExitedWithCode(130), "");
}

TEST_P(SignalStopOn, IgnoredSignalsStayIgnored) {
  EXPECT_EXIT(
      {
        std::signal(GetParam(), SIG_IGN);
        SignalStop signals;
        ::raise(GetParam());
        const int other = GetParam() == SIGINT ? SIGTERM : SIGINT;
        ::kill(::getpid(), other);
        // Were the first not ignored, the second would end the process.
        ::_exit(stops(signals.token()) ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(SignalStop, WithoutSignalsNothingStops) {
  std::stop_token token;
  {
    SignalStop signals;
    token = signals.token();
  }
  EXPECT_FALSE(token.stop_requested());
}

TEST(IgnoreSigpipe, WritingToAClosedPipeIsAnError) {
  EXPECT_EXIT(
      {
        ignore_sigpipe();
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(1);
        ::close(ends[0]);
        const bool failed = ::write(ends[1], "x", 1) < 0 && errno == EPIPE;
        ::_exit(failed ? 0 : 2);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace holdfast
