#include "protect/binlog_recovery.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "os/file.h"
#include "protect/log_archive.h"
#include "store/at_once.h"

namespace holdfast {
namespace {

// "binlog.000002:988"
std::optional<MariadbPosition> position_of(const DatabaseFacts& backup) {
  const std::string& text = backup.start;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  MariadbPosition position{text.substr(0, colon), 0, backup.stop};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, position.offset);
  if (parsed.ec != std::errc{} || parsed.ptr != end || position.offset == 0) return std::nullopt;
  return position;
}

// Clocks of the backup's host and of the server, which is on it; the backup's counts seconds.
constexpr Duration kClocks = std::chrono::seconds{2};

// The backup may know of domains that this server's log has nothing of, from a server before it.
bool may_be_between(const GtidPosition& before, const GtidPosition& backup,
                    const GtidPosition& after) {
  return backup.contains(before) && backup.is_within(after);
}

class Planner {
 public:
  Planner(const Vault& vault, const std::string& source, const MariadbPosition& begin,
          Timestamp consistent, std::stop_token stop, BinlogFactsWanted wanted)
      : vault_(vault), consistent_(consistent), stop_(std::move(stop)), wanted_(wanted) {
    plan_.source = source;
    plan_.begin = begin;
  }

  std::optional<BinlogPlan> plan() {
    const auto logs = list_binlogs(vault_, plan_.source);
    for (auto log = logs.rbegin(); log != logs.rend(); ++log) {
      if (!begins_in(*log)) continue;
      plan_.stream = log->stream;
      collect(*log);
      read_facts();
      check_order();
      finish();
      return std::move(plan_);
    }
    return std::nullopt;
  }

 private:
  // The chunk with the last byte before the position tells whether it is the same history.
  bool begins_in(const StoredBinlogs& log) {
    const std::size_t number = (plan_.begin.offset - 1) / kBinlogChunk;
    const auto file = std::find_if(log.files.begin(), log.files.end(),
                                   [&](const auto& one) { return one.file == plan_.begin.file; });
    if (file == log.files.end() || file->chunks.size() <= number) return false;
    const BinlogChunkFacts facts = read_chunk_facts(vault_, file->chunks[number].name);
    // After RESET MASTER names and numbers begin anew, but not before they did.
    if (Timestamp(std::chrono::seconds{facts.created}) > consistent_ + kClocks) return false;
    return facts.end >= plan_.begin.offset &&
           may_be_between(facts.before, GtidPosition(plan_.begin.gtid), facts.to.position);
  }

  void collect(const StoredBinlogs& log) {
    std::size_t first = (plan_.begin.offset - 1) / kBinlogChunk;
    std::optional<BinlogName> last;
    for (const StoredBinlog& file : log.files) {
      if (!last && file.file != plan_.begin.file) continue;
      if (last && !plan_.chunks.back().chunk.whole()) {
        plan_.gap = "the end of " + plan_.chunks.back().facts.file;
        return;
      }
      if (last && file.name.number != last->number + 1) {
        plan_.gap = fmt::format("{}.{:06}", last->base, last->number + 1);
        return;
      }
      for (std::size_t i = first; i < file.chunks.size(); ++i) {
        plan_.chunks.push_back({file.chunks[i], {}});
        plan_.chunks.back().facts.file = file.file;
      }
      if (file.gap) {
        plan_.gap = binlog_chunk_name(file.file, static_cast<std::uint32_t>(file.chunks.size()));
        return;
      }
      first = 0;
      last = file.name;
    }
  }

  void read_facts() {
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < plan_.chunks.size(); ++i) {
      const bool ends_file = i + 1 == plan_.chunks.size() ||
                             plan_.chunks[i + 1].facts.file != plan_.chunks[i].facts.file;
      const bool begins_file =
          i == 0 || plan_.chunks[i - 1].facts.file != plan_.chunks[i].facts.file;
      if (wanted_ == BinlogFactsWanted::kAll || ends_file || begins_file) wanted.push_back(i);
    }
    at_once(
        vault_.store(), wanted.size(),
        [&](std::size_t i) {
          BinlogStep& step = plan_.chunks[wanted[i]];
          step.facts = read_chunk_facts(vault_, step.chunk.name);
        },
        stop_);
  }

