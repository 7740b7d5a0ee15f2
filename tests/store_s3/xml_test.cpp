#include "store/s3/xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "store/expect_error.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

constexpr const char* kXml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
constexpr const char* kNamespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

// The error of a parser; its code must be kCorrupt.
template <typename Parse>
std::string refusal(Parse parse, const std::string& body) {
  const auto error = error_of([&] { parse(as_bytes(body)); });
  if (!error) return "no error";
  EXPECT_EQ(error->code(), Code::kCorrupt) << body;
  return error->message();
}

// As AWS sends it.
const std::string kList = std::string(kXml) + "<ListBucketResult" + kNamespace + R"(>
<Name>backups</Name><Prefix>vault/</Prefix>
<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
<KeyCount>2</KeyCount><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>
<IsTruncated>true</IsTruncated>
<Contents><Key>vault/data/a%2Bb%40c</Key><LastModified>2025-11-10T12:00:00.123Z</LastModified>
<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>
<StorageClass>STANDARD</StorageClass></Contents>
<Contents><Key>vault/with+space%C3%A9</Key><LastModified>2025-11-10T13:00:00+01:00</LastModified>
<ETag>"abc-2"</ETag><Size>18446744073709551615</Size>
<Owner><ID>x</ID><DisplayName>y</DisplayName></Owner>
<StorageClass>GLACIER</StorageClass></Contents>
<CommonPrefixes><Prefix>vault/x/</Prefix></CommonPrefixes></ListBucketResult>)";

