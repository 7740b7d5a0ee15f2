// The lab is what the tests take it for: two regions that replicate, with the features of S3 that
// Holdfast leans on.
#include "support/lab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/bytes.h"
#include "os/clock.h"
#include "os/file.h"
#include "store/s3/client.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

S3Client client_for(const std::string& bucket, Region region) {
  return {bucket, lab_options(region), system_clock(), {}};
}

void write_text(const std::string& path, std::string_view text) {
  write_file_atomic(path, as_bytes(text));
}

S3Request put_request(const std::string& key, std::string_view text, HeaderList headers = {}) {
  S3Request request;
  request.method = "PUT";
  request.key = key;
  request.headers = std::move(headers);
  request.body = body_of(as_bytes(text));
  return request;
}

S3Request get_request(const std::string& key) {
  S3Request request;
  request.key = key;
  return request;
}

// Waits until the object is there; false after a minute.
bool arrives(S3Client& client, const std::string& key) {
  S3Request request = get_request(key);
  request.method = "HEAD";
  request.expected = {404};
  const Duration deadline = system_clock().monotonic() + seconds{60};
  while (client.send(request).http.status != 200) {
    if (system_clock().monotonic() > deadline) return false;
    system_clock().sleep_for(milliseconds{100}, {});
  }
  return true;
}

TEST(Lab, BothRegionsHaveANewBucket) {
  const std::string bucket = new_bucket();
  for (const Region region : {Region::kEast, Region::kWest}) {
    S3Client client = client_for(bucket, region);
    S3Request request;
    request.query = {{"list-type", "2"}};
    EXPECT_EQ(client.send(request).http.status, 200) << lab().url(region);
  }
}

TEST(Lab, WhatAwsPutsInTheEastArrivesInTheWest) {
  const std::string bucket = new_bucket();
  const TempDir directory;
  const std::string text(1U << 20U, 'x');
  write_text(directory / "object", text);
  const ProcessResult put = run_aws(
      Region::kEast,
      {"s3api", "put-object", "--bucket", bucket, "--key", "a/b", "--body", directory / "object"});
  ASSERT_EQ(put.exit_code, 0) << put.error_output;

  S3Client west = client_for(bucket, Region::kWest);
  ASSERT_TRUE(arrives(west, "a/b"));
  const ProcessResult get = run_aws(Region::kWest, {"s3api", "get-object", "--bucket", bucket,
                                                    "--key", "a/b", directory / "came"});
  ASSERT_EQ(get.exit_code, 0) << get.error_output;
  EXPECT_TRUE(as_text(read_file(directory / "came")) == text);
}

TEST(Lab, WaitSyncWaitsForWhatTheWestWrote) {
  const std::string bucket = new_bucket();
  S3Client west = client_for(bucket, Region::kWest);
  for (int i = 0; i < 20; ++i) west.send(put_request("object-" + std::to_string(i), "text"));
  wait_sync();
  S3Client east = client_for(bucket, Region::kEast);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(as_text(east.send(get_request("object-" + std::to_string(i))).http.body), "text");
  }
}

TEST(Lab, ARegionThatWasAwayCatchesUp) {
  const std::string bucket = new_bucket();
  RegionOutage outage(Region::kWest);
  S3Client east = client_for(bucket, Region::kEast);
  east.send(put_request("meanwhile", "text"));
  outage.end();
  S3Client west = client_for(bucket, Region::kWest);
  EXPECT_TRUE(arrives(west, "meanwhile"));
}

TEST(Lab, OnlyTheFirstConditionalPutWins) {
  S3Client east = client_for(new_bucket(), Region::kEast);
  S3Request put = put_request("once", "first", {{"if-none-match", "*"}});
  put.expected = {412};
  EXPECT_EQ(east.send(put).http.status, 200);
  put.body = body_of(as_bytes("other"));
  EXPECT_EQ(east.send(put).http.status, 412);
  EXPECT_EQ(as_text(east.send(get_request("once")).http.body), "first");
}

// Ceph 16 compares If-Match with the tag as it keeps it, without the quotes that it answers.
TEST(Lab, AReplacementWantsTheBareEtagThatIsThere) {
  S3Client east = client_for(new_bucket(), Region::kEast);
  std::string etag(east.send(put_request("lease", "first")).http.header("etag"));
  std::erase(etag, '"');
  S3Request put = put_request("lease", "second", {{"if-match", etag}});
  put.expected = {412};
  EXPECT_EQ(east.send(put).http.status, 200);
  EXPECT_EQ(east.send(put).http.status, 412);
}

// So a lock or versions cost the conditions; whoever writes there has to look first.
TEST(Lab, VersionedBucketsDoNotKnowConditions) {
  S3Client east = client_for(new_bucket(BucketKind::kVersioned), Region::kEast);
  east.send(put_request("key", "first"));
  const S3Request create = put_request("key", "second", {{"if-none-match", "*"}});
  const S3Answer created = east.send(create);
  EXPECT_EQ(created.http.status, 200);
  std::string etag(created.http.header("etag"));
  std::erase(etag, '"');
  S3Request replace = put_request("key", "third", {{"if-match", etag}});
  replace.expected = {412};
  EXPECT_EQ(east.send(replace).http.status, 412);
}

TEST(Lab, ALockedVersionCannotBeDeleted) {
  const std::string bucket = new_bucket(BucketKind::kLocked);
  const TempDir directory;
  write_text(directory / "object", "text");
  const ProcessResult put =
      run_aws(Region::kEast, {"s3api", "put-object", "--bucket", bucket, "--key", "kept", "--body",
                              directory / "object", "--object-lock-mode", "COMPLIANCE",
                              "--object-lock-retain-until-date", "2099-01-01T00:00:00Z", "--query",
                              "VersionId", "--output", "text"});
  ASSERT_EQ(put.exit_code, 0) << put.error_output;
  const std::string version = put.output.substr(0, put.output.find('\n'));
  const ProcessResult removal = run_aws(
      Region::kEast,
      {"s3api", "delete-object", "--bucket", bucket, "--key", "kept", "--version-id", version});
  EXPECT_NE(removal.exit_code, 0);
  EXPECT_THAT(removal.error_output, HasSubstr("AccessDenied"));
}

TEST(Lab, StorageClassesAreKept) {
  S3Client east = client_for(new_bucket(), Region::kEast);
  for (const std::string name : {"STANDARD_IA", "GLACIER"}) {
    east.send(put_request(name, "text", {{"x-amz-storage-class", name}}));
    S3Request head = get_request(name);
    head.method = "HEAD";
    EXPECT_EQ(east.send(head).http.header("x-amz-storage-class"), name);
  }
}

TEST(Lab, TheWriterHasNoRightsByItself) {
  const std::string bucket = new_bucket();
  S3Client writer(bucket, lab_options(Region::kEast, kLabWriter), system_clock(), {});
  S3Request put = put_request("key", "text");
  put.expected = {403};
  EXPECT_EQ(writer.send(put).http.status, 403);
}

}  // namespace
}  // namespace holdfast