  // What is not behind what came before it cannot be replayed.
  void check_order() {
    const BinlogChunkFacts* before = nullptr;
    for (std::size_t i = 0; i < plan_.chunks.size(); ++i) {
      const BinlogChunkFacts& facts = plan_.chunks[i].facts;
      if (facts.end == 0) continue;  // it was not asked for
      if (before != nullptr && before->file != facts.file &&
          !before->to.position.agrees_with(facts.before)) {
        plan_.gap = "the beginning of " + facts.file + ", which is not behind " + before->file;
        plan_.chunks.resize(i);
        return;
      }
      before = &facts;
    }
  }

  void finish() {
    plan_.end = GtidPosition(plan_.begin.gtid);
    plan_.end.advance(plan_.chunks.back().facts.to.position);
    for (auto step = plan_.chunks.rbegin(); step != plan_.chunks.rend() && !plan_.last; ++step) {
      plan_.last = step->facts.last;
    }
    const bool in_backup = plan_.last && GtidPosition(plan_.begin.gtid).contains(plan_.last->gtid);
    if (in_backup) plan_.last.reset();
  }

  const Vault& vault_;
  const Timestamp consistent_;
  std::stop_token stop_;
  const BinlogFactsWanted wanted_;
  BinlogPlan plan_;
};

// The bytes of one chunk up to what its facts speak of.
Bytes read_chunk(const Vault& vault, const LogName& name, std::uint64_t size) {
  auto file = read_log(vault, name.whole());
  if (!file) {
    throw Error(Code::kNotFound, name.whole().key() + " vanished from the log",
                "run the restore again");
  }
  if (file->bytes.size() < size) {
    throw Error(Code::kCorrupt, name.whole().key() + " is shorter than it was said to be",
                "restore it from another copy of the vault");
  }
  file->bytes.resize(static_cast<std::size_t>(size));
  return std::move(file->bytes);
}

}  // namespace

std::optional<BinlogPlan> plan_binlog(const Vault& vault, const BackupSummary& backup,
                                      std::stop_token stop, BinlogFactsWanted wanted) {
  const auto begin = position_of(backup.database.value());
  if (!begin) return std::nullopt;
  return Planner(vault, backup.name.source, *begin, backup.consistent, std::move(stop), wanted)
      .plan();
}

std::string span_text(const BinlogPlan& plan, Timestamp backup_consistent) {
  const std::string begin = format_rfc3339(backup_consistent);
  std::string text = begin + " to ";
  text += plan.last ? format_rfc3339(Timestamp(std::chrono::seconds{plan.last->time})) : begin;
  if (!plan.end.empty()) text += " (" + plan.end.text() + ")";
  if (!plan.gap.empty()) text += "; the log is interrupted: " + plan.gap + " is missing";
  return text;
}

std::uint64_t fetched_bytes(const BinlogPlan& plan, const BinlogEnd& end) {
  std::uint64_t bytes = 0;
  for (const BinlogStep& step : plan.chunks) {
    if (step.facts.file == end.file && step.facts.begin >= end.offset) break;
    bytes += step.facts.end - step.facts.begin;
  }
  return bytes;
}

std::vector<std::string> fetch_binlogs(const Vault& vault, const BinlogPlan& plan,
                                       const BinlogEnd& end, const std::string& directory,
                                       std::stop_token stop) {
  struct Part {
    LogName name;
    std::string path;
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
  };
  std::vector<Part> parts;
  std::vector<std::string> paths;
  const auto add = [&](const std::string& file, const LogName& name, std::uint64_t begin,
                       std::uint64_t size) {
    const std::string path = directory + "/" + file;
    if (paths.empty() || paths.back() != path) paths.push_back(path);
    parts.push_back({name, path, begin, size});
  };
  const BinlogChunkFacts& first = plan.chunks.front().facts;
  if (first.begin > 0) {
    // The format, which everything behind it is read by.
    add(first.file, {plan.source, plan.stream, binlog_chunk_name(first.file, 0), {}}, 0,
        kBinlogChunk);
  }
  for (const BinlogStep& step : plan.chunks) {
    const bool ends = step.facts.file == end.file && step.facts.end >= end.offset;
    if (ends && step.facts.begin >= end.offset) break;
    add(step.facts.file, step.chunk.name, step.facts.begin,
        (ends ? end.offset : step.facts.end) - step.facts.begin);
    if (ends) break;
  }
  at_once(
      vault.store(), parts.size(),
      [&](std::size_t i) {
        const Part& part = parts[i];
        const Bytes bytes = read_chunk(vault, part.name, part.size);
        const Fd file = open_file(part.path, O_WRONLY | O_CREAT, 0600);
        pwrite_full(file.get(), bytes, part.begin, part.path);
      },
      stop);
  return paths;
}

}  // namespace holdfast
