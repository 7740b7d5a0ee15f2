#include "vault/log_object.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "store/expect_error.h"
#include "store/wrappers.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

LogName some_log_name() { return {"db", "7301234567890123456", "000000010000000000000003", {}}; }

Timestamp some_log_time() { return parse_rfc3339("2025-11-10T12:00:00.123456789Z"); }

// Half noise, half zeros: frames of both methods.
Bytes some_content(std::size_t size = 1000) {
  Bytes content = lcg_bytes(size / 2, 7);
  content.resize(size);
  return content;
}

struct LogObjectTest : testing::Test {
  Bytes encoded(const Bytes& content, const std::string& facts = R"({"lsn":"0/3000000"})") const {
    return encode_log(writer, some_log_name(), content, facts, some_log_time(), 1);
  }
  LogContent decoded(Bytes object, const LogName& name = some_log_name()) const {
    return decode_log(object, ring, name);
  }

  KeyRing ring = test_ring();
  KeyRing writer = ring.restricted_to(Role::kWriter);
  KeyRing op = ring.restricted_to(Role::kOperator);
};

TEST_F(LogObjectTest, RoundTripsAtEverySizeAroundAFrame) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, kLogFrame - 1,
                                 kLogFrame, kLogFrame + 1, 3 * kLogFrame + 5}) {
    const Bytes content = some_content(size);
    const LogContent back = decoded(encoded(content));
    EXPECT_EQ(back.bytes, content) << size;
    EXPECT_EQ(back.header.size, size);
    EXPECT_EQ(back.header.frames.size(), (size + kLogFrame - 1) / kLogFrame);
    EXPECT_EQ(back.header.created, some_log_time());
    EXPECT_EQ(back.header.facts, R"({"lsn":"0/3000000"})");
  }
}

// Around a part of the MAC, and with more parts than are hashed at once.
TEST_F(LogObjectTest, EveryByteIsInTheMac) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{65535}, std::size_t{65536},
                                 std::size_t{65537}, std::size_t{40 * 65536 + 3}}) {
    Bytes content = lcg_bytes(size, 11);
    const LogHeader header = decode_log_header(encoded(content), writer, some_log_name());
    EXPECT_EQ(header.version, 2u);
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      content[at] ^= 0x80;
      EXPECT_FALSE(is_content(writer, header, content)) << size << " at " << at;
      content[at] ^= 0x80;
    }
    EXPECT_TRUE(is_content(writer, header, content)) << size;
  }
}

TEST_F(LogObjectTest, TheMacIsWhatTheFormatSays) {
  const Bytes content = lcg_bytes(20 * 65536 + 1, 9);
  const Hmac hmac(*writer.id);
  Bytes all = to_bytes(as_bytes("log"));
  for (std::size_t at = 0; at < content.size(); at += 65536) {
    append(all,
           hmac(ByteView(content).subspan(at, std::min<std::size_t>(65536, content.size() - at))));
  }
  const LogHeader header = decode_log_header(encoded(content), writer, some_log_name());
  EXPECT_EQ(header.mac, hmac(all));
}

TEST_F(LogObjectTest, PartsThatChangePlacesChangeTheMac) {
  Bytes content = lcg_bytes(2 * 65536, 5);
  const LogHeader header = decode_log_header(encoded(content), writer, some_log_name());
  std::rotate(content.begin(), content.begin() + 65536, content.end());
  EXPECT_FALSE(is_content(writer, header, content));
}

TEST_F(LogObjectTest, ZerosAreSmallAndNoiseIsStoredAsItIs) {
  EXPECT_LT(encoded(Bytes(kLogFrame)).size(), 2000u);
  const Bytes noise = lcg_bytes(100000, 3);
  const LogContent back = decoded(encoded(noise));
  EXPECT_EQ(back.header.frames.at(0).method, FrameMethod::kStored);
  EXPECT_EQ(back.header.frames.at(0).sealed_length, noise.size() + kTagSize);
}

TEST_F(LogObjectTest, AWriterTellsSameBytesButReadsNone) {
  const Bytes content = some_content();
  Bytes object = encoded(content);
  const LogHeader header = decode_log_header(object, writer, some_log_name());
  EXPECT_TRUE(is_content(writer, header, content));
  Bytes other = content;
  other.back() ^= 1;
  EXPECT_FALSE(is_content(writer, header, other));
  other.pop_back();
  EXPECT_FALSE(is_content(writer, header, other));
  expect_error(Code::kDenied, [&] { decode_log(object, writer, some_log_name()); });
}

