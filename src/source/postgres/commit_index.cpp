#include "source/postgres/commit_index.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace holdfast {

namespace {

// The log up to its first gap, and what comes after it.
struct Log {
  std::vector<LogFacts> inputs;
  std::vector<LogFacts> beyond;
};

Log split_at_gap(const std::vector<LogFacts>& facts) {
  Log log{join(facts), {}};
  const auto gap = std::adjacent_find(
      log.inputs.begin(), log.inputs.end(),
      [](const LogFacts& a, const LogFacts& b) { return a.end_lsn != b.begin_lsn; });
  if (gap == log.inputs.end()) return log;
  log.beyond.assign(gap + 1, log.inputs.end());
  log.inputs.erase(gap + 1, log.inputs.end());
  return log;
}

// The nearest commits; `is_after` judges a moment. Commits are in the order of the log, and nearly
// in that of their times.
template <typename IsAfter>
void find_neighbours(const Log& log, IsAfter is_after, Location& location) {
  const auto consider = [&](const std::optional<LogMoment>& moment) {
    if (!moment) return;
    if (!is_after(*moment)) {
      location.before = moment;
    } else if (!location.after) {
      location.after = moment;
    }
  };
  for (const LogFacts& facts : log.inputs) {
    consider(facts.first_commit);
    consider(facts.last_commit);
  }
}

// The first input that `holds`.
template <typename Holds>
std::optional<std::size_t> first_input(const std::vector<LogFacts>& inputs, Holds holds) {
  const auto found = std::find_if(inputs.begin(), inputs.end(), holds);
  if (found == inputs.end()) return std::nullopt;
  return static_cast<std::size_t>(found - inputs.begin());
}

void locate_time(const Log& log, Timestamp time, bool inclusive, Location& location) {
  find_neighbours(
      log, [&](const LogMoment& moment) { return moment.time > time; }, location);
  // Recovery stops in front of the first commit or abort that is later.
  const auto stops = [&](const LogFacts& facts) {
    return facts.latest_end && (inclusive ? *facts.latest_end > time : *facts.latest_end >= time);
  };
  if (const auto input = first_input(log.inputs, stops)) {
    location.reach = location.before ? Reach::kReachable : Reach::kBeforeFirst;
    if (location.before) location.inputs = {*input};
  } else if (first_input(log.beyond, stops)) {
    location.reach = Reach::kAfterGap;
  } else {
    const bool at_end = first_input(log.inputs, [&](const LogFacts& facts) {
                          return facts.latest_end == time;
                        }).has_value();
    location.reach = at_end ? Reach::kAtEnd : Reach::kAfterLast;
  }
}

void locate_lsn(const Log& log, Lsn lsn, Location& location) {
  find_neighbours(
      log, [&](const LogMoment& moment) { return moment.lsn > lsn; }, location);
  if (log.inputs.empty() || lsn < log.inputs.front().begin_lsn) {
    location.reach = log.inputs.empty() ? Reach::kAfterLast : Reach::kBeforeFirst;
    return;
  }
  // Recovery stops at the first record that begins there or later.
  const auto stops = [&](const LogFacts& facts) { return facts.last_record_lsn >= lsn; };
  if (const auto input = first_input(log.inputs, stops)) {
    location.reach = Reach::kReachable;
    location.inputs = {*input};
  } else if (first_input(log.inputs, [&](const LogFacts& f) { return f.last_lsn >= lsn; })) {
    location.reach = Reach::kAtEnd;
  } else {
    location.reach = first_input(log.beyond, stops) ? Reach::kAfterGap : Reach::kAfterLast;
  }
}

bool may_hold(const LogFacts& facts, std::uint32_t xid) {
  return facts.oldest_xid != 0 && !xid_precedes(xid, facts.oldest_xid) &&
         !xid_precedes(facts.newest_xid, xid);
}

bool surely_holds(const LogFacts& facts, std::uint32_t xid) {
  return (facts.first_commit && facts.first_commit->xid == xid) ||
         (facts.last_commit && facts.last_commit->xid == xid) || facts.oldest_xid == xid ||
         facts.newest_xid == xid;
}

// No input's range holds `xid`.
Reach reach_outside(const Log& log, std::uint32_t xid) {
  if (first_input(log.beyond, [&](const LogFacts& f) { return may_hold(f, xid); })) {
    return Reach::kAfterGap;
  }
  bool any = false;
  bool before = true;
  bool after = true;
  for (const LogFacts& facts : log.inputs) {
    if (facts.oldest_xid == 0) continue;
    any = true;
    before = before && xid_precedes(xid, facts.oldest_xid);
    after = after && xid_precedes(facts.newest_xid, xid);
  }
  if (!any || after) return Reach::kAfterLast;
  return before ? Reach::kBeforeFirst : Reach::kNotFound;
}

void locate_xid(const Log& log, std::uint32_t xid, Location& location) {
  if (const auto input =
          first_input(log.inputs, [&](const LogFacts& f) { return surely_holds(f, xid); })) {
    location.reach = Reach::kReachable;
    location.inputs = {*input};
    return;
  }
  for (std::size_t i = 0; i < log.inputs.size(); ++i) {
    if (may_hold(log.inputs[i], xid)) location.inputs.push_back(i);
  }
  location.reach = location.inputs.empty() ? reach_outside(log, xid) : Reach::kPossible;
  find_neighbours(
      log, [&](const LogMoment& moment) { return xid_precedes(xid, moment.xid); }, location);
}

void locate_name(const Log& log, const std::string& name, Location& location) {
  const auto holds = [&](const LogFacts& facts) {
    return std::any_of(facts.restore_points.begin(), facts.restore_points.end(),
                       [&](const RestorePoint& point) { return point.name == name; });
  };
  const auto input = first_input(log.inputs, holds);
  // A list that was cut short may have held an earlier one of that name.
  for (std::size_t i = 0; i < input.value_or(log.inputs.size()); ++i) {
    if (log.inputs[i].more_restore_points > 0) location.inputs.push_back(i);
  }
  if (input) {
    location.reach = Reach::kReachable;
    location.inputs = {*input};
  } else if (!location.inputs.empty()) {
    location.reach = Reach::kPossible;
  } else {
    location.reach = first_input(log.beyond, holds) ? Reach::kAfterGap : Reach::kNotFound;
  }
}

}  // namespace

