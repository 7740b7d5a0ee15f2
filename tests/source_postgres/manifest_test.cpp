#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/throws.h"
#include "cluster.h"
#include "os/file.h"
#include "source/postgres/backup_manifest.h"
#include "source/postgres/file_check.h"

namespace holdfast {
namespace {

// With a last line that is right for what is before it.
std::string signed_manifest(std::string body) {
  body += "\"Manifest-Checksum\": \"";
  return body + to_hex(manifest_checksum(body + "\"}\n")) + "\"}\n";
}

std::string body_of(const std::string& text) {
  return text.substr(0, text.rfind("\"Manifest-Checksum\""));
}

std::string small_body(const std::string& file, const std::string& version = "1") {
  return "{ \"PostgreSQL-Backup-Manifest-Version\": " + version + ",\n\"Files\": [\n" + file +
         "\n],\n\"WAL-Ranges\": [\n"
         "{ \"Timeline\": 1, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000100\" }\n],\n";
}

const char* const kFile =
    R"({ "Path": "base/1/1", "Size": 3, "Last-Modified": "2025-11-10 12:00:00 GMT" })";

std::optional<std::string> check_against_disk(const Cluster& cluster, const ManifestFile& file,
                                              std::size_t spoil = ~std::size_t{0}) {
  Bytes data = read_file(cluster.path("copy/" + file.path));
  if (spoil < data.size()) data[spoil] ^= 1;
  FileCheck check(file);
  check.update(ByteView(data).first(data.size() / 3));
  check.update(ByteView(data).subspan(data.size() / 3));
  return check.finish();
}

TEST(BackupManifest, OfARealBackupIsVerified) {
  Cluster cluster;
  cluster.start();
  cluster.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)");
  for (const std::string algorithm : {"CRC32C", "SHA224", "SHA256", "SHA384", "SHA512", "NONE"}) {
    cluster.shell("rm -rf " + cluster.path("copy"));
    cluster.run("pg_basebackup", {"--pgdata", cluster.path("copy"), "--host", cluster.path("."),
                                  "--username=postgres", "--checkpoint=fast", "--no-sync",
                                  "--wal-method=none", "--manifest-checksums=" + algorithm});
    const Bytes bytes = read_file(cluster.path("copy/backup_manifest"));
    const std::string text(as_text(bytes));
    const BackupManifest manifest = parse_backup_manifest(text);
    EXPECT_EQ(manifest.version, 1);
    EXPECT_GT(manifest.files.size(), 900u);
    ASSERT_EQ(manifest.wal_ranges.size(), 1u);
    EXPECT_EQ(manifest.wal_ranges[0].timeline, 1u);
    EXPECT_LT(manifest.wal_ranges[0].start, manifest.wal_ranges[0].end);
    EXPECT_EQ(signed_manifest(body_of(text)), text);
    for (const ManifestFile& file : manifest.files) {
      const auto problem = check_against_disk(cluster, file);
      ASSERT_FALSE(problem) << *problem;
    }
    const ManifestFile* label = find_file(manifest, "backup_label");
    ASSERT_NE(label, nullptr);
    EXPECT_EQ(find_file(manifest, "backup_labe"), nullptr);
    EXPECT_EQ(check_against_disk(cluster, *label, 5).has_value(), algorithm != "NONE");
    ManifestFile longer = *label;
    ++longer.size;
    EXPECT_TRUE(check_against_disk(cluster, longer));
    if (algorithm != "CRC32C") continue;

    // Any damaged byte is noticed, and any missing end.
    for (std::size_t at = 0; at < text.size(); at += 1 + text.size() / 997) {
      std::string spoiled = text;
      spoiled[at] = static_cast<char>(spoiled[at] ^ 1);
      EXPECT_EQ(thrown_by([&] { parse_backup_manifest(spoiled); }), Code::kCorrupt) << at;
      EXPECT_EQ(thrown_by([&] { parse_backup_manifest(text.substr(0, at)); }), Code::kCorrupt);
    }
    // And, under a right checksum, any missing or misnamed member.
    for (const std::string key :
         {"PostgreSQL-Backup-Manifest-Version", "Files", "Path", "Size", "Last-Modified",
          "Checksum-Algorithm", "Checksum", "WAL-Ranges", "Timeline", "Start-LSN", "End-LSN"}) {
      std::string body = body_of(text);
      const std::size_t at = body.find("\"" + key + "\":");
      ASSERT_NE(at, std::string::npos) << key;
      body[at + 1] = 'X';
      EXPECT_EQ(thrown_by([&] { parse_backup_manifest(signed_manifest(body)); }), Code::kCorrupt)
          << key;
    }
  }
}

TEST(BackupManifest, KnowsBothVersions) {
  EXPECT_FALSE(parse_backup_manifest(signed_manifest(small_body(kFile))).system_id);
  const std::string second = small_body(kFile, "2, \"System-Identifier\": 7565000000000000001");
  const BackupManifest manifest = parse_backup_manifest(signed_manifest(second));
  EXPECT_EQ(manifest.version, 2);
  EXPECT_EQ(manifest.system_id, 7565000000000000001u);
  EXPECT_EQ(manifest.files[0].algorithm, FileChecksum::kNone);
  EXPECT_EQ(format_rfc3339(manifest.files[0].modified), "2025-11-10T12:00:00Z");
  EXPECT_EQ(thrown_by([&] { parse_backup_manifest(signed_manifest(small_body(kFile, "3"))); }),
            Code::kUnsupported);
}

TEST(BackupManifest, RefusesWhatNoServerWrites) {
  const auto refused = [](const std::string& body) {
    return thrown_by([&] { parse_backup_manifest(signed_manifest(body)); }) == Code::kCorrupt;
  };
  const std::string file = kFile;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = small_body(file);
    const std::size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return changed.replace(at, from.size(), to);
  };
  ASSERT_FALSE(refused(small_body(file)));
  EXPECT_FALSE(refused(with("\"Path\": \"base/1/1\"", "\"Encoded-Path\": \"ff61\"")));
  for (const char* path :
       {"", "/etc/passwd", "..", "a/../../b", "a//b", "a/", "./a", "a\\u0000b"}) {
    EXPECT_TRUE(refused(with("base/1/1", path))) << path;
  }
  EXPECT_TRUE(refused(with("\"Path\": \"base/1/1\"", "\"Encoded-Path\": \"2e2e\"")));
  EXPECT_TRUE(refused(with("\"Path\": \"base/1/1\"", "\"Encoded-Path\": \"6\"")));
  EXPECT_TRUE(refused(with("\"Size\": 3", "\"Size\": -3")));
  EXPECT_TRUE(refused(with("\"Size\": 3", "\"Size\": 3.5")));
  EXPECT_TRUE(refused(with("\"Size\": 3", "\"Size\": \"3\"")));
  EXPECT_TRUE(refused(with("\"Size\": 3", "\"Size\": [3]")));
  EXPECT_TRUE(refused(with("\"Size\": 3", "\"Size\": 3, \"Size\": 3")));
  EXPECT_TRUE(refused(with("\"Size\": 3", "\"Size\": 3, \"Checksum\": \"00\"")));
  EXPECT_TRUE(refused(with(
      "\"Size\": 3", "\"Size\": 3, \"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"00\"")));
  EXPECT_TRUE(refused(
      with("\"Size\": 3", "\"Size\": 3, \"Checksum-Algorithm\": \"MD5\", \"Checksum\": \"00\"")));
  EXPECT_TRUE(refused(with(" GMT", "")));
  EXPECT_TRUE(refused(with("12:00:00", "25:00:00")));
  EXPECT_TRUE(refused(with("\"Timeline\": 1", "\"Timeline\": 0")));
  EXPECT_TRUE(refused(with("\"Timeline\": 1", "\"Timeline\": 4294967296")));
  EXPECT_TRUE(refused(with("0/2000028", "0/2000101")));
  EXPECT_TRUE(refused(with("0/2000028", "nonsense")));
  EXPECT_TRUE(refused(with("\"Files\": [", "\"Files\": [\n], \"Files\": [")));
  EXPECT_TRUE(refused(small_body(file + ",\n" + file)));
  EXPECT_TRUE(refused(small_body(file, "2")));
  EXPECT_TRUE(refused(small_body(file, "0")));
  EXPECT_TRUE(refused(small_body("3")));
  EXPECT_EQ(thrown_by([] { parse_backup_manifest(""); }), Code::kCorrupt);
  EXPECT_EQ(thrown_by([] { parse_backup_manifest("{}\n"); }), Code::kCorrupt);
}

}  // namespace
}  // namespace holdfast
