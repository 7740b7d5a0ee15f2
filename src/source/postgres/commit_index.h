// From the log's bytes to the moments that can be recovered, and from a target to where it lies.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "source/postgres/log_facts.h"
#include "source/postgres/wal_reader.h"

namespace holdfast {

// Summarises one stretch of the log, for example a segment, as its bytes come. One thread.
class LogFactsBuilder {
 public:
  explicit LogFactsBuilder(const WalReaderOptions& options);
  LogFactsBuilder(const LogFactsBuilder&) = delete;
  LogFactsBuilder& operator=(const LogFactsBuilder&) = delete;

  // Throws as WalReader::feed() does.
  void feed(ByteView data) { reader_.feed(data); }
  // Of what came so far, also after an error.
  LogFacts facts() const;
  const WalReader& reader() const { return reader_; }

 private:
  void add(const WalRecord& record);

  const Lsn begin_;
  LogFacts facts_;
  WalReader reader_;
};

// The facts of a whole segment or of its beginning; a function of its bytes alone. `start` is the
// position of the first byte.
LogFacts summarize_segment(ByteView segment, Lsn start, std::uint32_t timeline);

// Facts of a segment in the making, from its first byte to the last that was fed, as JSON for the
// header of an archived segment or piece, with the segment size, which a piece does not tell. Never
// throws for what is in the log: one that we cannot read must be kept, too. One thread.
class SegmentFacts {
 public:
  SegmentFacts(Lsn start, std::uint32_t timeline, std::uint32_t segment_size);
  void feed(ByteView data);
  nlohmann::json json() const;

 private:
  LogFactsBuilder builder_;
  std::uint32_t segment_size_;
  std::string trouble_;
};

// PostgreSQL's recovery_target_time, _xid, _lsn or _name.
struct TargetXid {
  std::uint32_t xid = 0;
};
struct TargetLsn {
  Lsn lsn = 0;
};
struct TargetName {
  std::string name;
};
struct RecoveryTarget {
  std::variant<Timestamp, TargetXid, TargetLsn, TargetName> at;
  bool inclusive = true;  // recovery_target_inclusive
};

enum class Reach {
  kReachable,
  kPossible,     // the summaries leave it open; the records of the input named decide
  kBeforeFirst,  // earlier than the log's first commit or byte
  kAtEnd,      // all up to it is there, but nothing after it, and so PostgreSQL would not know that
               // it got there: recover to an LSN, or to the log's end
  kAfterLast,  // later than the log's last commit or record
  kAfterGap,   // beyond a hole in the log
  kNotFound,   // no such restore point or transaction
};

struct Location {
  Reach reach = Reach::kNotFound;
  // Where recovery stops (kReachable), or those that may hold it (kPossible), as indexes of `log`.
  std::vector<std::size_t> inputs = {};
  // The nearest known commits at or before the target, and after it. Summaries know the first and
  // last commit of each input: for a message, not for a decision.
  std::optional<LogMoment> before = {};
  std::optional<LogMoment> after = {};
  // Where the log is interrupted first.
  std::optional<Lsn> gap = {};
};

// `log` is in the order of replay: along the timelines, from where the backup needs it. Throws
// Error(kInvalid) when it is not of one system, Error(kCorrupt) for a damaged record between
// inputs.
Location locate(const std::vector<LogFacts>& log, const RecoveryTarget& target);

}  // namespace holdfast