LogFactsBuilder::LogFactsBuilder(const WalReaderOptions& options)
    : begin_(options.start), reader_(options, [this](const WalRecord& record) { add(record); }) {}

void LogFactsBuilder::add(const WalRecord& record) {
  if (facts_.first_lsn == 0) {
    facts_.first_lsn = record.lsn;
    facts_.first_previous = record.previous;
  }
  if (const auto event = parse_log_event(record)) add_event(facts_, *event);
}

LogFacts LogFactsBuilder::facts() const {
  LogFacts facts = facts_;
  facts.begin_lsn = begin_;
  facts.end_lsn = reader_.position();
  facts.major = reader_.major();
  facts.timeline = reader_.timeline();
  facts.system_id = reader_.system_id();
  facts.last_record_lsn = reader_.last_record();
  facts.last_lsn = reader_.last_record_end();
  facts.tail = reader_.tail();
  facts.head = reader_.head();
  if (reader_.ended()) {
    // What zeros cut off is not there to be continued.
    facts.head.reset();
    if (facts.tail && facts.tail->end_lsn == 0) facts.tail.reset();
    facts.end_lsn = std::max({begin_, facts.last_lsn, facts.tail ? facts.tail->end_lsn : 0});
  }
  return facts;
}

LogFacts summarize_segment(ByteView segment, Lsn start, std::uint32_t timeline) {
  WalReaderOptions options;
  options.start = start;
  options.timeline = timeline;
  LogFactsBuilder builder(options);
  builder.feed(segment);
  return builder.facts();
}

SegmentFacts::SegmentFacts(Lsn start, std::uint32_t timeline, std::uint32_t segment_size)
    : builder_(WalReaderOptions{start, timeline}), segment_size_(segment_size) {}

void SegmentFacts::feed(ByteView data) {
  if (!trouble_.empty()) return;
  try {
    builder_.feed(data);
  } catch (const Error& error) {
    trouble_ = error.message();
  }
}

nlohmann::json SegmentFacts::json() const {
  nlohmann::json facts = facts_to_json(builder_.facts());
  if (!trouble_.empty()) facts["unread"] = trouble_;
  facts["segment_size"] = segment_size_;
  return facts;
}

Location locate(const std::vector<LogFacts>& log, const RecoveryTarget& target) {
  const Log split = split_at_gap(log);
  Location location;
  if (!split.beyond.empty()) location.gap = split.inputs.back().end_lsn;
  if (const auto* time = std::get_if<Timestamp>(&target.at)) {
    locate_time(split, *time, target.inclusive, location);
  } else if (const auto* xid = std::get_if<TargetXid>(&target.at)) {
    locate_xid(split, xid->xid, location);
  } else if (const auto* lsn = std::get_if<TargetLsn>(&target.at)) {
    locate_lsn(split, lsn->lsn, location);
  } else {
    locate_name(split, std::get<TargetName>(target.at).name, location);
  }
  return location;
}

}  // namespace holdfast
