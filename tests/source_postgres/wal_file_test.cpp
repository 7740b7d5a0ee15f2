#include "source/postgres/wal_file.h"

#include <gtest/gtest.h>

#include "base/wire.h"
#include "os/file.h"
#include "store/expect_error.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kMiB = 1u << 20;

// The first page header of a segment, as a server of version 15 writes it.
Bytes page(std::uint16_t magic = 0xD110, std::uint16_t flags = 2, std::uint64_t start = 3ull << 24,
           std::uint32_t segment_size = kWalSegmentSize, std::uint64_t identifier = 7301) {
  Bytes bytes;
  WireWriter out(bytes);
  out.fixed(magic);
  out.fixed(flags);
  out.fixed(std::uint32_t{1});
  out.fixed(start);
  out.fixed(std::uint64_t{0});
  out.fixed(identifier);
  out.fixed(segment_size);
  out.fixed(std::uint32_t{8192});
  return bytes;
}

TEST(WalFile, SegmentSizesArePowersOfTwo) {
  for (std::uint64_t size = kMiB; size <= 1024ull * kMiB; size *= 2) {
    EXPECT_TRUE(is_wal_segment_size(size)) << size;
    EXPECT_FALSE(is_wal_segment_size(size + 1)) << size;
  }
  EXPECT_FALSE(is_wal_segment_size(0));
  EXPECT_FALSE(is_wal_segment_size(kMiB / 2));
  EXPECT_FALSE(is_wal_segment_size(2048ull * kMiB));
}

// As pg_walfile_name() of a real server gives them.
TEST(WalFile, NamesFollowTheArithmeticOfTheServer) {
  EXPECT_EQ((WalSegment{1, 3}.name(kWalSegmentSize)), "000000010000000000000003");
  EXPECT_EQ((WalSegment{1, 255}.name(kWalSegmentSize)), "0000000100000000000000FF");
  EXPECT_EQ((WalSegment{1, 255}.next().name(kWalSegmentSize)), "000000010000000100000000");
  EXPECT_EQ((WalSegment{0xA, 0x1234}.name(kWalSegmentSize)), "0000000A0000001200000034");
  EXPECT_EQ((WalSegment{1, 4095}.next().name(kMiB)), "000000010000000100000000");
  EXPECT_EQ((WalSegment{1, 3}.next().name(1024 * kMiB)), "000000010000000100000000");
  EXPECT_EQ((WalSegment{2, 0xB}.start(kWalSegmentSize)), 0xB000000u);
}

TEST(WalFile, NamesRoundTripAtEverySegmentSize) {
  for (std::uint32_t size = kMiB; size <= 1024 * kMiB; size *= 2) {
    for (const std::uint64_t lsn :
         {0ull, 1ull << 24, 0xFFFFFFFFull, 1ull << 32, 0x123456789ABCDEFull}) {
      const WalSegment segment{7, lsn / size};
      EXPECT_EQ(parse_wal_segment(segment.name(size), size), segment) << size << " " << lsn;
      EXPECT_LT(segment.name(size), segment.next().name(size));
    }
  }
}

TEST(WalFile, NamesThatNoServerOfThatSegmentSizeWritesAreRefused) {
  EXPECT_TRUE(parse_wal_segment("0000000100000000000000FF", kWalSegmentSize));
  EXPECT_FALSE(parse_wal_segment("000000010000000000000100", kWalSegmentSize));
  EXPECT_TRUE(parse_wal_segment("000000010000000000000100", kMiB));
  EXPECT_FALSE(parse_wal_segment("000000010000000000000004", 1024 * kMiB));
  EXPECT_FALSE(parse_wal_segment("000000010000000000000001", 12345));
  for (const char* name :
       {"", "00000001000000000000000", "0000000100000000000000001", "00000001000000000000000a",
        "00000001000000000000000G", "000000010000000000000003.partial", "00000002.history"}) {
    EXPECT_FALSE(parse_wal_segment(name, kWalSegmentSize)) << name;
  }
}

