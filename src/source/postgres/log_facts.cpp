#include "source/postgres/log_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "source/postgres/wal_format.h"

namespace holdfast {

namespace {

void add_xid(LogFacts& facts, std::uint32_t xid) {
  if (xid == 0) return;
  if (facts.oldest_xid == 0 || xid_precedes(xid, facts.oldest_xid)) facts.oldest_xid = xid;
  if (facts.newest_xid == 0 || xid_precedes(facts.newest_xid, xid)) facts.newest_xid = xid;
}

void add_latest(LogFacts& facts, Timestamp time) {
  facts.latest_end = std::max(facts.latest_end.value_or(time), time);
}

void add_end(LogFacts& facts, const LogEvent& event) {
  add_xid(facts, event.xid);
  add_latest(facts, event.time);
  if (event.kind == LogEventKind::kAbort) {
    ++facts.aborts;
    return;
  }
  ++facts.commits;
  facts.last_commit = LogMoment{event.time, event.lsn, event.xid};
  if (!facts.first_commit) facts.first_commit = facts.last_commit;
}

void add_restore_point(LogFacts& facts, const RestorePoint& point) {
  if (facts.restore_points.size() < kMaxRestorePoints) {
    facts.restore_points.push_back(point);
  } else {
    ++facts.more_restore_points;
  }
}

void add_timeline_change(LogFacts& facts, const LogEvent& event) {
  if (event.timeline == event.previous_timeline) return;
  facts.timeline_changes.push_back(
      {event.lsn, event.time, event.previous_timeline, event.timeline});
}

void append_cut(Bytes& out, const Bytes& more) {
  const std::size_t room = kCutRecordBytes - std::min(out.size(), kCutRecordBytes);
  append(out, ByteView(more).first(std::min(more.size(), room)));
}

void add_record_in_between(LogFacts& facts, const CutRecordHead& head, const CutRecordTail& tail) {
  Bytes bytes = head.bytes;
  append_cut(bytes, tail.bytes);
  facts.last_record_lsn = head.lsn;
  facts.last_lsn = tail.end_lsn;
  if (facts.first_lsn == 0) {
    facts.first_lsn = head.lsn;
    if (bytes.size() >= kRecordHeader) facts.first_previous = parse_record_header(bytes).previous;
  }
  const auto event = parse_cut_record(head.lsn, tail.end_lsn, bytes, facts.major);
  if (event) add_event(facts, *event);
}

// Continues the record that the end of `facts` cuts with what the next input begins with.
void bridge(LogFacts& facts, const std::optional<CutRecordTail>& tail) {
  if (!tail) {
    facts.head.reset();  // a server wrote something else in place of its rest
    return;
  }
  if (facts.head) {
    if (tail->end_lsn != 0) {
      add_record_in_between(facts, *std::exchange(facts.head, std::nullopt), *tail);
    } else {
      append_cut(facts.head->bytes, tail->bytes);
    }
  } else if (facts.tail && facts.tail->end_lsn == 0) {
    append_cut(facts.tail->bytes, tail->bytes);
    facts.tail->end_lsn = tail->end_lsn;
  }
}

void check_neighbours(const LogFacts& a, const LogFacts& b) {
  if (a.system_id != b.system_id) {
    throw Error(Code::kInvalid, fmt::format("the log up to {} is of system {}, from there of {}",
                                            format_lsn(a.end_lsn), a.system_id, b.system_id));
  }
  if (a.major != b.major || b.timeline < a.timeline) {
    throw Error(Code::kInvalid,
                fmt::format("the log at {} is not the one that leads there: version {} timeline {} "
                            "after version {} timeline {}",
                            format_lsn(b.begin_lsn), b.major, b.timeline, a.major, a.timeline));
  }
}

// Everything of `b` but what the border cuts.
void add_rest(LogFacts& facts, const LogFacts& b) {
  facts.end_lsn = b.end_lsn;
  facts.timeline = b.timeline;
  if (facts.first_lsn == 0) {
    facts.first_lsn = b.first_lsn;
    facts.first_previous = b.first_previous;
  }
  if (b.last_lsn != 0) {
    facts.last_record_lsn = b.last_record_lsn;
    facts.last_lsn = b.last_lsn;
  }
  if (b.head) facts.head = b.head;
  if (facts.level_drop) return;
  facts.level_drop = b.level_drop;
  facts.commits += b.commits;
  facts.aborts += b.aborts;
  if (!facts.first_commit) facts.first_commit = b.first_commit;
  if (b.last_commit) facts.last_commit = b.last_commit;
  if (b.latest_end) add_latest(facts, *b.latest_end);
  add_xid(facts, b.oldest_xid);
  add_xid(facts, b.newest_xid);
  facts.checkpoints += b.checkpoints;
  if (b.last_redo) facts.last_redo = b.last_redo;
  for (const RestorePoint& point : b.restore_points) add_restore_point(facts, point);
  facts.more_restore_points += b.more_restore_points;
  std::copy(b.timeline_changes.begin(), b.timeline_changes.end(),
            std::back_inserter(facts.timeline_changes));
}

}  // namespace

bool xid_precedes(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) < 0; }

