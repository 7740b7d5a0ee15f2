#include "source/mariadb/binlog_chunk.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kChunkDigits = 8;

template <typename Integer>
std::optional<Integer> number_of(std::string_view text, int base) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<BinlogName> parse_binlog_name(std::string_view file) {
  const std::size_t dot = file.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  const auto number = number_of<std::uint64_t>(file.substr(dot + 1), 10);
  if (!number) return std::nullopt;
  return BinlogName{std::string(file.substr(0, dot)), *number};
}

std::string binlog_chunk_name(const std::string& file, std::uint32_t chunk) {
  return fmt::format("{}.{:08X}", file, chunk);
}

std::optional<BinlogChunkName> parse_binlog_chunk_name(std::string_view name) {
  if (name.size() < kChunkDigits + 2 || name[name.size() - kChunkDigits - 1] != '.') {
    return std::nullopt;
  }
  BinlogChunkName found;
  found.file = name.substr(0, name.size() - kChunkDigits - 1);
  const auto chunk = number_of<std::uint32_t>(name.substr(name.size() - kChunkDigits), 16);
  if (!chunk || !parse_binlog_name(found.file)) return std::nullopt;
  found.chunk = *chunk;
  if (binlog_chunk_name(found.file, found.chunk) != name) return std::nullopt;
  return found;
}

BinlogFollower::BinlogFollower(const BinlogState& state)
    : tracker_(state),
      reader_(
          [this](const BinlogEvent& event, std::uint64_t offset) {
            const auto completed = tracker_.see(event, offset);
            if (*handler_) (*handler_)(event, completed);
          },
          state.offset, state.checksums) {}

void BinlogFollower::feed(ByteView bytes, const Handler& handler) {
  handler_ = &handler;
  reader_.feed(bytes);
}

BinlogState BinlogFollower::state() const {
  BinlogState state = tracker_.state();
  // The magic is no event.
  state.offset = reader_.format() ? reader_.offset() : 0;
  return state;
}

BinlogChunkReader::BinlogChunkReader(const BinlogChunkFacts& known,
                                     std::shared_ptr<BinlogFollower> follower)
    : facts_(known), follower_(std::move(follower)) {
  facts_.end = facts_.begin;
}

void BinlogChunkReader::feed(ByteView bytes) {
  if (!started_) {
    facts_.from = follower_->state();
    facts_.before = facts_.from.position;
    started_ = true;
  }
  follower_->feed(
      bytes, [this](const BinlogEvent& event, const auto& completed) { see(event, completed); });
  facts_.end += bytes.size();
  facts_.to = follower_->state();
  facts_.closed = follower_->closed();
  if (follower_->format()) facts_.server_version = follower_->format()->server_version;
}

void BinlogChunkReader::see(const BinlogEvent& event,
                            const std::optional<BinlogTransaction>& completed) {
  if (states_position(event) && facts_.transactions == 0) {
    facts_.before.advance(read_stated_position(event));
  }
  if (!completed) return;
  ++facts_.transactions;
  if (!facts_.first) facts_.first = *completed;
  facts_.last = *completed;
  facts_.latest = std::max(facts_.latest, completed->time);
}

}  // namespace holdfast
