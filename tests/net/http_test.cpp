#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "base/error.h"
#include "net/http_support.h"
#include "net/rate_limit.h"
#include "store/expect_error.h"
#include "store/manual_clock.h"

namespace holdfast {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

// The machine's own proxies have no part in these tests.
class NoProxies : public ::testing::Environment {
 public:
  void SetUp() override {
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                             "no_proxy", "NO_PROXY"}) {
      ::unsetenv(name);
    }
  }
};
const auto* const kNoProxies = ::testing::AddGlobalTestEnvironment(new NoProxies);

TEST(Http, ConnectionsAreUsedAgain) {
  ScriptedServer server(echo);
  HttpClient client({});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.send(get(server.url() + "/x")).status, 200);
  EXPECT_EQ(client.send(put(server.url() + "/x", "text")).status, 200);
  EXPECT_EQ(server.requests().size(), 6u);
  EXPECT_EQ(server.connections(), 1u);
}

TEST(Http, SendsTheTargetAndHeadersAsTheyAre) {
  ScriptedServer server(echo);
  HttpClient client({.user_agent = "tester"});
  HttpRequest request = get(server.url() + "/a/../b//./c%2Fd%2f?x=%20&y");
  request.headers = {{"X-One", "1"}, {"X-Empty", ""}};
  client.send(request);
  const Received received = server.requests().at(0);
  EXPECT_EQ(received.method, "GET");
  EXPECT_EQ(received.target, "/a/../b//./c%2Fd%2f?x=%20&y");
  EXPECT_THAT(received.headers,
              ElementsAre(Pair("host", server.url().substr(7)), Pair("user-agent", "tester"),
                          Pair("x-empty", ""), Pair("x-one", "1")));
}

TEST(Http, GivenHeadersReplaceItsOwn) {
  ScriptedServer server(echo);
  HttpClient client({});
  HttpRequest request = put(server.url() + "/x", "{}");
  request.headers = {
      {"Accept", "text/xml"}, {"Content-Type", "text/json"}, {"Host", "bucket.test"}};
  client.send(request);
  const Received received = server.requests().at(0);
  EXPECT_EQ(received.header("accept"), "text/xml");
  EXPECT_EQ(received.header("content-type"), "text/json");
  EXPECT_EQ(received.header("host"), "bucket.test");
}

