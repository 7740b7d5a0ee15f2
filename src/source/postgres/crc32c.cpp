#include "source/postgres/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace holdfast {

namespace {

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// Table k advances one byte over k bytes of zero.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    tables[0][i] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t i = 0; i < 256; ++i) {
      tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t one_byte(std::uint32_t crc, std::uint8_t byte) {
  return crc >> 8 ^ kTables[0][(crc ^ byte) & 0xff];
}

std::uint32_t load_le32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} | std::uint32_t{at[1]} << 8 | std::uint32_t{at[2]} << 16 |
         std::uint32_t{at[3]} << 24;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t crc, ByteView data) {
  const std::uint8_t* at = data.data();
  std::size_t left = data.size();
  std::uint64_t wide = ~crc;
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    wide = _mm_crc32_u64(wide, word);
  }
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; left > 0; --left, ++at) narrow = _mm_crc32_u8(narrow, *at);
  return ~narrow;
}

#endif

}  // namespace

std::uint32_t crc32c_by_tables(std::uint32_t crc, ByteView data) {
  const std::uint8_t* at = data.data();
  std::size_t left = data.size();
  crc = ~crc;
  for (; left >= 8; left -= 8, at += 8) {
    const std::uint32_t low = crc ^ load_le32(at);
    const std::uint32_t high = load_le32(at + 4);
    crc = kTables[7][low & 0xff] ^ kTables[6][low >> 8 & 0xff] ^ kTables[5][low >> 16 & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][high >> 8 & 0xff] ^
          kTables[1][high >> 16 & 0xff] ^ kTables[0][high >> 24];
  }
  for (; left > 0; --left, ++at) crc = one_byte(crc, *at);
  return ~crc;
}

std::uint32_t crc32c(std::uint32_t crc, ByteView data) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return by_instruction(crc, data);
#endif
  return crc32c_by_tables(crc, data);
}

}  // namespace holdfast
