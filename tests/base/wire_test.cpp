#include "base/wire.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "base/throws.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kUnsigned[] = {
    0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0xffffffff, std::uint64_t{1} << 63, ~std::uint64_t{0}};
constexpr std::int64_t kSigned[] = {0,
                                    1,
                                    -1,
                                    63,
                                    -64,
                                    64,
                                    -65,
                                    1000,
                                    std::numeric_limits<std::int64_t>::max(),
                                    std::numeric_limits<std::int64_t>::min()};

Bytes written(std::uint64_t value) {
  Bytes out;
  WireWriter(out).varint(value);
  return out;
}

TEST(Wire, FixedIsLittleEndian) {
  Bytes out;
  WireWriter writer(out);
  writer.fixed(std::uint32_t{0x01020304});
  writer.fixed(std::uint8_t{5});
  EXPECT_EQ(out, (Bytes{4, 3, 2, 1, 5}));
  WireReader reader(out);
  EXPECT_EQ(reader.fixed<std::uint32_t>(), 0x01020304u);
  EXPECT_EQ(reader.fixed<std::uint8_t>(), 5u);
  EXPECT_TRUE(reader.done());
}

TEST(Wire, VarintKnownAnswers) {
  EXPECT_EQ(written(0), (Bytes{0}));
  EXPECT_EQ(written(127), (Bytes{0x7f}));
  EXPECT_EQ(written(300), (Bytes{0xac, 0x02}));
  EXPECT_EQ(written(~std::uint64_t{0}).size(), 10u);
}

TEST(Wire, VarintsRoundTrip) {
  for (const std::uint64_t value : kUnsigned) {
    const Bytes out = written(value);
    WireReader reader(out);
    EXPECT_EQ(reader.varint(), value);
    EXPECT_TRUE(reader.done());
  }
  for (const std::int64_t value : kSigned) {
    Bytes out;
    WireWriter(out).signed_varint(value);
    WireReader reader(out);
    EXPECT_EQ(reader.signed_varint(), value);
    EXPECT_TRUE(reader.done());
  }
}

TEST(Wire, SmallMagnitudesAreShort) {
  for (const std::int64_t value : {63, -64}) {
    Bytes out;
    WireWriter(out).signed_varint(value);
    EXPECT_EQ(out.size(), 1u);
  }
}

TEST(Wire, OverlongVarintsAreCorrupt) {
  Bytes too_big(9, 0xff);
  too_big.push_back(0x02);
  EXPECT_EQ(thrown_by([&] { WireReader(too_big).varint(); }), Code::kCorrupt);
  const Bytes endless(20, 0x80);
  EXPECT_EQ(thrown_by([&] { WireReader(endless).varint(); }), Code::kCorrupt);
}

TEST(Wire, HugeLengthsAreCorrupt) {
  for (const std::uint64_t size : {std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    const Bytes out = written(size);
    EXPECT_EQ(thrown_by([&] { WireReader(out).string(); }), Code::kCorrupt) << size;
  }
}

Bytes record() {
  Bytes out;
  WireWriter writer(out);
  writer.fixed(std::uint64_t{0x1122334455667788});
  writer.string("name");
  writer.varint(1'000'000);
  writer.signed_varint(-1'000'000);
  writer.string("");
  writer.raw(as_bytes("tail"));
  return out;
}

void read_record(ByteView data) {
  WireReader reader(data);
  EXPECT_EQ(reader.fixed<std::uint64_t>(), 0x1122334455667788u);
  EXPECT_EQ(reader.string(), "name");
  EXPECT_EQ(reader.varint(), 1'000'000u);
  EXPECT_EQ(reader.signed_varint(), -1'000'000);
  EXPECT_EQ(reader.string(), "");
  EXPECT_EQ(reader.left(), data.size() - reader.position());
  EXPECT_EQ(as_text(reader.raw(4)), "tail");
  EXPECT_TRUE(reader.done());
}

TEST(Wire, RecordsRoundTrip) { read_record(record()); }

TEST(Wire, EveryTruncationIsCorrupt) {
  const Bytes whole = record();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // A copy of just that size, so that a sanitizer sees any read behind it.
    const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(thrown_by([&] { read_record(part); }), Code::kCorrupt) << size;
  }
}

}  // namespace
}  // namespace holdfast
