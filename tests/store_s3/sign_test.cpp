#include "store/s3/sign.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

const std::string kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// "name: value" pairs and what comes out, as in AWS's Signature Version 4 test suite.
struct SuiteCase {
  std::string name;
  std::string method;
  std::string path;
  QueryParameters query;
  HeaderList headers;  // beside host and x-amz-date
  std::string signed_headers;
  std::string signature;
  bool encode_path_twice = false;
  std::string payload_hash = kEmptyHash;
};

const std::string kUnreserved =
    "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const std::string kVanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
const std::string kFormHash = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
const std::string kToken =
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"
    "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
    "Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8F"
    "DrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

std::vector<SuiteCase> suite() {
  return {
      {"get-vanilla", "GET", "/", {}, {}, "host;x-amz-date", kVanilla},
      {"get-vanilla-empty-query-key",
       "GET",
       "/",
       {{"Param1", "value1"}},
       {},
       "host;x-amz-date",
       "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
      {"get-vanilla-query-order-key-case",
       "GET",
       "/",
       {{"Param2", "value2"}, {"Param1", "value1"}},
       {},
       "host;x-amz-date",
       "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
      {"get-vanilla-query-order-encoded",
       "GET",
       "/",
       {{"Param-3", "Value3"}, {"Param", "Value2"}, {"\u1234", "Value1"}},
       {},
       "host;x-amz-date",
       "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
      {"get-vanilla-query-unreserved",
       "GET",
       "/",
       {{kUnreserved, kUnreserved}},
       {},
       "host;x-amz-date",
       "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
      {"get-vanilla-utf8-query",
       "GET",
       "/",
       {{"\u1234", "bar"}},
       {},
       "host;x-amz-date",
       "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
      {"get-unreserved",
       "GET",
       "/" + kUnreserved,
       {},
       {},
       "host;x-amz-date",
       "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
      {"get-utf8",
       "GET",
       "/\u1234",
       {},
       {},
       "host;x-amz-date",
       "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
      {"get-space",
       "GET",
       "/example space/",
       {},
       {},
       "host;x-amz-date",
       "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
      {"get-header-key-duplicate",
       "GET",
       "/",
       {},
       {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
       "host;my-header1;x-amz-date",
       "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
      {"get-header-value-order",
       "GET",
       "/",
       {},
       {{"My-Header1", "value4"},
        {"My-Header1", "value1"},
        {"My-Header1", "value3"},
        {"My-Header1", "value2"}},
       "host;my-header1;x-amz-date",
       "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
      {"get-header-value-trim",
       "GET",
       "/",
       {},
       {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
       "host;my-header1;my-header2;x-amz-date",
       "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
      // The suite takes each line of a folded value for a value of its own.
      {"get-header-value-multiline",
       "GET",
       "/",
       {},
       {{"My-Header1", "value1"}, {"My-Header1", "  value2"}, {"My-Header1", "     value3"}},
       "host;my-header1;x-amz-date",
       "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"},
      {"post-vanilla",
       "POST",
       "/",
       {},
       {},
       "host;x-amz-date",
       "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
      {"post-header-key-sort",
       "POST",
       "/",
       {},
       {{"My-Header1", "value1"}},
       "host;my-header1;x-amz-date",
       "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
      {"post-header-value-case",
       "POST",
       "/",
       {},
       {{"My-Header1", "VALUE1"}},
       "host;my-header1;x-amz-date",
       "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
      {"post-sts-header-before",
       "POST",
       "/",
       {},
       {{"X-Amz-Security-Token", kToken}},
       "host;x-amz-date;x-amz-security-token",
       "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
      {"post-x-www-form-urlencoded",
       "POST",
       "/",
       {},
       {{"Content-Type", "application/x-www-form-urlencoded"},
        {"Content-Length", "13"},
        {"x-amz-content-sha256", kFormHash}},
       "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
       "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
       false,
       kFormHash},
      {"post-x-www-form-urlencoded-parameters",
       "POST",
       "/",
       {},
       {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
        {"Content-Length", "13"},
        {"x-amz-content-sha256", kFormHash}},
       "content-length;content-type;host;x-amz-content-sha256;x-amz-date",
       "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
       false,
       kFormHash},
      {"get-slashes-unnormalized",
       "GET",
       "//example//",
       {},
       {},
       "host;x-amz-date",
       "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5"},
      {"get-slashes-normalized",
       "GET",
       "//example//",
       {},
       {},
       "host;x-amz-date",
       "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
       true},
      {"get-relative-normalized", "GET", "/example/..", {}, {}, "host;x-amz-date", kVanilla, true},
      {"get-relative-relative-normalized",
       "GET",
       "/example1/example2/../..",
       {},
       {},
       "host;x-amz-date",
       kVanilla,
       true},
      {"get-slash-dot-slash-normalized", "GET", "/./", {}, {}, "host;x-amz-date", kVanilla, true},
      {"get-slash-pointless-dot-normalized",
       "GET",
       "/./example",
       {},
       {},
       "host;x-amz-date",
       "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
       true},
  };
}

std::string header(const SignableRequest& request, const std::string& name) {
  for (const auto& [key, value] : request.headers) {
    if (key == name) return value;
  }
  return {};
}

const Timestamp kSuiteTime = parse_rfc3339("2015-08-30T12:36:00Z");
const S3Credentials kSuiteCredentials{
    "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", {}, {}};

// github.com/awslabs/aws-c-auth, tests/aws-signing-test-suite/v4, header-signed-request.txt of
// each.
TEST(Sign, AwsTestSuite) {
  for (const SuiteCase& test : suite()) {
    SignableRequest request{test.method, test.path, test.query, test.headers, test.payload_hash};
    request.headers.emplace_back("Host", "example.amazonaws.com");
    S3Credentials credentials = kSuiteCredentials;
    credentials.session_token = header(request, "X-Amz-Security-Token");
    sign(request, credentials, {"us-east-1", "service", test.encode_path_twice}, kSuiteTime);
    EXPECT_EQ(header(request, "authorization"),
              "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
              "SignedHeaders=" +
                  test.signed_headers + ", Signature=" + test.signature)
        << test.name;
  }
}

TEST(Sign, AwsTestSuiteWithSessionToken) {
  SignableRequest request{"GET", "/", {}, {{"host", "example.amazonaws.com"}}, kEmptyHash};
  S3Credentials credentials = kSuiteCredentials;
  credentials.session_token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
  sign(request, credentials, {"us-east-1", "service", true}, kSuiteTime);
  EXPECT_TRUE(header(request, "authorization")
                  .ends_with("SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="
                             "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"));
}

const Timestamp kS3Time = parse_rfc3339("2013-05-24T00:00:00Z");
const S3Credentials kS3Credentials{
    "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", {}, {}};
const SigningScope kS3Scope{"us-east-1", "s3", false};

std::string s3_authorization(SignableRequest request) {
  request.headers.emplace_back("Host", "examplebucket.s3.amazonaws.com");
  sign(request, kS3Credentials, kS3Scope, kS3Time);
  return header(request, "authorization");
}

std::string s3_expected(const std::string& headers, const std::string& mac) {
  return "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
         "SignedHeaders=" +
         headers + ", Signature=" + mac;
}

// Amazon S3 API reference, "Signature Calculations for the Authorization Header: Transferring
// Payload in a Single Chunk", its four examples.
TEST(Sign, S3GetObjectWithRange) {
  EXPECT_EQ(s3_authorization({"GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}, kEmptyHash}),
            s3_expected("host;range;x-amz-content-sha256;x-amz-date",
                        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
}

TEST(Sign, S3PutObjectWithStorageClassAndDollarInTheKey) {
  const std::string hash = sha256_hex(as_bytes("Welcome to Amazon S3."));
  EXPECT_EQ(hash, "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
  EXPECT_EQ(s3_authorization({"PUT",
                              "/test$file.text",
                              {},
                              {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                               {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                              hash}),
            s3_expected("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST(Sign, S3GetBucketLifecycle) {
  EXPECT_EQ(s3_authorization({"GET", "/", {{"lifecycle", ""}}, {}, kEmptyHash}),
            s3_expected("host;x-amz-content-sha256;x-amz-date",
                        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST(Sign, S3ListObjects) {
  EXPECT_EQ(s3_authorization({"GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}, {}, kEmptyHash}),
            s3_expected("host;x-amz-content-sha256;x-amz-date",
                        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(Sign, CanonicalRequestOfTheS3Example) {
  const SignableRequest request{"GET",
                                "/test.txt",
                                {},
                                {{"Host", "examplebucket.s3.amazonaws.com"},
                                 {"Range", "bytes=0-9"},
                                 {"x-amz-content-sha256", kEmptyHash},
                                 {"x-amz-date", "20130524T000000Z"}},
                                kEmptyHash};
  const std::string canonical = canonical_request(request, kS3Scope);
  EXPECT_EQ(canonical,
            "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\n"
            "x-amz-content-sha256:" +
                kEmptyHash +
                "\nx-amz-date:20130524T000000Z\n\n"
                "host;range;x-amz-content-sha256;x-amz-date\n" +
                kEmptyHash);
  EXPECT_EQ(string_to_sign(canonical, kS3Scope, kS3Time),
            "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
            "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972");
}

TEST(Sign, AgainReplacesWhatItAdded) {
  const HeaderList own = {{"host", "example.org"}, {"Range", "bytes=0-9"}};
  SignableRequest again{"GET", "/key", {}, own, kEmptyHash};
  S3Credentials temporary = kS3Credentials;
  temporary.session_token = "token";
  sign(again, temporary, kS3Scope, kSuiteTime);
  ASSERT_EQ(header(again, "x-amz-security-token"), "token");
  sign(again, kS3Credentials, kS3Scope, kS3Time);
  SignableRequest once{"GET", "/key", {}, own, kEmptyHash};
  sign(once, kS3Credentials, kS3Scope, kS3Time);
  EXPECT_EQ(again.headers, once.headers);
  EXPECT_EQ(header(again, "Range"), "bytes=0-9");
  EXPECT_EQ(header(again, "x-amz-date"), "20130524T000000Z");
}

TEST(Sign, ContentHashIsAHeaderForS3Alone) {
  SignableRequest request{"PUT", "/key", {}, {{"host", "h"}}, std::string(kUnsignedPayload)};
  sign(request, kS3Credentials, {"us-east-1", "sts", true}, kS3Time);
  EXPECT_EQ(header(request, "x-amz-content-sha256"), "");
  sign(request, kS3Credentials, kS3Scope, kS3Time);
  EXPECT_EQ(header(request, "x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

TEST(Sign, OtherServicesEncodeThePathTwice) {
  const SignableRequest request{"GET", "/a b/../c d", {}, {{"host", "h"}}, kEmptyHash};
  EXPECT_TRUE(canonical_request(request, {"r", "s", true}).starts_with("GET\n/c%2520d\n"));
  EXPECT_TRUE(canonical_request(request, {"r", "s", false}).starts_with("GET\n/a%20b/../c%20d\n"));
  const SignableRequest empty{"GET", "", {}, {{"host", "h"}}, kEmptyHash};
  EXPECT_TRUE(canonical_request(empty, {"r", "s", true}).starts_with("GET\n/\n"));
}

TEST(AwsEncode, KeepsOnlyUnreserved) {
  EXPECT_EQ(aws_encode(kUnreserved), kUnreserved);
  EXPECT_EQ(aws_encode("a/b c+\xff"), "a%2Fb%20c%2B%FF");
  EXPECT_EQ(aws_encode("/a//b c", true), "/a//b%20c");
}

TEST(CanonicalQuery, SortsByEncodedNameThenValue) {
  EXPECT_EQ(canonical_query({}), "");
  EXPECT_EQ(
      canonical_query({{"b", "2"}, {"a", "z"}, {"a", "\u00e9"}, {"a-", "1"}, {"uploads", ""}}),
      "a=%C3%A9&a=z&a-=1&b=2&uploads=");
}

}  // namespace
}  // namespace holdfast
