// HttpClient when there is no complete answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <optional>
#include <thread>

#include "base/error.h"
#include "net/http.h"
#include "net/http_support.h"
#include "os/clock.h"
#include "store/expect_error.h"
#include "support/loopback.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Duration kSoon = seconds{10};  // far below the default stall of 30 s

// Answers the first request with `fault` and the others well.
ScriptedServer::Handler first_suffers(const Reply& fault) {
  return [fault](const Received& received) {
    return received.request == 1 ? fault : Reply{.body = "well"};
  };
}

void expect_unavailable_then_well(const Reply& fault, const HttpOptions& options = {}) {
  ScriptedServer server(first_suffers(fault));
  HttpClient client(options);
  const HttpRequest request = get(server.url() + "/x");
  expect_error(Code::kUnavailable, [&] { client.send(request); });
  EXPECT_EQ(as_text(client.send(request).body), "well");
  EXPECT_EQ(server.connections(), 2u);
}

TEST(HttpFault, NoAnswer) { expect_unavailable_then_well({.close_before_answer = true}); }

TEST(HttpFault, ResetBeforeTheAnswer) { expect_unavailable_then_well({.reset = true}); }

TEST(HttpFault, ABodyThatIsCutIsNeverAShortAnswer) {
  for (const std::size_t after : {0u, 1u, 99'999u}) {
    for (const bool reset : {false, true}) {
      SCOPED_TRACE(std::to_string(after) + (reset ? " reset" : " closed"));
      expect_unavailable_then_well(
          {.body = std::string(100'000, 'b'), .cut_body_after = after, .reset = reset});
    }
  }
}

TEST(HttpFault, ABodyThatIsCutIsNeverAShortAnswerInto) {
  ScriptedServer server(first_suffers({.body = std::string(100, 'b'), .cut_body_after = 40}));
  HttpClient client({});
  Bytes room(100);
  HttpRequest request = get(server.url() + "/x");
  request.into = room;
  expect_error(Code::kUnavailable, [&] { client.send(request); });
}

TEST(HttpFault, ABodyLongerThanWantedIsCorrupt) {
  ScriptedServer server([](const Received&) { return Reply{.body = std::string(100'000, 'b')}; });
  HttpClient client({});
  Bytes room(99'999);
  HttpRequest request = get(server.url() + "/x");
  request.into = room;
  expect_error(Code::kCorrupt, [&] { client.send(request); });
}

TEST(HttpFault, AStallEndsTheTransfer) {
  const HttpOptions options{.stall = seconds{1}};
  expect_unavailable_then_well({.stall = true}, options);
  expect_unavailable_then_well(
      {.body = std::string(100'000, 'b'), .cut_body_after = 5000, .stall = true}, options);
}

TEST(HttpFault, ADeadlineEndsTheTransfer) {
  ScriptedServer server(first_suffers({.stall = true}));
  HttpClient client({});
  HttpRequest request = get(server.url() + "/x");
  request.deadline = milliseconds{200};
  const Duration start = system_clock().monotonic();
  expect_error(Code::kUnavailable, [&] { client.send(request); });
  EXPECT_GE(system_clock().monotonic() - start, request.deadline);
  EXPECT_LT(system_clock().monotonic() - start, kSoon);
}

TEST(HttpFault, AStopEndsAStalledTransfer) {
  std::latch sent(1);
  ScriptedServer server([&](const Received&) {
    sent.count_down();
    return Reply{.body = std::string(100'000, 'b'), .cut_body_after = 5000, .stall = true};
  });
  HttpClient client({});
  std::optional<Error> error;
  const Duration start = system_clock().monotonic();
  {
    std::jthread thread([&](std::stop_token stop) {
      error = error_of([&] { client.send(get(server.url() + "/x"), stop); });
    });
    sent.wait();
  }
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kCancelled);
  EXPECT_LT(system_clock().monotonic() - start, kSoon);
}

TEST(HttpFault, AfterAStopNothingIsSent) {
  ScriptedServer server(echo);
  HttpClient client({});
  std::stop_source stop;
  stop.request_stop();
  expect_error(Code::kCancelled, [&] { client.send(get(server.url() + "/x"), stop.get_token()); });
  EXPECT_EQ(server.connections(), 0u);
}

TEST(HttpFault, AConnectionThatWasClosedMeanwhileIsReplaced) {
  ScriptedServer server([](const Received& received) {
    return Reply{.body = received.body, .close_after = received.request == 1};
  });
  HttpClient client({});
  client.send(get(server.url() + "/x"));
  // The close may still be on its way; a read is repeated then.
  EXPECT_EQ(client.send(get(server.url() + "/x")).status, 200);
  EXPECT_EQ(server.connections(), 2u);
}

// Closes a kept connection when the second request has come over it.
Reply leave_second_unanswered(const Received& received) {
  return {.body = received.body, .close_before_answer = received.request == 2};
}

TEST(HttpFault, OnAKeptConnectionReadsAreRepeated) {
  ScriptedServer server(leave_second_unanswered);
  HttpClient client({});
  client.send(get(server.url() + "/x"));
  EXPECT_EQ(client.send(get(server.url() + "/x")).status, 200);
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST(HttpFault, OnAKeptConnectionWritesAreNot) {
  for (const char* method : {"PUT", "POST", "DELETE"}) {
    ScriptedServer server(leave_second_unanswered);
    HttpClient client({});
    client.send(get(server.url() + "/x"));
    HttpRequest request = get(server.url() + "/x");
    request.method = method;
    expect_error(Code::kUnavailable, [&] { client.send(request); });
    EXPECT_EQ(server.requests().size(), 2u);
    EXPECT_EQ(client.send(request).status, 200);
  }
}

TEST(HttpFault, AnErrorOfTheBodyIsTheErrorOfTheRequest) {
  ScriptedServer server(echo);
  HttpClient client({});
  HttpRequest request{.method = "PUT", .url = server.url() + "/x"};
  request.body.size = 100;
  request.body.read = [](std::uint64_t, MutableBytes) { throw Error(Code::kCorrupt, "bad file"); };
  const auto error = error_of([&] { client.send(request); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kCorrupt);
  EXPECT_EQ(error->message(), "bad file");
}

TEST(HttpFault, MessagesNameTheHostAndTheReasonAlone) {
  LoopbackListener listener = listen_on_loopback();
  listener.fd.reset();  // so that nobody listens
  const std::string host = "127.0.0.1:" + std::to_string(listener.port);
  HttpClient client({});
  HttpRequest request = get("http://me:hidden@" + host + "/private?signature=hidden");
  request.headers = {{"Authorization", "hidden"}};
  const auto error = error_of([&] { client.send(request); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kUnavailable);
  EXPECT_THAT(error->message(), HasSubstr("no answer from " + host + ": "));
  EXPECT_THAT(error->message(), HasSubstr("onnect"));
  for (const char* secret : {"hidden", "private", "signature"}) {
    EXPECT_THAT(error->message(), Not(HasSubstr(secret)));
  }
}

TEST(HttpFault, ANameWithoutAnAddressIsUnavailable) {
  HttpClient client({});
  expect_error(Code::kUnavailable, [&] { client.send(get("http://store.invalid/x")); });
}

TEST(HttpFault, TheVariableWithTheProxyIsNamed) {
  ::setenv("http_proxy", "http://me:hidden@127.0.0.1:9", 1);
  HttpClient client({});
  const auto error = error_of([&] { client.send(get("http://192.0.2.7/x")); });
  ::unsetenv("http_proxy");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kUnavailable);
  EXPECT_THAT(error->message(), HasSubstr("the proxy that http_proxy names"));
  EXPECT_THAT(error->hint(), HasSubstr("no_proxy"));
  EXPECT_EQ(error->message().find("hidden"), std::string::npos);
}

TEST(HttpFault, AProxySettingThatIsNoneIsNotQuoted) {
  HttpClient client({.proxy = "ftp://me:hidden@127.0.0.1:9"});
  const auto error = error_of([&] { client.send(get("http://store.invalid/x")); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kInvalid) << error->what();
  EXPECT_THAT(error->message(), Not(HasSubstr("hidden")));
}

}  // namespace
}  // namespace holdfast