TEST(S3XmlList, ReadsAPage) {
  const ListPage page = parse_list(as_bytes(kList));
  ASSERT_EQ(page.objects.size(), 2U);
  EXPECT_EQ(page.objects[0].key, "vault/data/a+b@c");
  EXPECT_EQ(page.objects[0].size, 434234U);
  EXPECT_EQ(page.objects[0].modified, parse_rfc3339("2025-11-10T12:00:00.123Z"));
  EXPECT_EQ(page.objects[0].etag, "fba9dede5f27731c9771645a39863328");
  EXPECT_EQ(page.objects[1].key, "vault/with space\xc3\xa9");
  EXPECT_EQ(page.objects[1].size, 18446744073709551615U);
  EXPECT_EQ(page.objects[1].modified, parse_rfc3339("2025-11-10T12:00:00Z"));
  EXPECT_EQ(page.objects[1].etag, "abc-2");
  EXPECT_THAT(page.storage_classes, testing::ElementsAre("", "GLACIER"));
  EXPECT_TRUE(page.truncated);
  EXPECT_EQ(page.next, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=");
}

TEST(S3XmlList, NamespacesMayBeAbsentOrPrefixed) {
  const ListPage bare = parse_list(as_bytes(replaced(kList, kNamespace, "")));
  EXPECT_EQ(bare.objects.size(), 2U);
  const ListPage prefixed = parse_list(
      as_bytes("<s3:ListBucketResult xmlns:s3='http://s3.amazonaws.com/doc/2006-03-01/'>"
               "<s3:IsTruncated>false</s3:IsTruncated><s3:Contents><s3:Key>k</s3:Key>"
               "<s3:LastModified>2025-11-10T12:00:00Z</s3:LastModified><s3:Size>1</s3:Size>"
               "</s3:Contents></s3:ListBucketResult>"));
  ASSERT_EQ(prefixed.objects.size(), 1U);
  EXPECT_EQ(prefixed.objects[0].key, "k");
  EXPECT_EQ(prefixed.objects[0].etag, "");
}

TEST(S3XmlList, KeysAreDecodedOnlyWhenTheStoreSaysSo) {
  const std::string plain = replaced(kList, "<EncodingType>url</EncodingType>", "");
  EXPECT_EQ(parse_list(as_bytes(plain)).objects[0].key, "vault/data/a%2Bb%40c");
  EXPECT_EQ(parse_list(as_bytes(plain)).objects[1].key, "vault/with+space%C3%A9");
  const std::string capital = replaced(kList, ">url<", ">URL<");
  EXPECT_EQ(parse_list(as_bytes(capital)).objects[0].key, "vault/data/a+b@c");
}

TEST(S3XmlList, KeysOfAnotherProgramSurvive) {
  const auto key_of = [](const std::string& key) {
    return parse_list(as_bytes(replaced(kList, "vault/data/a%2Bb%40c", key))).objects.at(0).key;
  };
  EXPECT_EQ(key_of("%00%0a%FF"), std::string("\0\n\xff", 3));
  EXPECT_EQ(key_of("a&amp;b&#x41;&lt;"), "a&bA<");
  EXPECT_EQ(key_of("a<!-- no --><![CDATA[<b>]]>c"), "a<b>c");
  EXPECT_EQ(key_of(" "), " ");
}

TEST(S3XmlList, TheLastPageHasNoToken) {
  const std::string empty = std::string(kXml) + "<ListBucketResult" + kNamespace +
                            "><Name>b</Name><KeyCount>0</KeyCount>"
                            "<IsTruncated>false</IsTruncated></ListBucketResult>";
  const ListPage page = parse_list(as_bytes(empty));
  EXPECT_TRUE(page.objects.empty());
  EXPECT_FALSE(page.truncated);
  EXPECT_EQ(page.next, "");
}

struct Bad {
  const char* what;
  const char* by;
  const char* message;  // a part of it
};

// A listing that cannot be trusted must not pass for a short one.
constexpr Bad kBadLists[] = {
    {"</ListBucketResult>", "", "it is not XML, or not all of it"},
    {"<IsTruncated>true</IsTruncated>", "", "IsTruncated is missing"},
    {"<IsTruncated>true<", "<IsTruncated>yes<", "IsTruncated is neither true nor false"},
    {"1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=", "", "NextContinuationToken is missing"},
    {"vault/data/a%2Bb%40c", "", "Key is missing"},
    {"vault/data/a%2Bb%40c", "a%2", "Key is not URL-encoded"},
    {"vault/data/a%2Bb%40c", "a%", "Key is not URL-encoded"},
    {"vault/data/a%2Bb%40c", "a%-1", "Key is not URL-encoded"},
    {"vault/data/a%2Bb%40c", "a%2x", "Key is not URL-encoded"},
    {"<Size>434234</Size>", "", "Size is missing"},
    {"434234", "-1", "Size is not a number"},
    {"434234", "18446744073709551616", "Size is not a number"},
    {"434234", "1 ", "Size is not a number"},
    {"2025-11-10T12:00:00.123Z", "", "LastModified is missing"},
    {"2025-11-10T12:00:00.123Z", "2025-11-10T12:00:00", "LastModified is not a time"},
    {"2025-11-10T12:00:00.123Z", "Mon, 10 Nov 2025 12:00:00 GMT", "LastModified is not a time"},
};

TEST(S3XmlList, RefusesWhatIsIncomplete) {
  for (const Bad& bad : kBadLists) {
    EXPECT_THAT(refusal(parse_list, replaced(kList, bad.what, bad.by)), HasSubstr(bad.message))
        << bad.what << " -> " << bad.by;
  }
}

TEST(S3XmlList, RefusesOtherAnswers) {
  for (const char* body :
       {"", " ", "not xml", "\xff\xfe", "{\"a\": 1}", "<", "<a", "<a>", "</a>"}) {
    EXPECT_THAT(refusal(parse_list, body), HasSubstr("ListBucketResult: it is not XML")) << body;
  }
  EXPECT_THAT(refusal(parse_list, "<html><body>Sign in</body></html>"), HasSubstr("a <html>"));
  EXPECT_THAT(refusal(parse_list, "<Error><Code>SlowDown</Code></Error>"), HasSubstr("a <Error>"));
  const auto error = error_of([] { parse_list({}); });
  ASSERT_TRUE(error);
  EXPECT_THAT(error->hint(), HasSubstr("endpoint"));
}

TEST(S3XmlList, EveryCutIsNoticed) {
  for (std::size_t size = 0; size < kList.size(); ++size) {
    EXPECT_NE(refusal(parse_list, kList.substr(0, size)), "no error") << size;
  }
}

// As Ceph 16 sends it: the marker is not encoded, and the times have milliseconds.
const std::string kVersions = std::string(kXml) + "<ListVersionsResult" + kNamespace + R"(>
<EncodingType>url</EncodingType><Name>b</Name><Prefix></Prefix><MaxKeys>4</MaxKeys>
<IsTruncated>true</IsTruncated><KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker>
<NextKeyMarker>b+1</NextKeyMarker><NextVersionIdMarker>v3</NextVersionIdMarker>
<DeleteMarker><Key>a</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest>
<LastModified>2025-11-11T00:00:00.500Z</LastModified></DeleteMarker>
<Version><Key>a</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest>
<LastModified>2025-11-10T00:00:00.000Z</LastModified><ETag>&quot;e1&quot;</ETag><Size>7</Size>
<StorageClass>STANDARD</StorageClass></Version>
<Version><Key>b%2B1</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>
<LastModified>2025-11-10T00:00:00.000Z</LastModified><ETag>"e2"</ETag><Size>0</Size></Version>
</ListVersionsResult>)";