TEST_F(LogObjectTest, AnOperatorSeesTheHeaderAlone) {
  Bytes object = encoded(some_content());
  EXPECT_EQ(decode_log_header(object, op, some_log_name()).size, 1000u);
  expect_error(Code::kDenied, [&] { decode_log(object, op, some_log_name()); });
  const LogHeader header = decode_log_header(object, op, some_log_name());
  expect_error(Code::kDenied, [&] { is_content(op, header, Bytes(header.size)); });
  expect_error(Code::kDenied,
               [&] { encode_log(op, some_log_name(), object, "{}", some_log_time(), 1); });
}

TEST_F(LogObjectTest, SameBytesTwiceShareNoKeyOrNonce) {
  const Bytes first = encoded(some_content());
  const Bytes second = encoded(some_content());
  const auto session = [](const Bytes& object) {
    return to_bytes(ByteView(object).subspan(8, kSessionBlockSize));
  };
  EXPECT_NE(session(first), session(second));
  const std::size_t tail = 500;  // within the frame of noise
  EXPECT_NE(to_bytes(ByteView(first).last(tail)), to_bytes(ByteView(second).last(tail)));
}

TEST_F(LogObjectTest, IsBoundToItsKeyAndVault) {
  const Bytes object = encoded(some_content());
  LogName source = some_log_name(), stream = some_log_name(), file = some_log_name(),
          piece = some_log_name();
  source.source = "db2";
  stream.stream = "7301234567890123457";
  file.file = "000000010000000000000004";
  piece.piece = LogPiece{0, 1000};
  for (const LogName& name : {source, stream, file, piece}) {
    expect_error(Code::kCorrupt, [&] { decode_log_header(object, op, name); });
    expect_error(Code::kCorrupt, [&] { decoded(object, name); });
  }
  Bytes copy = object;
  expect_error(Code::kCorrupt, [&] { decode_log(copy, test_ring(2), some_log_name()); });
}

TEST_F(LogObjectTest, EveryChangedByteIsCorrupt) {
  const Bytes object = encoded(some_content(300));
  for (std::size_t i = 0; i < object.size(); ++i) {
    Bytes bad = object;
    bad[i] ^= 1;
    const auto error = error_of([&] { decoded(bad); });
    ASSERT_TRUE(error) << i;
    constexpr std::size_t kVersion = 5;  // a 3 looks like what a newer program wrote
    EXPECT_EQ(error->code(), i == kVersion ? Code::kUnsupported : Code::kCorrupt);
    EXPECT_NE(error->message().find(some_log_name().key()), std::string::npos);
    EXPECT_FALSE(error->hint().empty());
  }
}

TEST_F(LogObjectTest, AnUnknownVersionIsNoDamage) {
  Bytes object = encoded(some_content(300));
  for (const char version : {'3', '9'}) {
    object.at(5) = static_cast<std::uint8_t>(version);
    expect_error(Code::kUnsupported, [&] { decoded(object); });
  }
  for (const char version : {'0', ':', 'X'}) {
    object.at(5) = static_cast<std::uint8_t>(version);
    expect_error(Code::kCorrupt, [&] { decoded(object); });
  }
}

TEST_F(LogObjectTest, EveryOtherLengthIsCorrupt) {
  Bytes object = encoded(some_content(300));
  for (std::size_t size = 0; size < object.size(); ++size) {
    const Bytes cut(object.begin(), object.begin() + static_cast<std::ptrdiff_t>(size));
    expect_error(Code::kCorrupt, [&] { decoded(cut); });
  }
  object.push_back(0);
  expect_error(Code::kCorrupt, [&] { decoded(object); });
}

TEST_F(LogObjectTest, FramesOfTwoObjectsDoNotMix) {
  const Bytes a = encoded(lcg_bytes(300, 1));
  const Bytes b = encoded(lcg_bytes(300, 2));
  ASSERT_EQ(a.size(), b.size());
  Bytes mixed = a;
  const std::size_t frame = 300 + kTagSize;
  std::copy(b.end() - static_cast<std::ptrdiff_t>(frame), b.end(),
            mixed.end() - static_cast<std::ptrdiff_t>(frame));
  expect_error(Code::kCorrupt, [&] { decoded(mixed); });
}

