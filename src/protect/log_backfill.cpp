#include "protect/log_backfill.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "protect/log_archive.h"
#include "protect/log_level.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/replication.h"

namespace holdfast {
namespace {

constexpr Duration kPatience = std::chrono::seconds{1};  // between two looks at the stop token
constexpr int kSilent = 60;                              // so often; then the server is away

// Numbers of the segments that a timeline has whole, as ranges in order.
struct Held {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

std::vector<Held> held_of(const LogTimeline& timeline, std::uint32_t segment_size) {
  std::vector<Held> held;
  for (const LogRange& range : timeline.held) {
    const auto first = parse_wal_segment(range.first, segment_size);
    const auto last = parse_wal_segment(range.last, segment_size);
    if (first && last) held.push_back({first->number, last->number});
  }
  return held;
}

// Receives segments of one hole in order.
class HoleFiller {
 public:
  HoleFiller(const Vault& vault, const BackfillOptions& options, const LogHole& hole,
             std::uint32_t segment_size)
      : vault_(vault), options_(options), at_(hole.first), last_(hole.last), size_(segment_size) {}

  void fill(const std::stop_token& stop) {
    PgReplication server(options_.server, options_.name);
    server.start("", at_.start(size_), at_.timeline);
    int silent = 0;
    while (at_.number <= last_) {
      if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      const auto message = server.receive(kPatience, -1);
      if (!message && ++silent == kSilent) {
        throw Error(Code::kUnavailable, "the server sends nothing of the missing log");
      }
      if (!message) continue;
      silent = 0;
      if (message->kind == WalMessageKind::kEnd) {
        throw Error(Code::kNotFound, "the timeline ends on this server before the hole does");
      }
      if (message->kind == WalMessageKind::kData) take(*message);
      if (message->reply_wanted) report(server);
    }
  }
  std::uint64_t filled() const { return filled_; }
  const WalSegment& next() const { return at_; }

 private:
  void take(const WalMessage& message) {
    if (message.start != at_.start(size_) + bytes_.size()) {
      throw Error(Code::kUnavailable, "the stream of the missing log jumped");
    }
    ByteView data = message.data;
    while (!data.empty() && at_.number <= last_) {
      const ByteView part = data.first(std::min(data.size(), size_ - bytes_.size()));
      append(bytes_, part);
      data = data.subspan(part.size());
      if (bytes_.size() == size_) store();
    }
  }
  void store() {
    SegmentFacts facts(at_.start(size_), at_.timeline, size_);
    facts.feed(bytes_);
    const LogName name{options_.source, options_.system, at_.name(size_), {}};
    const std::string text = facts.json().dump();
    keep(vault_, name, text);
    for (const Vault* other : options_.others) keep(*other, name, text);
    bytes_.clear();
    at_ = at_.next();
    ++filled_;
  }
  void keep(const Vault& vault, const LogName& name, const std::string& facts) const {
    mark_level_drop(vault, name, facts);
    store_log(vault, name, bytes_, facts);
    remove_log_pieces(vault, name);
  }
  // Nothing is said to be durable: what keeps WAL is not ours.
  void report(PgReplication& server) const { server.report(0, 0, vault_.clock().now()); }

  const Vault& vault_;
  const BackfillOptions& options_;
  WalSegment at_;
  const std::uint64_t last_;
  const std::uint32_t size_;
  Bytes bytes_;
  std::uint64_t filled_ = 0;
};

std::string range_text(const WalSegment& first, std::uint64_t last, std::uint32_t segment_size) {
  if (first.number == last) return first.name(segment_size);
  return first.name(segment_size) + " to " + WalSegment{first.timeline, last}.name(segment_size);
}

void fill_hole(const Vault& vault, const BackfillOptions& options, const LogHole& hole,
               std::uint32_t segment_size, const std::function<void(const std::string&)>& notify,
               const std::stop_token& stop) {
  HoleFiller filler(vault, options, hole, segment_size);
  std::optional<Error> lost;
  try {
    filler.fill(stop);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    lost = error;
  }
  if (filler.filled() > 0) {
    options.filled();
    notify(
        fmt::format("the log lacked {}: filled from the server",
                    range_text(hole.first, hole.first.number + filler.filled() - 1, segment_size)));
  }
  if (!lost) return;
  notify(fmt::format(
      "the log lacks {}, and this server has it no longer: moments behind it can only be recovered "
      "from a newer backup, so take one (holdfast backup {}); a standby or an archive that still "
      "has these files can give them to holdfast wal-push",
      range_text(filler.next(), hole.last, segment_size), options.source));
}

const LogStream* stream_of(const std::vector<LogStream>& streams, const std::string& system) {
  const auto found = std::find_if(streams.begin(), streams.end(),
                                  [&](const LogStream& one) { return one.stream == system; });
  return found == streams.end() ? nullptr : &*found;
}

TimelineHistory history_of(PgReplication& server) {
  const std::uint32_t timeline = server.identify().timeline;
  if (timeline == 1) return TimelineHistory(timeline);
  return TimelineHistory::parse(server.timeline_history(timeline), timeline);
}

}  // namespace

std::vector<LogHole> log_holes(const LogStream& log, const TimelineHistory& history) {
  std::map<std::uint32_t, std::vector<Held>> held;
  for (const LogTimeline& timeline : log.timelines) {
    held[timeline.timeline] = held_of(timeline, log.segment_size);
  }
  std::vector<LogHole> holes;
  bool begun = false;        // something older is held
  std::uint64_t wanted = 0;  // the next segment
  for (const TimelineSpan& span : history.spans()) {
    const auto add_until = [&](std::uint64_t end) {
      if (begun && wanted < end) holes.push_back({{span.timeline, wanted}, end - 1});
    };
    // The segment in which a timeline begins is whole on that one, with what the older one wrote.
    wanted = span.begin / log.segment_size;
    const std::uint64_t end = span.end == kNoLsnLimit ? kNoLsnLimit : span.end / log.segment_size;
    for (const Held& range : held[span.timeline]) {
      if (range.first > end) break;  // what a server wrote that did not notice the promotion
      add_until(range.first);
      begun = true;
      wanted = range.last + 1;
    }
    if (end != kNoLsnLimit) add_until(end);
  }
  return holes;
}

void backfill_log(const Vault& vault, const BackfillOptions& options,
                  const std::function<void(const std::string&)>& notify,
                  const std::stop_token& stop) {
  const std::vector<LogStream> streams = list_log(vault, options.source);
  const LogStream* log = stream_of(streams, options.system);
  if (log == nullptr) return;
  std::optional<TimelineHistory> history;
  {
    PgReplication server(options.server, options.name);
    history.emplace(history_of(server));
  }
  for (const LogHole& hole : log_holes(*log, *history)) {
    fill_hole(vault, options, hole, log->segment_size, notify, stop);
  }
}

}  // namespace holdfast
