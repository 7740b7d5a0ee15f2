// How the program gets to Ceph: over TLS with a certificate of the lab's own authority, in both
// styles of addresses, through proxies, and no faster than it is allowed to; and what Ceph encrypts
// by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>

#include "cli/support.h"
#include "lab/connect_proxy.h"
#include "lab/relay.h"
#include "lab/tenants.h"
#include "protect/snapshot.h"
#include "store/s3/client.h"

namespace holdfast::test {
namespace {

using testing::HasSubstr;

class LabTransport : public testing::Test {
 protected:
  LabTransport() {
    lab();
    for (int i = 0; i < 5; ++i) shop_.write("data/" + std::to_string(i), std::string(300'000, 'x'));
  }

  // As the lab's owner by TLS at `host`; `more` are further fields of the store.
  void configure(const std::string& host, const std::string& more) const {
    configure_endpoint("https://" + host + ":" + lab().tls_port, more);
  }
  void configure_endpoint(const std::string& endpoint, const std::string& more) const {
    shop_.write_config("vault: s3://" + bucket_ + "/vault\nkey_file: " + (shop_ / "key") +
                       "\nstores:\n  - {url: 's3://', endpoint: '" + endpoint +
                       "', region: us-east-1, profile: operator, retry_for: 1s" + more + "}\n");
  }
  static std::string ca() { return ", ca_file: '" + lab().tls_ca_file + "'"; }
  Outcome run(int code, std::vector<std::string> words,
              const std::map<std::string, std::string>& more = {}) const {
    std::map<std::string, std::string> environment = profile_environment();
    environment["AWS_CA_BUNDLE"] = "";
    environment["no_proxy"] = "127.0.0.1,localhost";
    for (const auto& [name, value] : more) environment[name] = value;
    Outcome outcome = shop_.run(std::move(words), environment);
    EXPECT_EQ(outcome.code, code) << outcome.out << outcome.err;
    return outcome;
  }
  void expect_round_trip() const {
    run(0, {"backup", "files", shop_ / "data"});
    run(0, {"restore", "latest", "--target", shop_ / "back"});
    EXPECT_EQ(difference(take_snapshot(shop_ / "data"),
                         take_snapshot((shop_ / "back") + (shop_ / "data"))),
              "");
  }
  // A header of every object of the vault.
  std::set<std::string> headers(const std::string& name) const {
    S3Store store("s3://" + bucket_ + "/vault", lab_options(Region::kEast), system_clock());
    std::set<std::string> values;
    for (const ObjectInfo& object : list_objects(store, "")) {
      S3Request request;
      request.method = "HEAD";
      request.key = "vault/" + object.key;
      values.insert(std::string(store.client().send(request).http.header(name)));
    }
    return values;
  }

  const std::string bucket_ = new_bucket();
  const Workshop shop_;
};

TEST_F(LabTransport, AnAuthorityOfOnesOwnIsTrustedWhenItIsNamed) {
  configure("127.0.0.1", "");
  const Outcome unknown = run(7, {"init"});
  EXPECT_THAT(unknown.err, HasSubstr("certificate"));
  EXPECT_THAT(unknown.err, HasSubstr("ca_file"));
  run(0, {"init"}, {{"AWS_CA_BUNDLE", lab().tls_ca_file}});
  configure("127.0.0.1", ca());
  expect_round_trip();
}

TEST_F(LabTransport, BucketsAreHostsInVirtualStyle) {
  // The certificate is for hosts below s3.localhost alone: so the bucket is in the host's name.
  configure("localhost", ca() + ", addressing: virtual");
  EXPECT_THAT(run(7, {"init"}).err, HasSubstr("certificate"));
  configure("s3.localhost", ca() + ", addressing: virtual");
  run(0, {"init"});
  expect_round_trip();
}

TEST_F(LabTransport, TheStoreEncryptsWithTheKeyThatIsNamed) {
  configure("127.0.0.1", ca() + ", encryption: sse-kms, kms_key: lab-key");
  run(0, {"init"});
  expect_round_trip();
  EXPECT_THAT(headers("x-amz-server-side-encryption"), testing::ElementsAre("aws:kms"));
  EXPECT_THAT(headers("x-amz-server-side-encryption-aws-kms-key-id"),
              testing::ElementsAre("lab-key"));
}

// Ceph 16 has no keys of its own, and answers 200 all the same.
TEST_F(LabTransport, AnEncryptionThatTheStoreIgnoresIsFoundByTheCheck) {
  configure("127.0.0.1", ca() + ", encryption: sse-s3");
  const Outcome check = run(11, {"store", "check", "s3://" + bucket_});
  EXPECT_THAT(check.out, HasSubstr("the store does not say that the object is encrypted"));
}

// Nobody listens there, and the proxy knows better.
TEST_F(LabTransport, AnHttpProxyIsAskedForEverything) {
  Relay proxy(lab().east_url, lab().ca_file);
  configure_endpoint("http://s3.localhost:1", ", proxy: '" + proxy.url() + "'");
  run(0, {"init"});
  expect_round_trip();
  EXPECT_GT(proxy.passed().size(), 10u);
  configure_endpoint("http://s3.localhost:1", "");
  run(8, {"list"});
  // The environment's is used, too, but for hosts that are named there.
  run(0, {"list"}, {{"http_proxy", proxy.url()}, {"no_proxy", ""}});
  run(8, {"list"}, {{"http_proxy", proxy.url()}, {"no_proxy", "s3.localhost"}});
}

TEST_F(LabTransport, TlsGoesThroughTheProxysTunnelUnseen) {
  const ConnectProxy proxy;
  configure("s3.localhost", ca() + ", addressing: virtual, proxy: '" + proxy.url() + "'");
  run(0, {"init"});
  expect_round_trip();
  const std::vector<std::string> asked = proxy.asked_for();
  EXPECT_THAT(asked, testing::Each(bucket_ + ".s3.localhost:" + lab().tls_port));
  EXPECT_THAT(asked, testing::Not(testing::IsEmpty()));
}

TEST_F(LabTransport, BackupAndRestoreAreNoFasterThanTheyMayBe) {
  std::mt19937_64 random(5);
  std::string noise(3 << 20, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  shop_.write("data/noise", noise);
  const std::string ca = lab().ca_file.empty() ? "" : ", ca_file: '" + lab().ca_file + "'";
  configure_endpoint(lab().east_url, ca);
  run(0, {"init"});
  const auto seconds_of = [&](const std::vector<std::string>& words) {
    const Duration begin = system_clock().monotonic();
    run(0, words);
    return std::chrono::duration<double>(system_clock().monotonic() - begin).count();
  };
  // 3 MiB, of which a quarter of a second's may come at once.
  configure_endpoint(lab().east_url, ca + ", limit_upload: 1MiB");
  EXPECT_GT(seconds_of({"backup", "files", shop_ / "data"}), 2.7);
  configure_endpoint(lab().east_url, ca + ", limit_download: 1MiB");
  EXPECT_GT(seconds_of({"restore", "latest", "--target", shop_ / "back"}), 2.7);
  EXPECT_EQ(
      difference(take_snapshot(shop_ / "data"), take_snapshot((shop_ / "back") + (shop_ / "data"))),
      "");
}

}  // namespace
}  // namespace holdfast::test