TEST(S3XmlVersions, ReadsAPage) {
  const VersionPage page = parse_versions(as_bytes(kVersions));
  ASSERT_EQ(page.versions.size(), 3U);
  const ObjectVersion& marker = page.versions[0];
  EXPECT_EQ(marker.key, "a");
  EXPECT_EQ(marker.version, "v2");
  EXPECT_TRUE(marker.delete_marker);
  EXPECT_TRUE(marker.latest);
  EXPECT_EQ(marker.modified, parse_rfc3339("2025-11-11T00:00:00.5Z"));
  const ObjectVersion& version = page.versions[1];
  EXPECT_EQ(version.version, "v1");
  EXPECT_EQ(version.size, 7U);
  EXPECT_EQ(version.etag, "e1");
  EXPECT_FALSE(version.delete_marker);
  EXPECT_FALSE(version.latest);
  EXPECT_EQ(page.versions[2].key, "b+1");
  EXPECT_EQ(page.versions[2].version, "null");
  EXPECT_TRUE(page.truncated);
  EXPECT_EQ(page.next_version, "v3");
}

TEST(S3XmlVersions, TheMarkerMayBeEncodedOrNot) {
  EXPECT_EQ(parse_versions(as_bytes(kVersions)).next_key, "b+1");
  const std::string encoded = replaced(kVersions, "Marker>b+1<", "Marker>b%2B1<");
  EXPECT_EQ(parse_versions(as_bytes(encoded)).next_key, "b+1");
  const std::string other = replaced(kVersions, "Marker>b+1<", "Marker>b+2<");
  EXPECT_EQ(parse_versions(as_bytes(other)).next_key, "b 2");
}

TEST(S3XmlVersions, AreByKeyWhateverTheOrderOfTheAnswer) {
  const auto entry = [](const std::string& element, const std::string& key, const std::string& id,
                        bool latest) {
    return "<" + element + "><Key>" + key + "</Key><VersionId>" + id + "</VersionId><IsLatest>" +
           (latest ? "true" : "false") +
           "</IsLatest><LastModified>2025-11-10T00:00:00Z</LastModified><Size>1</Size></" +
           element + ">";
  };
  const VersionPage page = parse_versions(as_bytes(
      "<ListVersionsResult><IsTruncated>false</IsTruncated>" + entry("Version", "a", "2", false) +
      entry("Version", "a", "1", false) + entry("Version", "b", "1", true) +
      entry("DeleteMarker", "a", "3", true) + "</ListVersionsResult>"));
  std::string order;
  for (const ObjectVersion& version : page.versions) order += version.key + version.version + " ";
  EXPECT_EQ(order, "a3 a2 a1 b1 ");
  EXPECT_EQ(page.next_key, "");
}

constexpr Bad kBadVersions[] = {
    {"<NextKeyMarker>b+1</NextKeyMarker>", "", "NextKeyMarker is missing"},
    {"Marker>b+1<", "Marker>b%<", "NextKeyMarker is not URL-encoded"},
    {"<VersionId>v1</VersionId>", "", "VersionId is missing"},
    {"<IsLatest>false</IsLatest>", "", "IsLatest is missing"},
    {"<Size>7</Size>", "", "Size is missing"},
    {"2025-11-11T00:00:00.500Z", "yesterday", "LastModified is not a time"},
    {"<IsTruncated>true</IsTruncated>", "", "IsTruncated is missing"},
};

TEST(S3XmlVersions, RefusesWhatIsIncomplete) {
  for (const Bad& bad : kBadVersions) {
    EXPECT_THAT(refusal(parse_versions, replaced(kVersions, bad.what, bad.by)),
                HasSubstr(bad.message))
        << bad.what;
  }
  EXPECT_THAT(refusal(parse_versions, kList), HasSubstr("it is a <ListBucketResult>"));
}

