#include "source/postgres/wal_reader.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/throws.h"
#include "wal_maker.h"

namespace holdfast {
namespace {

struct Seen {
  Lsn lsn, end;
  std::uint32_t xid;
  Bytes main;
  bool operator==(const Seen&) const = default;
};

struct Reading {
  std::vector<Seen> records;
  std::optional<Error> error;
  bool ended = false;
  Lsn last_end = 0;
  std::optional<CutRecordTail> tail;
  std::optional<CutRecordHead> head;
};

template <typename NextSize>
Reading run(ByteView data, const WalReaderOptions& options, NextSize next_size) {
  Reading result;
  WalReader reader(options, [&](const WalRecord& record) {
    result.records.push_back({record.lsn, record.end_lsn, record.xid, to_bytes(record.main_data)});
  });
  try {
    while (!data.empty()) {
      const std::size_t size = std::min<std::size_t>(next_size(), data.size());
      reader.feed(data.first(size));
      data = data.subspan(size);
    }
  } catch (const Error& error) {
    result.error = error;
  }
  result.ended = reader.ended();
  result.last_end = reader.last_record_end();
  result.tail = reader.tail();
  result.head = reader.head();
  return result;
}

WalReaderOptions from(Lsn start) {
  WalReaderOptions options;
  options.start = start;
  return options;
}

Reading run_whole(const WalMaker& log, WalReaderOptions options = from(Lsn{5} << 20)) {
  return run(log.bytes(), options, [&] { return log.bytes().size(); });
}

WalMaker::Record of_size(std::size_t size, std::uint32_t xid = 9) {
  Bytes main(size);
  std::mt19937 random(xid);
  for (auto& byte : main) byte = static_cast<std::uint8_t>(random());
  return {10, 0x00, xid, main};
}

// Records of all kinds of lengths, over many pages and three segments.
WalMaker varied_log(const WalMaker::Shape& shape = {}) {
  WalMaker log(shape);
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < 600; ++i) {
    log.add(of_size(i % 50 == 49 ? 30'000 + i : random() % 600, i + 1));
    if (i == 300) log.add_switch();
  }
  log.add(of_size(3'000'000, 601));
  log.add(WalMaker::commit(5));
  return log;
}

TEST(WalReader, FindsTheSameRecordsInAnyPortions) {
  const WalMaker log = varied_log();
  const Reading whole = run_whole(log);
  ASSERT_FALSE(whole.error) << whole.error->what();
  ASSERT_EQ(whole.records.size(), 603u);
  EXPECT_EQ(whole.records[301].end, Lsn{6} << 20);      // the switch
  EXPECT_EQ(whole.records[601].main.size(), 1u << 20);  // the limit
  const Reading bytes = run(log.bytes(), from(Lsn{5} << 20), [] { return 1; });
  EXPECT_EQ(bytes.records, whole.records);
  for (unsigned seed = 0; seed < 10; ++seed) {
    std::mt19937 random(seed);
    const Reading parts =
        run(log.bytes(), from(Lsn{5} << 20), [&] { return 1 + random() % 20'000; });
    EXPECT_EQ(parts.records, whole.records);
    EXPECT_EQ(parts.last_end, log.position());
  }
}

TEST(WalReader, KnowsOtherPagesSegmentsAndVersions) {
  for (const auto& version : kWalVersions) {
    for (const std::uint32_t page : {4096u, 8192u, 16384u, 65536u}) {
      const Lsn start = Lsn{3} << 24;
      const WalMaker log = varied_log({start, 2, version.magic, 1u << 24, page, 5});
      WalReaderOptions options = from(start);
      options.timeline = 2;
      std::size_t records = 0;
      WalReader reader(options, [&](const WalRecord& record) {
        EXPECT_EQ(record.major, version.major);
        ++records;
      });
      reader.feed(log.bytes());
      EXPECT_EQ(records, 603u);
      EXPECT_EQ(reader.page_size(), page);
      EXPECT_EQ(reader.segment_size(), 1u << 24);
      EXPECT_EQ(reader.system_id(), 5u);
      EXPECT_EQ(reader.timeline(), 2u);
    }
  }
}

TEST(WalReader, ParsesBlockHeadersOfEachVersion) {
  // A block with an image that has a hole and is compressed, one of the same relation with data,
  // an origin and a top-level transaction.
  for (const int major : {14, 15}) {
    const auto image_flags = static_cast<std::uint8_t>(major >= 15 ? 0x09 : 0x03);
    Bytes headers = {0, 0x30, 5, 0, 7, 0, 100, 0, image_flags, 8, 0};
    headers.resize(headers.size() + 16);
    append(headers, Bytes{1, 0xa0, 3, 0, 0, 0, 0, 0, 253, 1, 0, 252, 9, 0, 0, 0});
    WalMaker log({Lsn{5} << 20, 1, static_cast<std::uint16_t>(major >= 15 ? 0xd110 : 0xd10d)});
    log.add({10, 0, 3, {1, 2, 3}, headers, Bytes(15, 0xee)});
    const Reading read = run_whole(log);
    ASSERT_FALSE(read.error) << read.error->what();
    ASSERT_EQ(read.records.size(), 1u);
    EXPECT_EQ(read.records[0].main, (Bytes{1, 2, 3}));
  }
}

TEST(WalReader, BeginsInTheMiddleOfARecord) {
  WalMaker log;
  for (std::uint32_t i = 0; i < 2000; ++i) log.add(of_size(700, i + 1));
  const Reading whole = run_whole(log);
  WalReaderOptions options = from(Lsn{5} << 20);
  options.segment_size = 1u << 20;
  for (const Lsn offset : {Lsn{8192}, Lsn{65536}, Lsn{1} << 20}) {
    options.start = (Lsn{5} << 20) + offset;
    const Reading part = run(ByteView(log.bytes()).subspan(offset), options, [] { return 1000; });
    ASSERT_FALSE(part.error) << part.error->what();
    ASSERT_TRUE(part.tail);
    EXPECT_LE(part.tail->end_lsn, part.records.front().lsn);
    ASSERT_LT(part.records.size(), whole.records.size());
    EXPECT_TRUE(std::equal(part.records.rbegin(), part.records.rend(), whole.records.rbegin()));
  }
  options.segment_size = 0;  // only a segment's beginning says how long it is
  options.start = (Lsn{5} << 20) + 8192;
  EXPECT_EQ(thrown_by([&] { WalReader(options, [](const WalRecord&) {}); }), Code::kInvalid);
}

TEST(WalReader, KeepsBothHalvesOfACutRecord) {
  WalMaker log;
  log.add(WalMaker::commit(1));
  const Lsn lsn = log.add(of_size(2'500'000));  // from segment 5 into 7
  log.add(WalMaker::commit(2));
  const ByteView bytes = log.bytes();
  const std::size_t segment = 1u << 20;
  const auto part = [&](std::size_t number, std::size_t size) {
    return run(bytes.subspan(number * segment, size), from((5 + number) * segment),
               [] { return 999; });
  };
  const Reading first = part(0, segment);
  ASSERT_TRUE(first.head);
  EXPECT_FALSE(first.tail);
  EXPECT_EQ(first.head->lsn, lsn);
  EXPECT_EQ(first.head->bytes.size(), kCutRecordBytes);
  const Reading middle = part(1, segment);
  ASSERT_TRUE(middle.tail);
  EXPECT_FALSE(middle.head);
  EXPECT_EQ(middle.tail->end_lsn, 0u);
  EXPECT_TRUE(middle.records.empty());
  const Reading last = part(2, bytes.size() - 2 * segment);
  ASSERT_TRUE(last.tail);
  ASSERT_EQ(last.records.size(), 1u);
  EXPECT_EQ(last.tail->end_lsn, last.records[0].lsn);
}

TEST(WalReader, TheHeadIsWhatHasComeOfTheRecord) {
  WalMaker log;
  for (std::uint32_t i = 0; i < 20; ++i) log.add(of_size(100 + i, i + 1));
  const Lsn start = Lsn{5} << 20;
  for (std::size_t size = kLongPageHeader; size <= log.bytes().size(); ++size) {
    WalReader reader(from(start), [](const WalRecord&) {});
    reader.feed(ByteView(log.bytes()).first(size));
    const Lsn end = std::max<Lsn>(reader.last_record_end(), start + kLongPageHeader);
    const auto head = reader.head();
    ASSERT_EQ(head.has_value(), start + size > end) << size;
    if (!head) continue;
    EXPECT_EQ(head->lsn, end);
    EXPECT_EQ(head->bytes,
              to_bytes(ByteView(log.bytes()).subspan(end - start, start + size - end)));
  }
}

TEST(WalReader, ZerosAreTheEndAndNothingMayFollowThem) {
  WalMaker log;
  log.add(WalMaker::commit(1));
  const Lsn end = log.position();
  log.fill_segment();
  const Reading read = run_whole(log);
  EXPECT_FALSE(read.error);
  EXPECT_TRUE(read.ended);
  EXPECT_EQ(read.last_end, end);
  for (const std::size_t at : {std::size_t{300}, std::size_t{8192}, (std::size_t{1} << 20) - 1}) {
    Bytes spoiled = log.bytes();
    spoiled[at] = 1;
    const Reading bad = run(spoiled, from(Lsn{5} << 20), [] { return 4096; });
    ASSERT_TRUE(bad.error);
    EXPECT_EQ(bad.error->code(), Code::kCorrupt);
    EXPECT_NE(bad.error->message().find(format_lsn((Lsn{5} << 20) + at)), std::string::npos)
        << bad.error->what();
    EXPECT_EQ(bad.last_end, end);
  }
}

TEST(WalReader, APageOfZerosInsideARecordIsTheEnd) {
  WalMaker log;
  log.add(WalMaker::commit(1));
  const Lsn lsn = log.add(of_size(20'000));
  Bytes bytes = log.bytes();
  std::fill(bytes.begin() + 16384, bytes.end(), std::uint8_t{0});
  const Reading read = run(bytes, from(Lsn{5} << 20), [] { return 5000; });
  EXPECT_FALSE(read.error);
  EXPECT_TRUE(read.ended);
  ASSERT_TRUE(read.head);
  EXPECT_EQ(read.head->lsn, lsn);
}

TEST(WalReader, GoesOnAfterARecordWhoseRestIsMissing) {
  for (const std::size_t keep : {std::size_t{8112}, std::size_t{10'000}}) {
    WalMaker log;
    log.add(WalMaker::commit(1));
    log.add_torn(of_size(30'000), keep);
    log.add({kRmXlog, 0xd0, 0, Bytes(16)});
    log.add(WalMaker::commit(2));
    const Reading read = run_whole(log);
    ASSERT_FALSE(read.error) << read.error->what();
    EXPECT_EQ(read.records.size(), 3u);
  }
}

TEST(WalReader, SeesEveryFlippedBit) {
  WalMaker log;
  for (std::uint32_t i = 0; i < 40; ++i) log.add(of_size(i % 2 ? 33 : 500, i + 1));
  const Reading whole = run_whole(log);
  std::size_t harmless = 0;
  for (std::size_t at = 0; at < log.bytes().size(); ++at) {
    Bytes spoiled = log.bytes();
    spoiled[at] ^= static_cast<std::uint8_t>(1u << at % 8);
    const Reading bad = run(spoiled, from(Lsn{5} << 20), [] { return 100'000; });
    // A damaged length may make the record go beyond the input.
    const bool seen = bad.error || bad.records.size() < whole.records.size();
    if (!seen) {
      ++harmless;
      EXPECT_EQ(bad.records, whole.records) << at;
    }
  }
  // What carries nothing: padding after records and in page headers, the system identifier.
  EXPECT_LT(harmless, 40u * 7 + 3 * 24) << log.bytes().size();
}

TEST(WalReader, SaysWhereItIsBrokenAgainAndAgain) {
  WalMaker log;
  log.add(WalMaker::commit(1));
  const Lsn second = log.add(WalMaker::commit(2));
  Bytes bytes = log.bytes();
  bytes[second - (Lsn{5} << 20) + 30] ^= 1;
  WalReader reader(from(Lsn{5} << 20), [](const WalRecord&) {});
  EXPECT_EQ(thrown_by([&] { reader.feed(bytes); }), Code::kCorrupt);
  EXPECT_EQ(reader.last_record_end(), second);
  try {
    reader.feed(bytes);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "the log at 0/500050: the record's checksum is wrong");
  }
}

TEST(WalReader, RefusesPagesThatDoNotBelong) {
  WalMaker log;
  for (std::uint32_t i = 0; i < 50; ++i) log.add(of_size(500, i + 1));
  const auto error_with = [&](std::size_t at, std::uint8_t value) {
    Bytes bytes = log.bytes();
    bytes[at] = value;
    return run(bytes, from(Lsn{5} << 20), [] { return 100'000; }).error;
  };
  const auto unknown = error_with(0, 0x99);
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->code(), Code::kUnsupported);
  for (const std::size_t at : {1u, 2u, 3u, 8u, 32u, 36u, 8192u, 8194u, 8196u, 8202u, 8208u}) {
    const auto error = error_with(at, 0x55);
    ASSERT_TRUE(error) << at;
    EXPECT_EQ(error->code(), Code::kCorrupt) << at << error->what();
  }
  WalReaderOptions options = from(Lsn{5} << 20);
  options.timeline = 1;
  WalMaker later({Lsn{5} << 20, 2});
  later.add(WalMaker::commit(1));
  EXPECT_TRUE(run_whole(later, options).error);
}

}  // namespace
}  // namespace holdfast
