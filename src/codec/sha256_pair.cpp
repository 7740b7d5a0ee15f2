// Source: FIPS 180-4 for the function, Intel's "SHA Extensions" (2013) for the instructions.
#include "codec/sha256_pair.h"

#include "codec/sha256_round.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace holdfast {

#if defined(__x86_64__)

namespace {

// One stream's working state: the words in the order that the instructions want (ABEF, CDGH) and a
// sliding window of sixteen message words.
struct Stream {
  __m128i abef, cdgh;
  __m128i message[4];
};

#define HOLDFAST_SHA __attribute__((target("sha,sse4.1"), always_inline))

HOLDFAST_SHA inline void load_block(Stream& s, const std::uint8_t* data) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  for (int i = 0; i < 4; ++i) {
    const auto* at = reinterpret_cast<const __m128i*>(data + 16 * i);
    s.message[i] = _mm_shuffle_epi8(_mm_loadu_si128(at), swap);
  }
}

// Four rounds with the message words in `words`.
HOLDFAST_SHA inline void four_rounds(Stream& s, __m128i words, int group) {
  const auto* constants = reinterpret_cast<const __m128i*>(kSha256Round + 4 * group);
  __m128i sum = _mm_add_epi32(words, _mm_load_si128(constants));
  s.cdgh = _mm_sha256rnds2_epu32(s.cdgh, s.abef, sum);
  sum = _mm_shuffle_epi32(sum, 0x0e);
  s.abef = _mm_sha256rnds2_epu32(s.abef, s.cdgh, sum);
}

// Replaces the oldest four words of the window by the next four of the schedule.
HOLDFAST_SHA inline void schedule(Stream& s, int group) {
  const __m128i w0 = s.message[group & 3];
  const __m128i w1 = s.message[(group + 1) & 3];
  const __m128i w2 = s.message[(group + 2) & 3];
  const __m128i w3 = s.message[(group + 3) & 3];
  __m128i next = _mm_sha256msg1_epu32(w0, w1);
  next = _mm_add_epi32(next, _mm_alignr_epi8(w3, w2, 4));
  s.message[group & 3] = _mm_sha256msg2_epu32(next, w3);
}

HOLDFAST_SHA inline void load_state(Stream& s, const std::uint32_t* state) {
  const auto* at = reinterpret_cast<const __m128i*>(state);
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(at), 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(at + 1), 0x1b);
  s.abef = _mm_alignr_epi8(cdab, efgh, 8);
  s.cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

HOLDFAST_SHA inline void store_state(const Stream& s, std::uint32_t* state) {
  const __m128i feba = _mm_shuffle_epi32(s.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);
  auto* at = reinterpret_cast<__m128i*>(state);
  _mm_storeu_si128(at, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(at + 1, _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace

bool has_sha256_pair() {
  static const bool has = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
    return (b & bit_SHA) != 0 && __builtin_cpu_supports("sse4.1") != 0;
  }();
  return has;
}

__attribute__((target("sha,sse4.1"))) void sha256_blocks_pair(std::uint32_t* state_a,
                                                              const std::uint8_t* data_a,
                                                              std::uint32_t* state_b,
                                                              const std::uint8_t* data_b,
                                                              std::size_t blocks) {
  Stream a{};
  Stream b{};
  load_state(a, state_a);
  load_state(b, state_b);
  for (; blocks > 0; --blocks, data_a += 64, data_b += 64) {
    const __m128i saved[4] = {a.abef, a.cdgh, b.abef, b.cdgh};
    load_block(a, data_a);
    load_block(b, data_b);
#pragma GCC unroll 16
    for (int group = 0; group < 16; ++group) {
      four_rounds(a, a.message[group & 3], group);
      four_rounds(b, b.message[group & 3], group);
      if (group < 12) {
        schedule(a, group);
        schedule(b, group);
      }
    }
    a.abef = _mm_add_epi32(a.abef, saved[0]);
    a.cdgh = _mm_add_epi32(a.cdgh, saved[1]);
    b.abef = _mm_add_epi32(b.abef, saved[2]);
    b.cdgh = _mm_add_epi32(b.cdgh, saved[3]);
  }
  store_state(a, state_a);
  store_state(b, state_b);
}

#else

bool has_sha256_pair() { return false; }

void sha256_blocks_pair(std::uint32_t*, const std::uint8_t*, std::uint32_t*, const std::uint8_t*,
                        std::size_t) {}

#endif

}  // namespace holdfast
