// The age format: the vectors of its specification's test kit (C2SP/CCTV), and every way to alter a
// file. tests/codec/age_program_test.cpp has the age program itself.
#include "codec/age.h"

#include <gtest/gtest.h>

#include "base/throws.h"
#include "codec/kdf.h"
#include "codec/random_data.h"
#include "codec/stream_support.h"

namespace holdfast {
namespace {

constexpr const char* kIdentity =
    "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6";
constexpr const char* kVersion = "age-encryption.org/v1\n";
constexpr const char* kStanza =
    "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n"
    "EmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n";
constexpr const char* kMac = "--- Vn+54jqiiUCE+WZcEVY3f1sqHjlu/z1LCQ/T7Xm7qI0\n";
// Nonce and one chunk with the text "age".
constexpr const char* kPayload =
    "eecf62c7ce91b433274e68d4f2f9134cb74c5bfef7beaa52c8f0bc0e992c1e8331fb66";

Bytes file_of(const std::string& header, const std::string& payload = kPayload) {
  Bytes file = to_bytes(as_bytes(header));
  append(file, from_hex(payload));
  return file;
}

std::string open_file(ByteView file, const std::string& identity = kIdentity,
                      std::size_t piece = 1000) {
  Bytes plain;
  AgeReader reader({parse_age_identity(identity)}, into(plain));
  pump(reader, file, piece);
  return std::string(as_text(plain));
}

std::optional<Code> code_of(ByteView file) {
  return thrown_by([&] { open_file(file); });
}

std::string with(const std::string& more, const std::string& mac) {
  return kVersion + more + mac + "\n";
}

TEST(AgeVectors, OneRecipient) {
  const Bytes file = file_of(std::string(kVersion) + kStanza + kMac);
  EXPECT_EQ(open_file(file), "age");
  EXPECT_EQ(open_file(file, kIdentity, 1), "age");
}

TEST(AgeVectors, SeveralRecipients) {
  const std::string header = with(
      "-> X25519 ajtqAvDEkVNr2B7zUOtq2mAQXDSBlNrVAuM/dKb5sT4\n"
      "0evrK/HQXVsQ4YaDe+659l5OQzvAzD2ytLGHQLQiqxg\n"
      "-> X25519 0qC7u6AbLxuwnM8tPFOWVtWZn/ZZe7z7gcsP5kgA0FI\n"
      "T/PZg76MmVt2IaLntrxppzDnzeFDYHsHFcnTnhbRLQ8\n",
      "--- 7W07ef2PhsTAl74pn+9vSj/Xzukwa6SuTqMc16cdBk0");
  EXPECT_EQ(open_file(file_of(
                header, "f0b818be0f355442399920ad8084964b6f95c36db35e4f59d8f89e3cf26f2d1fa54213")),
            "age");
}

TEST(AgeVectors, UnknownStanzasAreIgnored) {
  EXPECT_EQ(open_file(file_of(with(std::string("-> grease\n\n") + kStanza + "-> grease\n\n",
                                   "--- 7NLrfbRUZt6qK0pdtARUf59dHwo12ReldjJKjMlbE3I"))),
            "age");
  EXPECT_EQ(open_file(file_of(
                with(std::string("-> !\"#$%&' ()*+,-./ 01234567 89:;<=>? @ABCDEFG HIJKLMNO\n\n"
                                 "-> PQRSTUVW XYZ[\\]^_ `abcdefg hijklmno pqrstuvw xyz{|}~\n\n") +
                         kStanza,
                     "--- x538z9xJq9XEK1aTTTv80aWDVvVdROvaXn2tpqXPC8g"))),
            "age");
  EXPECT_EQ(open_file(file_of(
                with(std::string(kStanza) +
                         "-> stanza\n"
                         "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\n\n",
                     "--- +3PC416gxa7Mk7WxpX0kb6DVfSuCun0niGre+G4bZhE"))),
            "age");
}

// Each has a right MAC; what is wrong is what the name says.
TEST(AgeVectors, HeadersThatAreRefused) {
  const std::string not_canonical_body = with(
      "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n"
      "EmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7V\n",
      "--- eSjjCjQyp30yHDPwCztKS+1txs+aoCa5ERz8jeEp+9A");
  EXPECT_EQ(code_of(file_of(not_canonical_body)), Code::kCorrupt);
  const std::string extra_argument = with(
      "-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc 1234\n"
      "EmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n",
      "--- hQQySEUXL8pOuIOuw0qXzi66RphDJP9IKMNEChNJIPk");
  EXPECT_EQ(code_of(file_of(extra_argument)), Code::kCorrupt);
  const std::string missing_final_line =
      with(std::string(kStanza) +
               "-> stanza\n"
               "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n",
           "--- GRjUy1ShNhFoV3cQikdtUZqDeDEZSrbtNXUgDtDbwC8");
  EXPECT_EQ(code_of(file_of(missing_final_line)), Code::kCorrupt);
  const std::string no_mac = std::string(kVersion) + kStanza + "--- \n";
  EXPECT_EQ(code_of(file_of(no_mac)), Code::kCorrupt);
  const std::string wrong_mac =
      std::string(kVersion) + kStanza + "--- Vn+54jqiiUCE+WZcEVY3f1sqHjlu/z1LCQ/T7Xm7qI1\n";
  EXPECT_EQ(code_of(file_of(wrong_mac)), Code::kCorrupt);
}

TEST(AgeVectors, AShareOfLowOrderIsRefused) {
  const std::string header = with(
      "-> X25519 X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEdc\n"
      "3E0NpFans/m0WLWF7+54ZBdNj3iqQqpraGDFiaRkvBA\n",
      "--- sXw327YMT1/ULXe+ZyRMbMY0Z2jnWHGgI9j1we6yQ8A");
  EXPECT_EQ(thrown_by([&] {
              open_file(file_of(header),
                        "AGE-SECRET-KEY-"
                        "1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0");
            }),
            Code::kCorrupt);
}

TEST(AgeVectors, APayloadWithoutChunksIsRefused) {
  EXPECT_EQ(
      code_of(file_of(std::string(kVersion) + kStanza + kMac, "eecf62c7ce91b433274e68d4f2f9134c")),
      Code::kCorrupt);
}

TEST(AgeKeys, OfTheSpecification) {
  const Key identity = parse_age_identity(
      "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX");
  Key expected;
  expected.fill(0x42);
  EXPECT_EQ(identity, expected);
  EXPECT_EQ(age_recipient_text(public_key_of(identity)),
            "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj");
  EXPECT_EQ(age_identity_text(identity),
            "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX");
  EXPECT_EQ(parse_age_recipient("age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"),
            public_key_of(identity));
}

TEST(AgeKeys, OthersAreRefused) {
  for (const char* text :
       {"", "age1", "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwk",
        "AGE1ZVKYG2LQZRAA2LNJVQEJ32NKUU0UES2S82HZRYE869XEEXVN73EQUNUJWJ", kIdentity}) {
    EXPECT_EQ(thrown_by([&] { parse_age_recipient(text); }), Code::kInvalid) << text;
  }
  try {
    parse_age_identity(std::string(kIdentity) + "q");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find("1XMWW"), std::string::npos) << "a secret in a message";
  }
}

TEST(AgeKeys, AFileOfThem) {
  const std::string file =
      std::string("# created: 2025-11-10\n# public key: age1...\n") + kIdentity + "\r\n\n";
  EXPECT_EQ(parse_age_identities(file), std::vector<Key>{parse_age_identity(kIdentity)});
  EXPECT_EQ(thrown_by([] { parse_age_identities("# nothing\n"); }), Code::kInvalid);
  EXPECT_EQ(thrown_by([] { parse_age_identities("password\n"); }), Code::kInvalid);
}

class AgeStreams : public testing::Test {
 protected:
  Bytes sealed(ByteView plain) const {
    Bytes file;
    AgeWriter writer({public_key_of(other_), public_key_of(identity_)}, into(file));
    pump(writer, plain);
    return file;
  }
  Bytes opened(ByteView file, std::size_t piece = 65'536) const {
    Bytes plain;
    AgeReader reader({identity_}, into(plain));
    pump(reader, file, piece);
    return plain;
  }
  std::optional<Code> refusal(ByteView file) const {
    return thrown_by([&] { opened(file); });
  }
  // Where the sealed chunks begin.
  static std::size_t payload_of(ByteView file) {
    const std::string_view text = as_text(file);
    return text.find('\n', text.find("\n---") + 1) + 1 + 16;
  }