TEST(S3XmlUploads, ReadsTheIdOfANewOne) {
  const std::string body = std::string(kXml) + "<InitiateMultipartUploadResult" + kNamespace +
                           "><Bucket>b</Bucket><Key>k</Key><UploadId>2~VmVyc2lvbg</UploadId>"
                           "</InitiateMultipartUploadResult>";
  EXPECT_EQ(parse_upload_id(as_bytes(body)), "2~VmVyc2lvbg");
  EXPECT_THAT(refusal(parse_upload_id, replaced(body, "2~VmVyc2lvbg", "")),
              HasSubstr("UploadId is missing"));
  EXPECT_THAT(refusal(parse_upload_id, ""), HasSubstr("it is not XML"));
}

const std::string kUploads = std::string(kXml) + "<ListMultipartUploadsResult" + kNamespace + R"(>
<Bucket>b</Bucket><NextKeyMarker>d/a+b</NextKeyMarker>
<NextUploadIdMarker>u2</NextUploadIdMarker><MaxUploads>2</MaxUploads>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<Upload><Key>d%2Fa</Key><UploadId>u1</UploadId><Initiator><ID>i</ID></Initiator>
<StorageClass>STANDARD</StorageClass><Initiated>2025-11-10T20:48:33.000Z</Initiated></Upload>
<Upload><Key>d/a%2Bb</Key><UploadId>u2</UploadId>
<Initiated>2025-11-10T20:49:33Z</Initiated></Upload></ListMultipartUploadsResult>)";

TEST(S3XmlUploads, ReadsAPage) {
  const UploadPage page = parse_uploads(as_bytes(kUploads));
  ASSERT_EQ(page.uploads.size(), 2U);
  EXPECT_EQ(page.uploads[0].key, "d/a");
  EXPECT_EQ(page.uploads[0].upload_id, "u1");
  EXPECT_EQ(page.uploads[0].initiated, parse_rfc3339("2025-11-10T20:48:33Z"));
  EXPECT_EQ(page.uploads[1].key, "d/a+b");
  EXPECT_TRUE(page.truncated);
  EXPECT_EQ(page.next_key, "d/a+b");
  EXPECT_EQ(page.next_upload, "u2");
}

TEST(S3XmlUploads, CephEncodesWithoutSayingSo) {
  const std::string silent = replaced(kUploads, "<EncodingType>url</EncodingType>", "");
  const UploadPage page = parse_uploads(as_bytes(silent));
  EXPECT_EQ(page.uploads[1].key, "d/a+b");
  EXPECT_EQ(page.next_key, "d/a+b");
  // A store that encodes nothing: a '+' is itself, and so is a '%' that begins no code.
  EXPECT_EQ(parse_uploads(as_bytes(replaced(silent, "a%2Bb", "a+b"))).uploads[1].key, "d/a+b");
  EXPECT_EQ(parse_uploads(as_bytes(replaced(silent, "a%2Bb", "5%"))).uploads[1].key, "d/5%");
}

TEST(S3XmlUploads, RefusesWhatIsIncomplete) {
  constexpr Bad kBad[] = {
      {"<UploadId>u1</UploadId>", "", "UploadId is missing"},
      {"2025-11-10T20:49:33Z", "x", "Initiated is not a time"},
      {"<NextKeyMarker>d/a+b</NextKeyMarker>", "", "NextKeyMarker is missing"},
      {"<IsTruncated>true</IsTruncated>", "", "IsTruncated is missing"},
  };
  for (const Bad& bad : kBad) {
    EXPECT_THAT(refusal(parse_uploads, replaced(kUploads, bad.what, bad.by)),
                HasSubstr(bad.message));
  }
}

TEST(S3XmlUploads, CompletionListsThePartsInOrder) {
  EXPECT_EQ(complete_upload_body({"aa", "\"bb\"", "<&\">"}),
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            "<Part><PartNumber>1</PartNumber><ETag>&quot;aa&quot;</ETag></Part>"
            "<Part><PartNumber>2</PartNumber><ETag>&quot;bb&quot;</ETag></Part>"
            "<Part><PartNumber>3</PartNumber><ETag>&quot;&lt;&amp;&quot;&gt;&quot;</ETag></Part>"
            "</CompleteMultipartUpload>");
}

