// The section 'stores', and what copies say of their place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "settings/settings.h"
#include "test_support.h"

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

Settings parse_stores(const std::string& text) { return parse_settings(text, "f.yaml"); }

constexpr const char* kFullStores = R"(stores:
  - url: s3://backups/
    endpoint: https://ceph.example.com:7480/
    region: eu-central-1
    addressing: virtual
    profile: ${HOLDFAST_TEST_PROFILE}
    ca_file: ~/lab.pem
    proxy: http://user:secret@proxy:3128
    storage_class: STANDARD_IA
    encryption: sse-kms
    kms_key: arn:aws:kms:eu-central-1:111122223333:key/1234
    checksum: crc32
    object_lock: {mode: compliance, period: 30d}
    conditional_writes: emulated
    limit_upload: 20MiB
    limit_download: 1.5G
    connections: 4
    request_timeout: 90s
    retry_for: 1h
)";

class StoresTest : public testing::Test {
 protected:
  ScopedVariable home_{"HOME", "/home/me"};
  ScopedVariable profile_{"HOLDFAST_TEST_PROFILE", "backup"};
};

TEST_F(StoresTest, ReadsEverything) {
  const Settings settings = parse_stores(kFullStores);
  ASSERT_EQ(settings.stores.size(), 1U);
  EXPECT_EQ(settings.stores[0].url, "s3://backups");
  const S3Options& s3 = settings.stores[0].s3;
  EXPECT_EQ(s3.endpoint, "https://ceph.example.com:7480");
  EXPECT_EQ(s3.region, "eu-central-1");
  EXPECT_EQ(s3.addressing, S3Addressing::kVirtual);
  EXPECT_EQ(s3.profile, "backup");
  EXPECT_EQ(s3.ca_file, "/home/me/lab.pem");
  EXPECT_EQ(s3.proxy, "http://user:secret@proxy:3128");
  EXPECT_EQ(s3.storage_class, "STANDARD_IA");
  EXPECT_EQ(s3.encryption, S3Encryption::kSseKms);
  EXPECT_EQ(s3.kms_key, "arn:aws:kms:eu-central-1:111122223333:key/1234");
  EXPECT_EQ(s3.checksum, S3Checksum::kCrc32);
  EXPECT_TRUE(s3.emulate_conditions);
  EXPECT_EQ(s3.lock, LockMode::kCompliance);
  EXPECT_EQ(s3.lock_period, Duration{days{30}});
  EXPECT_EQ(s3.upload_limit, 20U << 20U);
  EXPECT_EQ(s3.download_limit, 3U << 29U);
  EXPECT_EQ(s3.connections, 4U);
  EXPECT_EQ(s3.request_timeout, Duration{seconds{90}});
  EXPECT_EQ(s3.retry_for, Duration{minutes{60}});
}

TEST_F(StoresTest, EveryWordHasItsMeaning) {
  const auto s3 = [](const std::string& line) {
    return parse_stores("stores: [{url: 's3://', " + line + "}]").stores.at(0).s3;
  };
  EXPECT_EQ(s3("addressing: auto").addressing, S3Addressing::kAuto);
  EXPECT_EQ(s3("addressing: path").addressing, S3Addressing::kPath);
  EXPECT_EQ(s3("encryption: none").encryption, S3Encryption::kNone);
  EXPECT_EQ(s3("encryption: sse-s3").encryption, S3Encryption::kSseS3);
  EXPECT_EQ(s3("checksum: sha256").checksum, S3Checksum::kSha256);
  EXPECT_EQ(s3("checksum: md5").checksum, S3Checksum::kMd5);
  EXPECT_EQ(s3("checksum: none").checksum, S3Checksum::kNone);
  EXPECT_FALSE(s3("conditional_writes: required").emulate_conditions);
  EXPECT_EQ(s3("object_lock: {mode: governance, period: 36h}").lock, LockMode::kGovernance);
}

TEST_F(StoresTest, WhatIsNotSetStaysAtItsDefault) {
  const S3Options defaults;
  const S3Options s3 = parse_stores("stores: [{url: s3://b}]").stores.at(0).s3;
  EXPECT_EQ(s3.endpoint, "");
  EXPECT_EQ(s3.addressing, defaults.addressing);
  EXPECT_EQ(s3.checksum, defaults.checksum);
  EXPECT_EQ(s3.lock, LockMode::kNone);
  EXPECT_EQ(s3.upload_limit, 0U);
  EXPECT_EQ(s3.connections, defaults.connections);
  EXPECT_EQ(s3.request_timeout, defaults.request_timeout);
  EXPECT_EQ(s3.retry_for, defaults.retry_for);
  EXPECT_TRUE(parse_stores("vault: s3://b/p").stores.empty());
}