TEST(WalFile, KindsOfFiles) {
  EXPECT_EQ(wal_file_kind("000000010000000000000003"), WalFileKind::kSegment);
  EXPECT_EQ(wal_file_kind("000000010000000000000003.partial"), WalFileKind::kPartial);
  EXPECT_EQ(wal_file_kind("0000000A.history"), WalFileKind::kHistory);
  EXPECT_EQ(wal_file_kind("000000010000000000000003.00000028.backup"), WalFileKind::kBackup);
  for (const char* name :
       {"", ".history", "0000000a.history", "000000002.history", "RECOVERYXLOG", "archive_status",
        "000000010000000000000003.00000028.backu", "000000010000000000000003.0000002.backup",
        "000000010000000000000003.ready", "000000010000000000000003-00000028.backup",
        "000000010000000000000003.partial.x"}) {
    EXPECT_FALSE(wal_file_kind(name)) << name;
  }
  // Holdfast's own.
  const std::string mark = level_drop_mark({1, 3}, 0x3000028, kWalSegmentSize);
  EXPECT_EQ(mark, "000000010000000000000003.00000028.minimal");
  EXPECT_FALSE(wal_file_kind(mark));
  EXPECT_EQ(parse_level_drop_mark(mark)->segment, "000000010000000000000003");
  EXPECT_EQ(parse_level_drop_mark(mark)->offset, 0x28u);
  for (const char* name :
       {"000000010000000000000003.00000028.minima", "x.00000028.minimal",
        "000000010000000000000003.0000002x.minimal", "000000010000000000000003-00000028.minimal"}) {
    EXPECT_FALSE(parse_level_drop_mark(name)) << name;
  }
  EXPECT_EQ(wal_timeline("0000000A.history"), 10u);
  EXPECT_EQ(wal_timeline("000000020000000000000003"), 2u);
  EXPECT_FALSE(wal_timeline("RECOVERYXLOG"));
}

TEST(WalFile, HeadersAreRead) {
  const WalHeader header = parse_wal_header(page());
  EXPECT_EQ(header.version, 15u);
  EXPECT_EQ(header.timeline, 1u);
  EXPECT_EQ(header.start, 3ull << 24);
  EXPECT_EQ(header.system_identifier, 7301u);
  EXPECT_EQ(header.segment_size, kWalSegmentSize);
  EXPECT_EQ(header.block_size, 8192u);
}

TEST(WalFile, EveryVersionHasItsMagicAndNewerOnesAreTakenToo) {
  const std::pair<std::uint16_t, unsigned> known[] = {{0xD106, 13}, {0xD10D, 14}, {0xD110, 15},
                                                      {0xD113, 16}, {0xD116, 17}, {0xD118, 18}};
  for (const auto& [magic, version] : known) {
    EXPECT_EQ(parse_wal_header(page(magic)).version, version);
  }
  EXPECT_FALSE(parse_wal_header(page(0xD120)).version);
}

TEST(WalFile, WhatIsNoHeaderIsCorrupt) {
  const Bytes good = page();
  for (std::size_t size = 0; size < good.size(); ++size) {
    expect_error(Code::kCorrupt, [&] { parse_wal_header(ByteView(good).first(size)); });
  }
  expect_error(Code::kCorrupt, [&] { parse_wal_header(Bytes(8192)); });       // never written
  expect_error(Code::kCorrupt, [&] { parse_wal_header(page(0xC110)); });      // of something else
  expect_error(Code::kCorrupt, [&] { parse_wal_header(page(0xD110, 0)); });   // a short header
  expect_error(Code::kCorrupt, [&] { parse_wal_header(page(0xD110, 18)); });  // an unknown flag
  expect_error(Code::kCorrupt, [&] { parse_wal_header(page(0xD110, 2, 8192)); });
  expect_error(Code::kCorrupt, [&] { parse_wal_header(page(0xD110, 2, 0, 12345)); });
  expect_error(Code::kCorrupt, [&] { parse_wal_header(page(0xD110, 2, 0, kWalSegmentSize, 0)); });
}

TEST(WalFile, ErrorsNameTheFile) {
  const TempDir directory;
  const std::string path = directory / "000000010000000000000003";
  write_file_atomic(path, page());
  EXPECT_EQ(read_wal_header(path).system_identifier, 7301u);
  write_file_atomic(path, as_bytes("short"));
  const auto error = error_of([&] { read_wal_header(path); });
  ASSERT_TRUE(error);
  EXPECT_NE(error->message().find(path), std::string::npos);
  expect_error(Code::kNotFound, [&] { read_wal_header(directory / "absent"); });
}

TEST(WalFile, TheControlFileNamesTheSystem) {
  const TempDir directory;
  expect_error(Code::kNotFound, [&] { read_system_identifier(directory.path()); });
  make_directories(directory / "global");
  Bytes control(8192);
  control[0] = 0x85;
  control[1] = 0x1C;
  write_file_atomic(directory / "global/pg_control", control);
  EXPECT_EQ(read_system_identifier(directory.path()), 7301u);
  write_file_atomic(directory / "global/pg_control", as_bytes("1234567"));
  expect_error(Code::kCorrupt, [&] { read_system_identifier(directory.path()); });
  write_file_atomic(directory / "global/pg_control", Bytes(8192));
  expect_error(Code::kCorrupt, [&] { read_system_identifier(directory.path()); });
}

}  // namespace
}  // namespace holdfast