TEST_F(LogObjectTest, FactsAreAnObjectOrRefused) {
  for (const char* facts : {"", "[]", "1", "{", "null"}) {
    expect_error(Code::kInvalid, [&] { encoded({}, facts); });
  }
  EXPECT_EQ(decoded(encoded({}, R"({"a":{"b":[1,2]},"c":"\u00e9"})")).header.facts,
            "{\"a\":{\"b\":[1,2]},\"c\":\"\u00e9\"}");
}

TEST_F(LogObjectTest, HeadersAreReadWithoutTheRest) {
  TestVault vault;
  StoreCounters counters;
  CountingStore store(vault.store, counters);
  const Bytes content = lcg_bytes(kLogFrame, 1);
  store.put_new(some_log_name().key(), encoded(content));
  EXPECT_EQ(read_log_header(store, op, some_log_name()).size, content.size());
  EXPECT_LE(counters.bytes_read, 4096u);
  // Facts beyond the first read.
  const std::string facts = R"({"long":")" + std::string(10000, 'x') + "\"}";
  store.put(some_log_name().key(), encoded({}, facts));
  EXPECT_EQ(read_log_header(store, op, some_log_name()).facts, facts);
  LogName absent = some_log_name();
  absent.file = "000000010000000000000004";
  expect_error(Code::kNotFound, [&] { read_log_header(store, op, absent); });
}

TEST_F(LogObjectTest, HeadersOfDamagedObjectsAreCorrupt) {
  TestVault vault;
  const Bytes object = encoded(some_content(100));
  for (std::size_t size = 0; size + 100 + kTagSize < object.size(); ++size) {
    vault.store.put(some_log_name().key(), ByteView(object).first(size));
    expect_error(Code::kCorrupt, [&] { read_log_header(vault.store, op, some_log_name()); });
  }
}

TEST(LogName, KeysRoundTrip) {
  LogName piece = some_log_name();
  piece.piece = LogPiece{0x100, 0xFFFFFFFF};
  EXPECT_EQ(some_log_name().key(), "log/db/7301234567890123456/000000010000000000000003.hfl");
  EXPECT_EQ(piece.key(),
            "log/db/7301234567890123456/000000010000000000000003.00000100-FFFFFFFF.hfl");
  for (LogName name : {some_log_name(), piece, LogName{"a.b", "main", "binlog.000001", {}},
                       LogName{"a", "1", "000000010000000000000003.00000028.backup", {}},
                       LogName{"a", "1", "000000010000000000000003.partial", LogPiece{1, 2}},
                       LogName{"a", "1", "00000002.history", {}}}) {
    check_log_name(name);
    EXPECT_EQ(parse_log_key(name.key()), name) << name.key();
    check_key(name.key());
  }
}

TEST(LogName, OtherKeysAreRefused) {
  for (const char* key :
       {"", "log/", "log/.hfl", "log/db/1/.hfl", "log/db//0.hfl", "log//1/0.hfl", "log/db/0.hfl",
        "log/DB/1/0.hfl", "log/db/1/0", "log/db/1/a/0.hfl", "log/db/1/.0.hfl", "log/db/-1/0.hfl",
        "log/db/1/a b.hfl", "files/db/1/0.hfl", "log/db/1/.00000000-00000001.hfl"}) {
    EXPECT_FALSE(parse_log_key(key)) << key;
  }
  // What looks like a piece without being one is a name of its own.
  for (const char* file : {"a.00000002-00000002", "a.0000000a-0000000b", "a.0000000-000000001"}) {
    const auto name = parse_log_key("log/db/1/" + std::string(file) + ".hfl");
    ASSERT_TRUE(name) << file;
    EXPECT_FALSE(name->piece);
    EXPECT_EQ(name->file, file);
  }
}

TEST(LogName, NamesWithoutAKeyAreRefused) {
  const std::string at_most(128, 'x');
  check_log_name({"db", "1", at_most, {}});
  for (const LogName& name :
       {LogName{"", "1", "x", {}}, LogName{"db", "", "x", {}}, LogName{"db", "1", "", {}},
        LogName{"db", "1", "../x", {}}, LogName{"db", "1", at_most + "x", {}},
        LogName{"db", std::string(64, '1'), "x", {}}, LogName{"db", "1", "x", LogPiece{2, 2}},
        LogName{"db", "1", "x.00000000-00000001", {}}}) {
    expect_error(Code::kInvalid, [&] { check_log_name(name); });
  }
}

}  // namespace
}  // namespace holdfast