TEST_F(StoresTest, TheLongestUrlWins) {
  const Settings settings = parse_stores(
      "stores:\n"
      "  - {url: s3://backups/eu/north, region: north}\n"
      "  - {url: 's3://', region: all}\n"
      "  - {url: s3://backups, region: bucket}\n"
      "  - {url: s3://backups/eu/, region: eu}\n");
  const auto region = [&](const std::string& url) { return s3_options_for(settings, url).region; };
  EXPECT_EQ(region("s3://backups"), "bucket");
  EXPECT_EQ(region("s3://backups/"), "bucket");
  EXPECT_EQ(region("s3://backups/eu"), "eu");
  EXPECT_EQ(region("s3://backups/eu/"), "eu");
  EXPECT_EQ(region("s3://backups/eu/north/vault"), "north");
  EXPECT_EQ(region("s3://backups/eu/northern"), "eu") << "only whole parts match";
  EXPECT_EQ(region("s3://backups/europe"), "bucket");
  EXPECT_EQ(region("s3://backups2"), "all");
  EXPECT_EQ(region("file:///srv/vault"), "");
}

TEST_F(StoresTest, WithoutAMatchTheDefaultsHold) {
  const Settings settings = parse_stores("stores: [{url: s3://a, connections: 3, region: x}]");
  EXPECT_EQ(s3_options_for(settings, "s3://b").connections, S3Options{}.connections);
  EXPECT_EQ(s3_options_for(settings, "s3://b").region, "");
  EXPECT_EQ(s3_options_for(Settings{}, "s3://b").connections, S3Options{}.connections);
}

struct BadStore {
  const char* text;
  const char* message;
  const char* hint;  // a part of it
};

constexpr BadStore kBadStores[] = {
    {"stores:\n  - {url: s3://b, regoin: x}\n", "f.yaml:2: unknown key 'regoin' in store 's3://b'",
     "did you mean 'region'?"},
    {"stores:\n  - region: x\n", "f.yaml:2: missing key 'url' in store number 1", "s3://BUCKET"},
    {"stores:\n  - {url: s3://b, region: x, region: y}\n", "f.yaml:2: duplicate key 'region'",
     "once"},
    {"stores:\n  - url: s3://b\n  - url: s3://b/\n", "f.yaml:3: a second store 's3://b'",
     "one entry"},
    {"stores:\n  - url: b\n", "f.yaml:2: 'url' in store 'b': 'b' is not the address of an S3 store",
     "s3://BUCKET/PREFIX"},
    {"stores:\n  - url: s3://b\n    endpoint: ceph:7480\n",
     "f.yaml:3: 'endpoint' in store 's3://b': does not start with https:// or http://",
     "https://HOST:PORT"},
    {"stores:\n  - url: s3://b\n    endpoint: https://ceph/bucket\n",
     "f.yaml:3: 'endpoint' in store 's3://b': has more than a host and a port", "'url'"},
    {"stores:\n  - url: s3://b\n    endpoint: https://ceph:70000\n",
     "f.yaml:3: 'endpoint' in store 's3://b': does not name a host and a port", "https://HOST"},
    {"stores:\n  - url: s3://b\n    addressing: virtul\n",
     "f.yaml:3: 'addressing' in store 's3://b': 'virtul' is not allowed here",
     "did you mean 'virtual'?"},
    {"stores:\n  - url: s3://b\n    checksum: adler\n",
     "f.yaml:3: 'checksum' in store 's3://b': 'adler' is not allowed here",
     "the allowed values are sha256, md5, crc32, none"},
    {"stores:\n  - url: s3://b\n    endpoint: http://ceph\n    checksum: none\n",
     "f.yaml:4: 'checksum' in store 's3://b': over http:// nothing else would notice a changed "
     "byte",
     "https://"},
    {"stores:\n  - url: s3://b\n    encryption: sse-s3\n    kms_key: k\n",
     "f.yaml:4: 'kms_key' in store 's3://b': only with 'encryption: sse-kms'", "add that line"},
    {"stores:\n  - url: s3://b\n    object_lock: {period: 30d}\n",
     "f.yaml:3: missing key 'mode' in 'object_lock' in store 's3://b'", "governance"},
    {"stores:\n  - url: s3://b\n    object_lock: {mode: governance, period: 23h}\n",
     "f.yaml:3: 'period' in 'object_lock' in store 's3://b': '23h' is not from 1d to 100y", ""},
    {"stores:\n  - url: s3://b\n    object_lock: {mode: governance, period: 101y}\n",
     "f.yaml:3: 'period' in 'object_lock' in store 's3://b': '101y' is not from 1d to 100y", ""},
    {"stores:\n  - url: s3://b\n    limit_upload: 20MiBs\n",
     "f.yaml:3: 'limit_upload' in store 's3://b': '20MiBs' is not a size", "64M"},
    {"stores:\n  - url: s3://b\n    limit_download: '20'\n",
     "f.yaml:3: 'limit_download' in store 's3://b': '20' is less than 1.0 KiB a second", "20MiB"},
    {"stores:\n  - url: s3://b\n    connections: 1000\n",
     "f.yaml:3: 'connections' in store 's3://b': '1000' is not a whole number from 1 to 256", ""},
    {"stores:\n  - url: s3://b\n    request_timeout: 500ms\n",
     "f.yaml:3: 'request_timeout' in store 's3://b': '500ms' is not from 1s to 1h", ""},
    {"stores:\n  - url: s3://b\n    retry_for: 2d\n",
     "f.yaml:3: 'retry_for' in store 's3://b': '2d' is not from 1s to 1d", ""},
    {"stores:\n  - url: s3://b\n    retry_for: soon\n",
     "f.yaml:3: 'retry_for' in store 's3://b': 'soon' is not a duration", "90d"},
    {"stores:\n  - url: s3://b\n    region: EU West\n",
     "f.yaml:3: 'region' in store 's3://b': 'EU West' is not the name of a region", "eu-central-1"},
    {"stores:\n  - url: s3://b\n    storage_class: A B\n",
     "f.yaml:3: 'storage_class' in store 's3://b': 'A B' is not a storage class", "STANDARD_IA"},
    {"stores:\n  - url: s3://b\n    ca_file: lab.pem\n",
     "f.yaml:3: 'ca_file' in store 's3://b': 'lab.pem' is not an absolute path", "~/"},
    {"copies:\n  - name: a\n    url: s3://b\n    replicated_by: amazon\n",
     "f.yaml:4: 'replicated_by' in 'copies': 'amazon' is not allowed here",
     "the allowed values are holdfast, provider"},
};

