#include "codec/hmac_lanes.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "codec/sha256_lanes.h"
#include "codec/sha256_pair.h"

namespace holdfast {
namespace {

constexpr std::size_t kBlock = 64;

void put_big_endian(std::uint8_t* to, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0; value >>= 8) to[i] = static_cast<std::uint8_t>(value);
}

// Each lane works through one message after the other: its whole blocks, the rest with the padding,
// the block of the outer hash.
class HmacLanes {
 public:
  HmacLanes(const ShaWords& inner, const ShaWords& outer, std::span<const ByteView> messages,
            std::span<std::array<std::uint8_t, 32>> out)
      : inner_(inner), outer_(outer), messages_(messages), out_(out), order_(messages.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    // The longest first, so that the lanes end at about the same time.
    std::sort(order_.begin(), order_.end(), [&](std::size_t i, std::size_t j) {
      return messages[i].size() > messages[j].size();
    });
  }

  void run() {
    for (std::size_t i = 0; i < kShaLanes; ++i) begin_message(i);
    while (active_ > 0) {
      if (active_ >= kLanesWorth || !has_sha256_pair()) {
        run_all();
      } else {
        run_two();
      }
    }
  }

 private:
  enum class Part { kIdle, kBody, kTail, kOuter };

  struct Lane {
    Part part = Part::kIdle;
    std::size_t message = 0;
    std::size_t blocks = 0;  // left of this part
    std::uint8_t tail[2 * kBlock] = {};
  };

  void begin_message(std::size_t i) {
    Lane& lane = lanes_[i];
    if (next_ == order_.size()) {
      lane.part = Part::kIdle;
      return;
    }
    ++active_;
    lane.message = order_[next_++];
    set_state(i, inner_);
    lane.part = Part::kBody;
    data_[i] = messages_[lane.message].data();
    lane.blocks = messages_[lane.message].size() / kBlock;
    if (lane.blocks == 0) end_part(i);
  }

  void end_part(std::size_t i) {
    Lane& lane = lanes_[i];
    switch (lane.part) {
      case Part::kBody: {
        const ByteView message = messages_[lane.message];
        const ByteView rest = message.last(message.size() % kBlock);
        return set_tail(i, Part::kTail, rest, message.size());
      }
      case Part::kTail: {
        const auto digest = digest_of(i);
        set_state(i, outer_);
        return set_tail(i, Part::kOuter, digest, digest.size());
      }
      case Part::kOuter:
        out_[lane.message] = digest_of(i);
        --active_;
        return begin_message(i);
      case Part::kIdle:
        break;
    }
  }

  // The last bytes of a stream of `length` bytes behind the key block, with their padding.
  void set_tail(std::size_t i, Part part, ByteView rest, std::size_t length) {
    Lane& lane = lanes_[i];
    lane.part = part;
    lane.blocks = rest.size() + 9 <= kBlock ? 1 : 2;
    const std::size_t end = lane.blocks * kBlock;
    std::memset(lane.tail, 0, end);
    std::copy(rest.begin(), rest.end(), lane.tail);
    lane.tail[rest.size()] = 0x80;
    put_big_endian(lane.tail + end - 8, (std::uint64_t{kBlock} + length) * 8, 8);
    data_[i] = lane.tail;
  }

  void run_all() {
    std::size_t blocks = ~std::size_t{0};
    std::size_t shortest = 0;
    for (std::size_t i = 0; i < kShaLanes; ++i) {
      if (lanes_[i].part == Part::kIdle || lanes_[i].blocks >= blocks) continue;
      blocks = lanes_[i].blocks;
      shortest = i;
    }
    // An idle lane works to no end.
    for (std::size_t i = 0; i < kShaLanes; ++i) {
      if (lanes_[i].part == Part::kIdle) data_[i] = data_[shortest];
    }
    sha256_blocks_lanes(states_, data_, blocks);
    for (std::size_t i = 0; i < kShaLanes; ++i) {
      if (lanes_[i].part != Part::kIdle) advance(i, blocks);
    }
  }

  // Towards the end only few messages are left: two at a time, those with the most to do.
  void run_two() {
    std::size_t a = kShaLanes;
    std::size_t b = kShaLanes;
    for (std::size_t i = 0; i < kShaLanes; ++i) {
      if (lanes_[i].part == Part::kIdle) continue;
      if (a == kShaLanes || lanes_[i].blocks > lanes_[a].blocks) {
        b = std::exchange(a, i);
      } else if (b == kShaLanes || lanes_[i].blocks > lanes_[b].blocks) {
        b = i;
      }
    }
    const bool alone = b == kShaLanes;
    if (alone) b = a;
    const std::size_t blocks = lanes_[b].blocks;
    ShaWords state_a = state_of(a);
    ShaWords state_b = state_of(b);
    sha256_blocks_pair(state_a.data(), data_[a], state_b.data(), data_[b], blocks);
    set_state(a, state_a);
    advance(a, blocks);
    if (alone) return;
    set_state(b, state_b);
    advance(b, blocks);
  }

  void advance(std::size_t i, std::size_t blocks) {
    data_[i] += blocks * kBlock;
    lanes_[i].blocks -= blocks;
    if (lanes_[i].blocks == 0) end_part(i);
  }

  void set_state(std::size_t i, const ShaWords& words) {
    for (std::size_t w = 0; w < words.size(); ++w) states_.word[w][i] = words[w];
  }
  ShaWords state_of(std::size_t i) const {
    ShaWords words;
    for (std::size_t w = 0; w < words.size(); ++w) words[w] = states_.word[w][i];
    return words;
  }
  std::array<std::uint8_t, 32> digest_of(std::size_t i) const {
    std::array<std::uint8_t, 32> digest;
    for (std::size_t w = 0; w < 8; ++w) put_big_endian(&digest[4 * w], states_.word[w][i], 4);
    return digest;
  }

  const ShaWords& inner_;
  const ShaWords& outer_;
  const std::span<const ByteView> messages_;
  const std::span<std::array<std::uint8_t, 32>> out_;
  std::vector<std::size_t> order_;
  std::size_t next_ = 0;  // in order_
  std::size_t active_ = 0;
  LaneStates states_{};
  std::array<const std::uint8_t*, kShaLanes> data_{};
  std::array<Lane, kShaLanes> lanes_{};
};

}  // namespace

void hmac_lanes(const ShaWords& inner, const ShaWords& outer, std::span<const ByteView> messages,
                std::span<std::array<std::uint8_t, 32>> out) {
  HmacLanes(inner, outer, messages, out).run();
}

}  // namespace holdfast
