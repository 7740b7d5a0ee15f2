// HttpClient and certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "net/http.h"
#include "net/http_support.h"
#include "os/file.h"
#include "store/expect_error.h"
#include "support/certificate.h"
#include "support/loopback.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

using ::testing::HasSubstr;

class HttpTls : public ::testing::Test {
 protected:
  // The path of a file with the certificate.
  std::string file_of(const TestCertificate& certificate) {
    const std::string path = directory_ / "ca.pem";
    write_file_atomic(path, as_bytes(certificate.certificate));
    return path;
  }

  const TestCertificate certificate_ = make_test_certificate();
  ScriptedServer server_{echo, certificate_};
  TempDir directory_;
};

TEST_F(HttpTls, TheRightAuthorityIsTrusted) {
  HttpClient client({.ca_file = file_of(certificate_)});
  const std::string data = noise(8 << 20);
  for (int i = 0; i < 2; ++i) {
    const HttpResponse answer = client.send(put(server_.url() + "/x", data));
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(as_text(answer.body) == data);
  }
  EXPECT_EQ(server_.connections(), 1u);
}

TEST_F(HttpTls, AnotherAuthorityIsNot) {
  const std::string other = file_of(make_test_certificate());
  for (const std::string& ca_file : {other, std::string()}) {
    HttpClient client({.ca_file = ca_file});
    const auto error = error_of([&] { client.send(get(server_.url() + "/x")); });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code(), Code::kDenied) << error->what();
    EXPECT_THAT(error->message(), HasSubstr("certificate"));
    EXPECT_THAT(error->hint(), HasSubstr("ca_file"));
    EXPECT_THAT(error->hint(), HasSubstr("AWS_CA_BUNDLE"));
  }
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(HttpTls, TheNameMustBeTheCertificates) {
  const TestCertificate elsewhere = make_test_certificate("DNS:elsewhere.test");
  ScriptedServer server(echo, elsewhere);
  HttpClient client({.ca_file = file_of(elsewhere)});
  expect_error(Code::kDenied, [&] { client.send(get(server.url() + "/x")); });
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(HttpTls, WithoutVerificationAllAreTrusted) {
  HttpClient client({.verify_tls = false});
  EXPECT_EQ(client.send(get(server_.url() + "/x")).status, 200);
}

// Nothing that would pass: nobody should be made to wait for it.
TEST_F(HttpTls, APortWithoutTlsIsABadSetting) {
  const LoopbackListener plain = listen_on_loopback();
  // As web servers answer to what they do not understand.
  std::jthread server([&] {
    const Fd peer(::accept(plain.fd.get(), nullptr, nullptr));
    std::array<char, 4096> hello{};
    EXPECT_GT(::recv(peer.get(), hello.data(), hello.size(), 0), 0);
    constexpr std::string_view kAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    EXPECT_GT(::send(peer.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL), 0);
  });
  HttpClient client({});
  const std::string url = "https://127.0.0.1:" + std::to_string(plain.port) + "/x";
  const auto error = error_of([&] { client.send(get(url)); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kInvalid) << error->what();
  EXPECT_THAT(error->hint(), HasSubstr("http://"));
}

TEST_F(HttpTls, AMissingFileIsABadSetting) {
  HttpClient client({.ca_file = directory_ / "absent.pem"});
  const auto error = error_of([&] { client.send(get(server_.url() + "/x")); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Code::kInvalid) << error->what();
  EXPECT_THAT(error->hint(), HasSubstr("ca_file"));
}

}  // namespace
}  // namespace holdfast
