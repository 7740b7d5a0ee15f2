// Source: FIPS 180-4. Each vector holds the same word of all streams.
#include "codec/sha256_lanes.h"

#include "codec/sha256_round.h"

#if defined(__x86_64__)
#if !defined(__clang__)
// The headers of GCC 12 make their undefined vectors out of themselves (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace holdfast {

#if defined(__x86_64__)

namespace {

#define HOLDFAST_LANES __attribute__((target("avx512f,avx512bw"), always_inline))

// Truth tables of three inputs for vpternlogd.
constexpr int kXor = 0x96;
constexpr int kChoose = 0xca;
constexpr int kMajority = 0xe8;

template <int A, int B, int C>
HOLDFAST_LANES inline __m512i three_rotations(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, A), _mm512_ror_epi32(x, B),
                                   _mm512_ror_epi32(x, C), kXor);
}

template <int A, int B, int Shift>
HOLDFAST_LANES inline __m512i schedule_sigma(__m512i x) {
  return _mm512_ternarylogic_epi32(_mm512_ror_epi32(x, A), _mm512_ror_epi32(x, B),
                                   _mm512_srli_epi32(x, Shift), kXor);
}

HOLDFAST_LANES inline __m512i sum(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }

// One block of each stream, turned so that words[i] has word i of all of them.
HOLDFAST_LANES inline void load_words(__m512i* words,
                                      const std::array<const std::uint8_t*, kShaLanes>& data,
                                      std::size_t offset) {
  const __m512i swap =
      _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  __m512i quads[16];  // quads[4 g + j]: in its part q, word 4 q + j of streams 4 g to 4 g + 3
#pragma GCC unroll 4
  for (std::size_t g = 0; g < 16; g += 4) {
    const __m512i r0 = _mm512_shuffle_epi8(_mm512_loadu_si512(data[g] + offset), swap);
    const __m512i r1 = _mm512_shuffle_epi8(_mm512_loadu_si512(data[g + 1] + offset), swap);
    const __m512i r2 = _mm512_shuffle_epi8(_mm512_loadu_si512(data[g + 2] + offset), swap);
    const __m512i r3 = _mm512_shuffle_epi8(_mm512_loadu_si512(data[g + 3] + offset), swap);
    const __m512i low01 = _mm512_unpacklo_epi32(r0, r1);
    const __m512i high01 = _mm512_unpackhi_epi32(r0, r1);
    const __m512i low23 = _mm512_unpacklo_epi32(r2, r3);
    const __m512i high23 = _mm512_unpackhi_epi32(r2, r3);
    quads[g] = _mm512_unpacklo_epi64(low01, low23);
    quads[g + 1] = _mm512_unpackhi_epi64(low01, low23);
    quads[g + 2] = _mm512_unpacklo_epi64(high01, high23);
    quads[g + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
#pragma GCC unroll 4
  for (std::size_t j = 0; j < 4; ++j) {
    const __m512i first01 = _mm512_shuffle_i32x4(quads[j], quads[4 + j], 0x44);
    const __m512i last01 = _mm512_shuffle_i32x4(quads[j], quads[4 + j], 0xee);
    const __m512i first23 = _mm512_shuffle_i32x4(quads[8 + j], quads[12 + j], 0x44);
    const __m512i last23 = _mm512_shuffle_i32x4(quads[8 + j], quads[12 + j], 0xee);
    words[j] = _mm512_shuffle_i32x4(first01, first23, 0x88);
    words[4 + j] = _mm512_shuffle_i32x4(first01, first23, 0xdd);
    words[8 + j] = _mm512_shuffle_i32x4(last01, last23, 0x88);
    words[12 + j] = _mm512_shuffle_i32x4(last01, last23, 0xdd);
  }
}

// Sixteen rounds: after them every variable is back in its place of `v` (a to h).
HOLDFAST_LANES inline void sixteen_rounds(__m512i* v, const __m512i* words,
                                          const std::uint32_t* constants) {
#pragma GCC unroll 16
  for (unsigned i = 0; i < 16; ++i) {
    const __m512i a = v[(16 - i) & 7];
    const __m512i e = v[(20 - i) & 7];
    __m512i& d = v[(19 - i) & 7];
    __m512i& h = v[(23 - i) & 7];
    const __m512i choose = _mm512_ternarylogic_epi32(e, v[(21 - i) & 7], v[(22 - i) & 7], kChoose);
    const __m512i majority =
        _mm512_ternarylogic_epi32(a, v[(17 - i) & 7], v[(18 - i) & 7], kMajority);
    const __m512i word = sum(words[i], _mm512_set1_epi32(static_cast<int>(constants[i])));
    const __m512i first = sum(sum(sum(h, word), choose), three_rotations<6, 11, 25>(e));
    d = sum(d, first);
    h = sum(sum(first, majority), three_rotations<2, 13, 22>(a));
  }
}

HOLDFAST_LANES inline void next_words(__m512i* words) {
#pragma GCC unroll 16
  for (unsigned i = 0; i < 16; ++i) {
    const __m512i old = sum(words[i], words[(i + 9) & 15]);
    words[i] = sum(sum(old, schedule_sigma<7, 18, 3>(words[(i + 1) & 15])),
                   schedule_sigma<17, 19, 10>(words[(i + 14) & 15]));
  }
}

}  // namespace

bool has_sha256_lanes() {
  static const bool has =
      __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0;
  return has;
}

__attribute__((target("avx512f,avx512bw"))) void sha256_blocks_lanes(
    LaneStates& states, const std::array<const std::uint8_t*, kShaLanes>& data,
    std::size_t blocks) {
  __m512i state[8];
  for (std::size_t i = 0; i < 8; ++i) state[i] = _mm512_load_si512(states.word[i]);
  for (std::size_t block = 0; block < blocks; ++block) {
    __m512i words[16];
    load_words(words, data, block * 64);
    __m512i v[8];
    for (std::size_t i = 0; i < 8; ++i) v[i] = state[i];
    sixteen_rounds(v, words, kSha256Round);
    for (std::size_t round = 16; round < 64; round += 16) {
      next_words(words);
      sixteen_rounds(v, words, kSha256Round + round);
    }
    for (std::size_t i = 0; i < 8; ++i) state[i] = sum(state[i], v[i]);
  }
  for (std::size_t i = 0; i < 8; ++i) _mm512_store_si512(states.word[i], state[i]);
}

#else

bool has_sha256_lanes() { return false; }

void sha256_blocks_lanes(LaneStates&, const std::array<const std::uint8_t*, kShaLanes>&,
                         std::size_t) {}

#endif

}  // namespace holdfast