void add_event(LogFacts& facts, const LogEvent& event) {
  if (facts.level_drop) return;
  switch (event.kind) {
    case LogEventKind::kCommit:
    case LogEventKind::kAbort:
      add_end(facts, event);
      return;
    case LogEventKind::kRestorePoint:
      add_restore_point(facts, {event.name, event.time, event.lsn});
      return;
    case LogEventKind::kCheckpoint:
      ++facts.checkpoints;
      facts.last_redo = event.redo;
      add_timeline_change(facts, event);
      return;
    case LogEventKind::kEndOfRecovery:
      add_timeline_change(facts, event);
      return;
    case LogEventKind::kMinimalLevel:
      facts.level_drop = LevelDrop{event.lsn, event.previous};
      return;
  }
}

LogFacts merge(const LogFacts& a, const LogFacts& b) {
  if (b.begin_lsn != a.end_lsn) {
    throw Error(Code::kInvalid, fmt::format("the log from {} does not follow that up to {}",
                                            format_lsn(b.begin_lsn), format_lsn(a.end_lsn)));
  }
  check_neighbours(a, b);
  LogFacts merged = a;
  bridge(merged, b.tail);
  add_rest(merged, b);
  return merged;
}

std::string seam_problem(const LogFacts& a, const LogFacts& b) {
  if (a.end_lsn != b.begin_lsn || a.major != b.major) return "";
  if (a.system_id != b.system_id) return "it is of another system";
  if (b.timeline < a.timeline) return "it is of an earlier timeline";
  if (a.tail && a.tail->end_lsn == 0) return "";  // a record goes over all of it
  if (b.tail && !a.head) return "it begins with the rest of a record that is not there";
  // A record that was begun may have been given up: then the next one comes behind that before it.
  const Lsn last = b.tail ? a.head->lsn : a.last_record_lsn;
  if (b.first_previous == 0 || last == 0 || b.first_previous == last) return "";
  return fmt::format("its first record comes behind one at {}, and the last before it is at {}",
                     format_lsn(b.first_previous), format_lsn(last));
}

std::vector<LogFacts> join(const std::vector<LogFacts>& facts) {
  std::vector<LogFacts> joined;
  joined.reserve(facts.size());
  LogFacts open;  // what the record under way needs of the inputs so far
  for (const LogFacts& next : facts) {
    const bool follows = !joined.empty() && joined.back().end_lsn == next.begin_lsn;
    if (follows) check_neighbours(joined.back(), next);
    if (!follows) open = LogFacts{};
    open.major = next.major;
    bridge(open, next.tail);
    // `open` now has the record's event, if it ended; the rest of `next` comes after that.
    LogFacts whole = open;
    whole.begin_lsn = next.begin_lsn;
    whole.system_id = next.system_id;
    whole.tail.reset();
    add_rest(whole, next);
    open = LogFacts{};
    open.head = whole.head;
    joined.push_back(std::move(whole));
  }
  return joined;
}

}  // namespace holdfast
