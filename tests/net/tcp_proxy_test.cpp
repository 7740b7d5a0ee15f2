#include "support/tcp_proxy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/error.h"
#include "net/http.h"
#include "net/http_support.h"
#include "os/clock.h"
#include "store/expect_error.h"
#include "support/loopback.h"
#include "support/tcp_flow.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TcpProxyTest : public ::testing::Test {
 protected:
  std::string echoed(std::string_view data) {
    return std::string(as_text(client_.send(put(url_, data)).body));
  }

  ScriptedServer server_{echo};
  TcpProxy proxy_{"127.0.0.1", server_.port()};
  const std::string url_ = proxy_.url() + "/x";
  HttpClient client_{{}};
};

TEST_F(TcpProxyTest, ForwardsWhatItGets) {
  const std::string data = noise(8 << 20);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(echoed(data) == data);
  const TcpProxy::Counters counters = proxy_.counters();
  EXPECT_EQ(counters.connections, 1u);
  EXPECT_GT(counters.from_client, 3 * data.size());
  EXPECT_GT(counters.from_server, 3 * data.size());
  EXPECT_EQ(counters.cut + counters.corrupted + counters.refused, 0u);
}

TEST_F(TcpProxyTest, ForwardsManyConnectionsAtOnce) {
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < 16; ++i) {
    threads.emplace_back([this, i] {
      const std::string data = noise(1 << 20, i);
      for (int round = 0; round < 4; ++round) EXPECT_TRUE(echoed(data) == data);
    });
  }
  threads.clear();
  EXPECT_LE(proxy_.counters().connections, 16u);
}

TEST_F(TcpProxyTest, DelaysWhatTheClientSends) {
  proxy_.delay(milliseconds{100});
  const Duration start = system_clock().monotonic();
  EXPECT_EQ(echoed("text"), "text");
  EXPECT_GE(system_clock().monotonic() - start, milliseconds{100});
  proxy_.delay({});
  EXPECT_EQ(echoed("text"), "text");
}

TEST_F(TcpProxyTest, ADelayDoesNotHoldTheSenderBack) {
  proxy_.delay(std::chrono::hours{1});
  const std::string data = noise(1 << 20);  // many pieces, and not so long as to be announced
  std::jthread thread([&] { expect_error(Code::kUnavailable, [&] { echoed(data); }); });
  while (proxy_.counters().from_client <= data.size()) std::this_thread::yield();
  EXPECT_TRUE(server_.requests().empty());
  proxy_.close_all();
}

TEST_F(TcpProxyTest, CutsAsOftenAsAsked) {
  const std::string data = noise(100'000);
  proxy_.cut_after(5000, 2);
  for (int i = 0; i < 2; ++i) expect_error(Code::kUnavailable, [&] { echoed(data); });
  EXPECT_TRUE(echoed(data) == data);
  EXPECT_EQ(proxy_.counters().cut, 2u);
  const std::string head = "HTTP/1.1 200 Scripted\r\nContent-Length: 100000\r\n\r\n";
  const std::uint64_t all = 2 * 5000 + head.size() + data.size();
  EXPECT_EQ(proxy_.counters().from_server, all);
}

TEST_F(TcpProxyTest, CutsOpenConnectionsUntilToldNotTo) {
  EXPECT_EQ(echoed("text"), "text");
  proxy_.cut_after(0);
  for (int i = 0; i < 3; ++i) expect_error(Code::kUnavailable, [&] { echoed("text"); });
  proxy_.cut_after(std::nullopt);
  EXPECT_EQ(echoed("text"), "text");
}

TEST_F(TcpProxyTest, CorruptsBodiesOnly) {
  const std::string data = noise(100'000);
  proxy_.corrupt_every(1000);
  for (int i = 0; i < 3; ++i) {
    HttpResponse answer = client_.send(put(url_, data));
    EXPECT_EQ(answer.status, 200);
    ASSERT_EQ(answer.body.size(), data.size());
    std::size_t damaged = 0;
    for (std::size_t at = 0; at < data.size(); ++at) {
      const auto difference = answer.body[at] ^ static_cast<std::uint8_t>(data[at]);
      if (difference == 0) continue;
      EXPECT_EQ(at % 1000, 999u);
      ++damaged;
    }
    EXPECT_EQ(damaged, 100u);
  }
  EXPECT_EQ(proxy_.counters().corrupted, 300u);
  proxy_.corrupt_every(0);
  EXPECT_TRUE(echoed(data) == data);
}

TEST_F(TcpProxyTest, RefusesNewConnections) {
  proxy_.refuse(true);
  expect_error(Code::kUnavailable, [&] { echoed("text"); });
  EXPECT_TRUE(server_.requests().empty());
  EXPECT_EQ(proxy_.counters().refused, 1u);
  proxy_.refuse(false);
  EXPECT_EQ(echoed("text"), "text");
}

TEST_F(TcpProxyTest, ClosesOpenConnections) {
  EXPECT_EQ(client_.send(get(url_)).status, 200);
  proxy_.close_all();
  // On the old connection a read is repeated.
  EXPECT_EQ(client_.send(get(url_)).status, 200);
  EXPECT_EQ(proxy_.counters().connections, 2u);
}

TEST_F(TcpProxyTest, ClosesTheClientsSideWhenTheServerIsDown) {
  LoopbackListener listener = listen_on_loopback();
  listener.fd.reset();
  TcpProxy proxy("localhost", listener.port);
  expect_error(Code::kUnavailable, [&] { client_.send(get(proxy.url() + "/x")); });
}

TEST(TcpFlowTest, SendsWhatIsDueInOrder) {
  int in[2];
  int out[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, in), 0);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out), 0);
  const Fd sender(in[0]);
  const Fd from(in[1]);
  const Fd to(out[0]);
  const Fd receiver(out[1]);
  const auto received = [&] {
    std::string text(100, '\0');
    text.resize(static_cast<std::size_t>(
        std::max<ssize_t>(::recv(receiver.get(), text.data(), text.size(), 0), 0)));
    return text;
  };
  TcpFlow flow(from.get(), to.get());
  flow.push(as_bytes("one "), seconds{0}, seconds{0});
  EXPECT_EQ(received(), "");  // the connection does not stand
  flow.open();
  flow.push(as_bytes("two "), seconds{5}, seconds{0});
  flow.push(as_bytes("three "), seconds{6}, seconds{1});
  flow.push(as_bytes("four "), seconds{9}, seconds{4});
  flow.flush(seconds{4});
  EXPECT_EQ(received(), "one ");
  EXPECT_EQ(flow.due(), seconds{5});
  flow.flush(seconds{6});
  EXPECT_EQ(received(), "two three ");
  flow.flush(seconds{9});
  EXPECT_EQ(received(), "four ");
  EXPECT_TRUE(flow.empty());
  EXPECT_FALSE(flow.due().has_value());
}

TEST(TcpProxyAddress, MustExist) {
  expect_error(Code::kUnavailable, [] { TcpProxy("store.invalid", 80); });
}

TEST(TcpProxyEnd, ClosesWhatIsOpen) {
  ScriptedServer server([](const Received&) { return Reply{.stall = true}; });
  HttpClient client({});
  auto proxy = std::make_unique<TcpProxy>("127.0.0.1", server.port());
  const std::string url = proxy->url() + "/x";
  std::jthread thread(
      [&] { expect_error(Code::kUnavailable, [&] { client.send(put(url, "text")); }); });
  while (server.requests().empty()) std::this_thread::yield();
  proxy.reset();
}

}  // namespace
}  // namespace holdfast