TEST(S3XmlError, ReadsWhatThereIs) {
  const S3ErrorBody error = parse_error_body(
      as_bytes(std::string(kXml) +
               "<Error><Code>PermanentRedirect</Code><Message>Use the &quot;endpoint&quot;."
               "</Message><Endpoint>b.s3.eu-central-1.amazonaws.com</Endpoint>"
               "<Region>eu-central-1</Region><Bucket>b</Bucket><RequestId>4442587FB7D0A2F9"
               "</RequestId><HostId>x</HostId></Error>"));
  EXPECT_EQ(error.code, "PermanentRedirect");
  EXPECT_EQ(error.message, "Use the \"endpoint\".");
  EXPECT_EQ(error.endpoint, "b.s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(error.region, "eu-central-1");
  EXPECT_EQ(error.request_id, "4442587FB7D0A2F9");
}

TEST(S3XmlError, CephLeavesTheMessageEmpty) {
  const S3ErrorBody error = parse_error_body(
      as_bytes("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>NoSuchKey</Code><Message>"
               "</Message><BucketName>b</BucketName><RequestId>tx0001</RequestId>"
               "<HostId>1-east-world</HostId></Error>"));
  EXPECT_EQ(error.code, "NoSuchKey");
  EXPECT_EQ(error.message, "");
  EXPECT_EQ(error.request_id, "tx0001");
}

TEST(S3XmlError, TheTokenServiceWrapsIt) {
  const S3ErrorBody error = parse_error_body(
      as_bytes("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n"
               "    <Type>Sender</Type>\n    <Code>\n ExpiredTokenException </Code>\n"
               "    <Message>Token expired</Message>\n  </Error>\n"
               "  <RequestId>02dd0c4e</RequestId>\n</ErrorResponse>"));
  EXPECT_EQ(error.code, "ExpiredTokenException");
  EXPECT_EQ(error.message, "Token expired");
  EXPECT_EQ(error.request_id, "02dd0c4e");
}

TEST(S3XmlError, AnythingElseIsNoError) {
  const std::string zeros(3, '\0');
  for (const std::string& body : std::vector<std::string>{
           "", " \r\n", "Bad Gateway", "{\"code\": 5}", "<Error><Code>X</Code>", "<Error", "<>",
           "<html><head><title>503</title></head><body>down<br></body></html>",
           "<!DOCTYPE html><html><Code>X</Code></html>", "\xff\xfe<", zeros,
           "<ListBucketResult><Code>X</Code></ListBucketResult>",
           "<ErrorResponse></ErrorResponse>"}) {
    const S3ErrorBody error = parse_error_body(as_bytes(body));
    EXPECT_EQ(error.code + error.message + error.request_id + error.region + error.endpoint, "")
        << body;
  }
}

TEST(S3Xml, EntitiesOfADocumentTypeAreNotExpanded) {
  const std::string bomb =
      "<!DOCTYPE Error [<!ENTITY a \"xxxxxxxxxx\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">"
      "<!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\"><!ENTITY file SYSTEM \"file:///etc/hostname\">]>";
  const S3ErrorBody error =
      parse_error_body(as_bytes(bomb + "<Error><Code>&c;</Code><Message>&file;</Message></Error>"));
  EXPECT_EQ(error.code, "&c;");
  EXPECT_EQ(error.message, "&file;");
  const ListPage page =
      parse_list(as_bytes(
          bomb + "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>&file;</Key>"
                 "<LastModified>2025-11-10T12:00:00Z</LastModified><Size>1</Size></Contents>"
                 "</ListBucketResult>"));
  EXPECT_EQ(page.objects.at(0).key, "&file;");
}

TEST(S3Xml, DeepNestingDoesNotOverflow) {
  constexpr int kDepth = 200'000;
  std::string deep = "<Error><Code>X</Code>";
  for (int i = 0; i < kDepth; ++i) deep += "<a>";
  EXPECT_EQ(parse_error_body(as_bytes(deep)).code, "") << "never closed";
  for (int i = 0; i < kDepth; ++i) deep += "</a>";
  EXPECT_EQ(parse_error_body(as_bytes(deep + "</Error>")).code, "X");
  EXPECT_THAT(refusal(parse_list, deep + "</Error>"), HasSubstr("it is a <Error>"));
}

}  // namespace
}  // namespace holdfast
