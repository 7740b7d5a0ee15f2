// Source: src/include/storage/checksum_impl.h and bufpage.h of PostgreSQL 13 to 18.
#include "source/postgres/page_checksum.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace holdfast {

namespace {

constexpr std::uint32_t kPrime = 16777619;
constexpr std::size_t kLanes = 32;

// Eight lanes. The compiler splits it where the processor has shorter ones.
using Vector = std::uint32_t __attribute__((vector_size(32)));
constexpr std::size_t kVectors = kLanes * 4 / sizeof(Vector);

alignas(sizeof(Vector)) constexpr std::array<std::uint32_t, kLanes> kOffsets = {
    0x5b1f36e9, 0xb8525960, 0x02ab50aa, 0x1de66d2a, 0x79ff467a, 0x9bb9f8a3, 0x217e7cd2, 0x83e13d2c,
    0xf8d4474f, 0xe39eb970, 0x42c6ae16, 0x993216fa, 0x7b093b5d, 0x98daff3c, 0xf718902a, 0x0b1c9cdb,
    0xe58f764b, 0x187636bc, 0x5d7b3bb1, 0xe73de7de, 0x92bec979, 0xcca6c0b2, 0x304a0979, 0x85aa43d4,
    0x783125bb, 0x6ca8eaa2, 0xe407eac6, 0x4b5cfc3e, 0x9fbf8c76, 0x15ca20be, 0xf2ca9fd3, 0x959bd756};

#define HOLDFAST_INLINE __attribute__((always_inline)) inline

// One row of the page, or a row of zeros, into each lane.
HOLDFAST_INLINE void add_row(Vector* sums, const std::uint8_t* row) {
  for (std::size_t i = 0; i < kVectors; ++i) {
    Vector mixed = {};
    if (row != nullptr) std::memcpy(&mixed, row + i * sizeof(Vector), sizeof mixed);
    mixed ^= sums[i];
    sums[i] = (mixed * kPrime) ^ (mixed >> 17);
  }
}

HOLDFAST_INLINE std::uint32_t sum_of(const std::uint8_t* page) {
  constexpr std::size_t kRow = kLanes * 4;
  Vector sums[kVectors];
  std::memcpy(sums, kOffsets.data(), sizeof sums);
  std::array<std::uint8_t, kRow> first;
  std::memcpy(first.data(), page, kRow);
  first[8] = first[9] = 0;  // the checksum itself
  add_row(sums, first.data());
  for (std::size_t at = kRow; at < kDataPage; at += kRow) add_row(sums, page + at);
  add_row(sums, nullptr);
  add_row(sums, nullptr);
  const Vector folded = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < sizeof(Vector) / 4; ++i) sum ^= folded[i];
  return sum;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) std::uint32_t sum_avx2(const std::uint8_t* page) {
  return sum_of(page);
}
#endif

std::uint32_t page_sum(const std::uint8_t* page) {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return sum_avx2(page);
#endif
  return sum_of(page);
}

// PageHeaderData, little-endian.
struct PageHeader {
  Lsn lsn;
  std::uint16_t checksum, flags, lower, upper, special, size_and_version;
};
constexpr std::size_t kPageHeader = 24;

PageHeader parse_header(const std::uint8_t* page) {
  const auto u16 = [&](std::size_t at) {
    return static_cast<std::uint16_t>(page[at] | page[at + 1] << 8);
  };
  const auto u32 = [&](std::size_t at) { return Lsn{u16(at)} | Lsn{u16(at + 2)} << 16; };
  return {u32(0) << 32 | u32(4), u16(8), u16(10), u16(12), u16(14), u16(16), u16(18)};
}

// What PageIsVerified() demands, and the page's size.
bool is_sane(const PageHeader& header) {
  constexpr std::uint16_t kKnownFlags = 0x0007;
  return (header.flags & ~kKnownFlags) == 0 && header.lower >= kPageHeader &&
         header.lower <= header.upper && header.upper <= header.special &&
         header.special <= kDataPage && header.special % 8 == 0 &&
         (header.size_and_version & 0xff00) == kDataPage;
}

bool all_zero(ByteView page) {
  return page[0] == 0 && std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

}  // namespace

std::uint16_t page_checksum(ByteView page, std::uint32_t block) {
  return static_cast<std::uint16_t>((page_sum(page.data()) ^ block) % 65535 + 1);
}

Lsn page_lsn(ByteView page) { return parse_header(page.data()).lsn; }

PageVerdict check_page(ByteView page, std::uint32_t block, Lsn since, Lsn until) {
  const PageHeader header = parse_header(page.data());
  if (header.upper == 0 && all_zero(page)) return PageVerdict::kNew;
  const bool matches = header.checksum == page_checksum(page, block);
  if (matches) return is_sane(header) ? PageVerdict::kOk : PageVerdict::kBrokenHeader;
  if (header.lsn >= since && header.lsn < until) return PageVerdict::kNewer;
  if (header.upper == 0 || !is_sane(header)) return PageVerdict::kBrokenHeader;
  return PageVerdict::kBadChecksum;
}

}  // namespace holdfast