TEST(Http, BodiesHaveTheirLengthEvenWhenEmpty) {
  ScriptedServer server(echo);
  HttpClient client({});
  for (const char* method : {"PUT", "POST"}) {
    for (const char* text : {"", "some text"}) {
      HttpRequest request = put(server.url() + "/x", text);
      request.method = method;
      EXPECT_EQ(as_text(client.send(request).body), text);
      const Received received = server.requests().back();
      EXPECT_EQ(received.method, method);
      EXPECT_EQ(received.body, text);
      EXPECT_EQ(received.header("content-length"), std::to_string(received.body.size()));
      EXPECT_EQ(received.headers.count("expect"), 0u);
      EXPECT_EQ(received.headers.count("content-type"), 0u);
      EXPECT_EQ(received.headers.count("accept"), 0u);
      EXPECT_EQ(received.headers.count("transfer-encoding"), 0u);
    }
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST(Http, DeletesAreAnsweredWithoutABody) {
  ScriptedServer server([](const Received&) { return Reply{.status = 204}; });
  HttpClient client({});
  const HttpResponse answer = client.send({.method = "DELETE", .url = server.url() + "/x"});
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.body_size, 0u);
  EXPECT_EQ(server.requests().at(0).method, "DELETE");
}

TEST(Http, HeadKnowsTheLengthWithoutABody) {
  ScriptedServer server([](const Received&) {
    return Reply{.headers = {{"Content-Length", "12345"}, {"ETag", "\"x\""}}};
  });
  HttpClient client({});
  for (int i = 0; i < 2; ++i) {
    const HttpResponse answer = client.send({.method = "HEAD", .url = server.url() + "/x"});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("content-length"), "12345");
    EXPECT_EQ(answer.header("etag"), "\"x\"");
    EXPECT_EQ(answer.body_size, 0u);
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST(Http, HeadersComeInLowerCaseWithoutBlanks) {
  ScriptedServer server([](const Received&) {
    return Reply{.status = 404, .headers = {{"X-Amz-Request-Id", "  ab:c \t"}, {"X-None", ""}}};
  });
  HttpClient client({});
  const HttpResponse answer = client.send(get(server.url() + "/x"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.header("x-amz-request-id"), "ab:c");
  EXPECT_EQ(answer.header("x-none"), "");
  EXPECT_EQ(answer.header("x-absent"), "");
  EXPECT_THAT(answer.headers, ElementsAre(Pair("x-amz-request-id", "ab:c"), Pair("x-none", ""),
                                          Pair("content-length", "0")));
}

TEST(Http, InterimAnswersArePassedOver) {
  ScriptedServer server([](const Received&) {
    return Reply{.raw =
                     "HTTP/1.1 102 Processing\r\nX-Early: 1\r\n\r\n"
                     "HTTP/1.1 200 OK\r\nX-Late: 2\r\nContent-Length: 4\r\n\r\ndone"};
  });
  HttpClient client({});
  const HttpResponse answer = client.send(get(server.url() + "/x"));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(as_text(answer.body), "done");
  EXPECT_EQ(answer.header("x-early"), "");
  EXPECT_EQ(answer.header("x-late"), "2");
}

// A changed byte in the length of a chunk makes libcurl take content for header lines behind it.
TEST(Http, DamagedChunksAreTheLinesFault) {
  ScriptedServer server([](const Received&) {
    return Reply{.close_after = true,
                 .raw =
                     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "0\r\nno header line\r\n\r\n"};
  });
  HttpClient client({});
  expect_error(Code::kUnavailable, [&] { client.send(get(server.url() + "/x")); });
}

TEST(Http, RedirectsAreAnswers) {
  ScriptedServer server([](const Received&) {
    return Reply{.status = 307, .headers = {{"Location", "http://127.0.0.1:9/elsewhere"}}};
  });
  HttpClient client({});
  const HttpResponse answer = client.send(get(server.url() + "/x"));
  EXPECT_EQ(answer.status, 307);
  EXPECT_EQ(answer.header("location"), "http://127.0.0.1:9/elsewhere");
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Http, LargeBodiesArriveAsTheyWereSent) {
  ScriptedServer server(echo);
  HttpClient client({});
  const std::string data = noise(8 << 20);
  const HttpResponse answer = client.send(put(server.url() + "/x", data));
  EXPECT_EQ(answer.body_size, data.size());
  EXPECT_TRUE(as_text(answer.body) == data);
  const Received received = server.requests().at(0);
  EXPECT_TRUE(received.body == data);
  EXPECT_EQ(received.header("expect"), "100-continue");
}

TEST(Http, ARequestCanBeSentAgain) {
  ScriptedServer server([](const Received& received) {
    return Reply{.status = received.request == 1 ? 503 : 200, .body = received.body};
  });
  HttpClient client({});
  const std::string data = noise(300'000);
  const HttpRequest request = put(server.url() + "/x", data);
  EXPECT_EQ(client.send(request).status, 503);
  EXPECT_EQ(client.send(request).status, 200);
  for (const Received& received : server.requests()) EXPECT_TRUE(received.body == data);
}

TEST(Http, BodiesOfSuccessGoWhereTheyAreWanted) {
  ScriptedServer server([](const Received& received) {
    return Reply{.status = received.target == "/range" ? 206 : 200, .body = "12345"};
  });
  HttpClient client({});
  for (const char* path : {"/range", "/whole"}) {
    Bytes room(8, std::uint8_t{'.'});
    HttpRequest request = get(server.url() + path);
    request.into = room;
    const HttpResponse answer = client.send(request);
    EXPECT_EQ(answer.body_size, 5u);
    EXPECT_TRUE(answer.body.empty());
    EXPECT_EQ(as_text(room), "12345...");
  }
}

TEST(Http, BodiesOfFailureDoNot) {
  ScriptedServer server([](const Received&) { return Reply{.status = 404, .body = "no such"}; });
  HttpClient client({});
  Bytes room(3, std::uint8_t{'.'});
  HttpRequest request = get(server.url() + "/x");
  request.into = room;
  const HttpResponse answer = client.send(request);
  EXPECT_EQ(as_text(answer.body), "no such");
  EXPECT_EQ(as_text(room), "...");
}

TEST(Http, OfALongErrorTheFirstMebibyteIsKept) {
  ScriptedServer server(
      [](const Received&) { return Reply{.status = 500, .body = std::string(3 << 20, 'e')}; });
  HttpClient client({});
  const HttpResponse answer = client.send(get(server.url() + "/x"));
  EXPECT_EQ(answer.body.size(), std::size_t{1} << 20);
  EXPECT_EQ(answer.body_size, std::uint64_t{3} << 20);
  client.send(get(server.url() + "/x"));
  EXPECT_EQ(server.connections(), 1u);
}

TEST(Http, RequestsAtOnceEachHaveAConnection) {
  constexpr int kThreads = 8;
  std::latch all_there(kThreads);
  ScriptedServer server([&](const Received& received) {
    if (received.target == "/first") all_there.arrive_and_wait();
    return echo(received);
  });
  HttpClient client({});
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const std::string data = noise(50'000, i);
        client.send(put(server.url() + "/first", data));
        for (int round = 0; round < 20; ++round) {
          EXPECT_TRUE(as_text(client.send(put(server.url() + "/more", data)).body) == data);
        }
      });
    }
  }
  EXPECT_EQ(server.requests().size(), 21u * kThreads);
  EXPECT_EQ(server.connections(), unsigned{kThreads});
}

TEST(Http, TheProxySettingIsHonoured) {
  ScriptedServer proxy([](const Received&) { return Reply{.body = "by proxy"}; });
  ::setenv("no_proxy", "*", 1);
  HttpClient client({.proxy = proxy.url()});
  const HttpResponse answer = client.send(get("http://store.invalid/a/b?c=d"));
  ::unsetenv("no_proxy");
  EXPECT_EQ(as_text(answer.body), "by proxy");
  EXPECT_EQ(proxy.requests().at(0).target, "http://store.invalid/a/b?c=d");
  EXPECT_EQ(proxy.requests().at(0).header("host"), "store.invalid");
}

TEST(Http, TheEnvironmentsProxyIsUsedWithoutASetting) {
  ScriptedServer proxy([](const Received&) { return Reply{.body = "by proxy"}; });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  HttpClient client({});
  const HttpResponse answer = client.send(get("http://store.invalid/x"));
  ::unsetenv("http_proxy");
  EXPECT_EQ(as_text(answer.body), "by proxy");
}

TEST(Http, BandwidthIsLimitedEachWay) {
  ScriptedServer server(echo);
  const std::string data = noise(4 << 20);
  for (const bool upload : {true, false}) {
    ManualClock clock{Timestamp{std::chrono::seconds{1000}}};
    const Duration start = clock.monotonic();
    const auto limit = std::make_shared<RateLimit>(clock, std::uint64_t{1} << 20);
    HttpOptions options;
    (upload ? options.upload_limit : options.download_limit) = limit;
    HttpClient client(options);
    EXPECT_TRUE(as_text(client.send(put(server.url() + "/x", data)).body) == data);
    EXPECT_EQ(std::chrono::round<std::chrono::milliseconds>(clock.monotonic() - start).count(),
              4000 - 250);
  }
}

TEST(Http, WhatIsNoWebUrlIsRefused) {
  HttpClient client({});
  for (const char* url :
       {"", "127.0.0.1/x", "ftp://127.0.0.1/x", "http://", "http://a b/", "file:///etc/passwd"}) {
    const auto error = error_of([&] { client.send(get(url)); });
    ASSERT_TRUE(error.has_value()) << url;
    EXPECT_EQ(error->code(), Code::kInvalid) << url << ": " << error->what();
    EXPECT_THAT(error->message(), Not(HasSubstr("passwd")));
  }
}

TEST(Http, HeadersCannotBeSmuggledIn) {
  ScriptedServer server(echo);
  HttpClient client({});
  HttpRequest request = get(server.url() + "/x");
  request.headers = {{"X-One", "1\r\nX-Two: 2"}};
  expect_error(Code::kInvalid, [&] { client.send(request); });
  EXPECT_TRUE(server.requests().empty());
}

}  // namespace
}  // namespace holdfast
