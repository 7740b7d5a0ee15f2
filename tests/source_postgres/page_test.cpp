// Pages of a real cluster, whose checksums its server wrote.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "cluster.h"
#include "os/file.h"
#include "source/postgres/page_checksum.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr Lsn kEnd = ~Lsn{0};

bool is_relation(const fs::path& path) {
  static const std::regex form(R"(\d+(_fsm|_vm|_init)?)");
  return std::regex_match(path.filename().string(), form);
}

TEST(PageChecksum, AgreesWithEveryPageOfAServer) {
  Cluster cluster;
  cluster.start();
  cluster.sql(
      "CREATE TABLE t AS SELECT i, md5(i::text) AS v FROM generate_series(1, 30000) i;"
      "CREATE INDEX ON t (i); CREATE INDEX ON t USING hash (v);"
      "CREATE INDEX ON t USING gist (point(i, i)); CREATE INDEX ON t USING brin (i);"
      "CREATE INDEX ON t USING spgist (v);"
      "CREATE INDEX ON t USING gin (to_tsvector('simple', v));"
      "CREATE SEQUENCE s; SELECT nextval('s'); VACUUM t");
  cluster.stop();
  std::size_t pages = 0;
  std::size_t fresh = 0;
  Bytes sample;
  for (const auto& entry : fs::recursive_directory_iterator(cluster.data())) {
    const std::string place = entry.path().parent_path().string();
    const bool holds_relations =
        place.find("/base") != std::string::npos || place.ends_with("/global");
    if (!entry.is_regular_file() || !holds_relations || !is_relation(entry.path())) continue;
    const Bytes file = read_file(entry.path());
    ASSERT_EQ(file.size() % kDataPage, 0u) << entry.path();
    for (std::uint32_t block = 0; block < file.size() / kDataPage; ++block) {
      const ByteView page = ByteView(file).subspan(block * kDataPage, kDataPage);
      const PageVerdict verdict = check_page(page, block, kEnd, kEnd);
      fresh += verdict == PageVerdict::kNew;
      ASSERT_TRUE(verdict == PageVerdict::kOk || verdict == PageVerdict::kNew)
          << entry.path() << ' ' << block << ' ' << static_cast<int>(verdict);
      ++pages;
      // The same page in another place is wrong, as it is in the next file of the relation.
      if (verdict == PageVerdict::kNew) continue;
      ASSERT_EQ(check_page(page, block + 1, kEnd, kEnd), PageVerdict::kBadChecksum);
      ASSERT_EQ(check_page(page, block + kBlocksPerFile, kEnd, kEnd), PageVerdict::kBadChecksum);
      if (block == 3) sample = to_bytes(page);
    }
  }
  EXPECT_GT(pages, 3000u);
  std::printf("%zu pages, %zu of them new\n", pages, fresh);

  ASSERT_FALSE(sample.empty());
  for (std::size_t at = 0; at < kDataPage; ++at) {
    Bytes spoiled = sample;
    spoiled[at] ^= static_cast<std::uint8_t>(1u << at % 8);
    const PageVerdict verdict = check_page(spoiled, 3, kEnd, kEnd);
    ASSERT_TRUE(verdict == PageVerdict::kBadChecksum || verdict == PageVerdict::kBrokenHeader)
        << at;
  }
}

Bytes made_page(Lsn lsn) {
  Bytes page(kDataPage);
  for (std::size_t i = 0; i < 4; ++i) {
    page[i] = static_cast<std::uint8_t>(lsn >> (32 + 8 * i));
    page[4 + i] = static_cast<std::uint8_t>(lsn >> 8 * i);
  }
  page[12] = 24;    // lower
  page[15] = 0x20;  // upper: 8192
  page[17] = 0x20;  // special: 8192
  page[18] = 4;     // version 4 ...
  page[19] = 0x20;  // ... and size 8192
  const std::uint16_t sum = page_checksum(page, 7);
  page[8] = static_cast<std::uint8_t>(sum);
  page[9] = static_cast<std::uint8_t>(sum >> 8);
  return page;
}

TEST(PageChecksum, JudgesWhatABackupMeets) {
  const Bytes zero(kDataPage);
  EXPECT_EQ(check_page(zero, 7, 0x100, 0x200), PageVerdict::kNew);
  Bytes nearly = zero;
  nearly[8000] = 1;
  EXPECT_EQ(check_page(nearly, 7, 0x100, 0x200), PageVerdict::kBrokenHeader);

  for (const Lsn lsn : {Lsn{0x50}, Lsn{0x100}, Lsn{0x1ff}, Lsn{0x7700000200}}) {
    Bytes page = made_page(lsn);
    EXPECT_EQ(check_page(page, 7, 0x100, 0x200), PageVerdict::kOk) << lsn;
    page[5000] = 9;  // torn, if it was being written
    const bool during = lsn >= 0x100 && lsn < 0x200;
    EXPECT_EQ(check_page(page, 7, 0x100, 0x200),
              during ? PageVerdict::kNewer : PageVerdict::kBadChecksum)
        << lsn;
    page[17] = 0x30;  // special beyond the page
    EXPECT_EQ(check_page(page, 7, 0x100, 0x200),
              during ? PageVerdict::kNewer : PageVerdict::kBrokenHeader)
        << lsn;
  }
  Bytes odd = made_page(0x50);
  odd[13] = 0x30;  // lower beyond upper, under a right checksum
  const std::uint16_t sum = page_checksum(odd, 7);
  odd[8] = static_cast<std::uint8_t>(sum);
  odd[9] = static_cast<std::uint8_t>(sum >> 8);
  EXPECT_EQ(check_page(odd, 7, 0x100, 0x200), PageVerdict::kBrokenHeader);
}

}  // namespace
}  // namespace holdfast