TEST_F(StoresTest, ErrorsNameFileLineAndRemedy) {
  for (const BadStore& bad : kBadStores) {
    const auto error = error_of([&] { parse_stores(bad.text); });
    ASSERT_TRUE(error) << bad.text;
    EXPECT_EQ(error->code(), Code::kInvalid) << bad.text;
    EXPECT_EQ(error->message(), bad.message) << bad.text;
    EXPECT_THAT(error->hint(), HasSubstr(bad.hint)) << bad.text;
  }
}

TEST_F(StoresTest, PasswordsAreInNoMessage) {
  for (const char* line : {"endpoint: https://me:hunter2@ceph", "endpoint: me:hunter2@ceph",
                           "proxy: me:hunter2@proxy:3128", "proxy: http://me:hunter2@proxy/x"}) {
    const auto error =
        error_of([&] { parse_stores(std::string("stores: [{url: s3://b, ") + line + "}]"); });
    ASSERT_TRUE(error) << line;
    EXPECT_THAT(error->message() + error->hint(), Not(HasSubstr("hunter2"))) << line;
  }
}

TEST_F(StoresTest, CopiesSayWhoFillsThemAndWhere) {
  const Settings settings = parse_stores(
      "vault: s3://backups/vault\n"
      "copies:\n"
      "  - {name: plain, url: s3://offsite}\n"
      "  - {name: own, url: s3://west/vault, replicated_by: holdfast, region: eu-west-1}\n"
      "  - {name: theirs, url: s3://west2/vault, replicated_by: provider, region: Frankfurt}\n");
  EXPECT_EQ(settings.vault, "s3://backups/vault");
  ASSERT_EQ(settings.copies.size(), 3U);
  EXPECT_FALSE(settings.copies[0].provider_replicates);
  EXPECT_EQ(settings.copies[0].region, "");
  EXPECT_FALSE(settings.copies[1].provider_replicates);
  EXPECT_EQ(settings.copies[1].region, "eu-west-1");
  EXPECT_TRUE(settings.copies[2].provider_replicates);
  EXPECT_EQ(settings.copies[2].region, "Frankfurt");
}

TEST_F(StoresTest, ACopyMayBeTheSameBucketAtAnotherEndpoint) {
  const Settings settings = parse_stores(
      "vault: s3://backups/vault\n"
      "copies:\n"
      "  - {name: west, url: s3://backups/vault, endpoint: 'https://west:7481', profile: dr}\n");
  EXPECT_EQ(settings.copies[0].endpoint, "https://west:7481");
  EXPECT_EQ(settings.copies[0].profile, "dr");
  EXPECT_TRUE(error_of([&] {
    parse_stores(
        "vault: s3://backups\ncopies:\n  - {name: west, url: s3://backups, profile: dr}\n");
  }));
}

}  // namespace
}  // namespace holdfast