  const Key identity_ = lcg_array<32>(1);
  const Key other_ = lcg_array<32>(2);
};

TEST_F(AgeStreams, RoundTripsAroundTheSizeOfAChunk) {
  for (const std::size_t size : {0, 1, 65'535, 65'536, 65'537, 131'072, 131'073, 300'000}) {
    const Bytes plain = lcg_bytes(size, size);
    const Bytes file = sealed(plain);
    const std::size_t chunks = std::max<std::size_t>(1, (size + 65'535) / 65'536);
    EXPECT_EQ(file.size(), payload_of(file) + size + chunks * 16) << size;
    EXPECT_EQ(opened(file), plain) << size;
    EXPECT_EQ(opened(file, 7), plain) << size;
  }
}

TEST_F(AgeStreams, EachRecipientCanOpenItAndNobodyElse) {
  const Bytes plain = lcg_bytes(1000, 3);
  const Bytes file = sealed(plain);
  for (const Key& identity : {identity_, other_}) {
    Bytes out;
    AgeReader reader({lcg_array<32>(9), identity}, into(out));
    pump(reader, file);
    EXPECT_EQ(out, plain);
  }
  Bytes out;
  EXPECT_EQ(thrown_by([&] {
              AgeReader reader({lcg_array<32>(9)}, into(out));
              pump(reader, file);
            }),
            Code::kDenied);
  EXPECT_TRUE(out.empty());
}

TEST_F(AgeStreams, TwoFilesOfTheSameContentHaveNothingInCommon) {
  const Bytes plain = lcg_bytes(100, 3);
  const Bytes a = sealed(plain);
  const Bytes b = sealed(plain);
  EXPECT_NE(to_bytes(ByteView(a).subspan(payload_of(a))),
            to_bytes(ByteView(b).subspan(payload_of(b))));
}

TEST_F(AgeStreams, EveryCutIsNoticed) {
  const Bytes file = sealed(lcg_bytes(70'000, 4));
  for (std::size_t size = 0; size < file.size(); size += size < 500 ? 1 : 97) {
    EXPECT_EQ(refusal(ByteView(file).first(size)), Code::kCorrupt) << size;
  }
  // Exactly behind a chunk that was not the last.
  EXPECT_EQ(refusal(ByteView(file).first(payload_of(file) + 65'536 + 16)), Code::kCorrupt);
}

TEST_F(AgeStreams, EveryChangedByteIsNoticed) {
  const Bytes plain = lcg_bytes(300, 5);
  Bytes file = sealed(plain);
  for (std::size_t i = 0; i < file.size(); ++i) {
    file[i] ^= 1;
    const auto code = refusal(file);
    // In the other recipient's stanza it is the MAC that tells; in ours nothing opens.
    EXPECT_TRUE(code == Code::kCorrupt || code == Code::kDenied || code == Code::kUnsupported) << i;
    file[i] ^= 1;
  }
  EXPECT_EQ(opened(file), plain);
}

TEST_F(AgeStreams, ChunksCannotBeMovedDroppedRepeatedOrAdded) {
  const Bytes plain = lcg_bytes(4 * 65'536, 6);
  const Bytes file = sealed(plain);
  const std::size_t begin = payload_of(file);
  constexpr std::size_t kSealed = 65'536 + 16;
  ASSERT_EQ(file.size(), begin + 4 * kSealed);
  const auto with_chunks = [&](std::initializer_list<std::size_t> chunks) {
    Bytes made(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(begin));
    for (const std::size_t chunk : chunks) {
      append(made, ByteView(file).subspan(begin + chunk * kSealed, kSealed));
    }
    return made;
  };
  EXPECT_EQ(opened(with_chunks({0, 1, 2, 3})), plain);
  EXPECT_EQ(refusal(with_chunks({1, 0, 2, 3})), Code::kCorrupt);
  EXPECT_EQ(refusal(with_chunks({0, 2, 3})), Code::kCorrupt);
  EXPECT_EQ(refusal(with_chunks({0, 1, 2})), Code::kCorrupt);
  EXPECT_EQ(refusal(with_chunks({0, 1, 1, 2, 3})), Code::kCorrupt);
  EXPECT_EQ(refusal(with_chunks({0, 1, 2, 3, 3})), Code::kCorrupt);
  Bytes longer = file;
  longer.push_back(0);
  EXPECT_EQ(refusal(longer), Code::kCorrupt);
}

// A last chunk that is empty behind others is allowed by the cipher and forbidden by the format.
TEST_F(AgeStreams, AnEmptyLastChunkIsRefused) {
  const AgeFileKey file_key = lcg_array<16>(7);
  const Bytes nonce = lcg_bytes(16, 8);
  Bytes file = to_bytes(as_bytes(make_age_header(file_key, {public_key_of(identity_)})));
  append(file, nonce);
  AgePayloadCipher cipher(file_key, nonce);
  Bytes chunk(65'536 + 16);
  cipher.seal(Bytes(65'536), false, chunk);
  append(file, chunk);
  Bytes last(16);
  cipher.seal({}, true, last);
  append(file, last);
  EXPECT_EQ(refusal(file), Code::kCorrupt);
}

TEST_F(AgeStreams, NothingUnauthenticatedComesOut) {
  const Bytes plain = lcg_bytes(200'000, 6);
  Bytes file = sealed(plain);
  file[payload_of(file) + 2 * (65'536 + 16) + 5] ^= 1;
  Bytes out;
  AgeReader reader({identity_}, into(out));
  EXPECT_EQ(thrown_by([&] { pump(reader, file); }), Code::kCorrupt);
  EXPECT_EQ(out, Bytes(plain.begin(), plain.begin() + 2 * 65'536));
}

TEST_F(AgeStreams, OtherFilesAreRefusedAtOnce) {
  Bytes out;
  const auto code_at_once = [&](std::string_view text) {
    return thrown_by([&] { AgeReader({identity_}, into(out)).write(as_bytes(text)); });
  };
  EXPECT_EQ(code_at_once("\x1f\x8b\x08"), Code::kCorrupt);
  EXPECT_EQ(code_at_once("-----BEGIN AGE ENCRYPTED FILE-----\n"), Code::kUnsupported);
  EXPECT_EQ(code_at_once("age-encryption.org/v2\n--- \n"), Code::kUnsupported);
  EXPECT_EQ(code_at_once("age-encryption.org/v1\n" + std::string(2u << 20, 'A')), Code::kCorrupt);
}

}  // namespace
}  // namespace holdfast
