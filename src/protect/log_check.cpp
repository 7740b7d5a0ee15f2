#include "protect/log_check.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "os/mutex.h"
#include "protect/log_gaps.h"
#include "protect/postgres_log_use.h"
#include "source/postgres/commit_index.h"
#include "store/at_once.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

std::string size_problem(const LogObject& object, const LogHeader& header,
                         std::uint32_t segment_size) {
  const LogName& name = object.name;
  if (header.object_size != object.size) {
    return object.size < header.object_size ? "is cut off" : "is longer than it says";
  }
  if (name.piece) {
    const std::uint64_t size = name.piece->end - name.piece->begin;
    return header.size == size ? "" : "has another length than its name says";
  }
  const bool is_segment = wal_file_kind(name.file) == WalFileKind::kSegment;
  if (is_segment && segment_size != 0 && header.size != segment_size) {
    return "is no whole segment";
  }
  return "";
}

// Only what a recovery would trip over.
std::optional<LogFacts> require_facts(const LogName& name, const LogHeader& header) {
  if (wal_file_kind(name.file) != WalFileKind::kSegment) return std::nullopt;
  const auto facts = nlohmann::json::parse(header.facts);
  if (facts.empty()) return std::nullopt;
  return facts_from_json(facts);
}

std::optional<LogFacts> require_content(const LogName& name, ByteView content,
                                        std::uint32_t segment_size) {
  const auto kind = wal_file_kind(name.file);
  if (kind == WalFileKind::kHistory) {
    TimelineHistory::parse(as_text(content), parse_history_file_name(name.file).value());
    return std::nullopt;
  }
  const auto segment = parse_wal_segment(name.file, segment_size);
  if (kind != WalFileKind::kSegment || name.piece || !segment) return std::nullopt;
  try {
    LogFactsBuilder builder(
        WalReaderOptions{segment->start(segment_size), segment->timeline, segment_size});
    builder.feed(content);
    return builder.facts();
  } catch (const Error& error) {
    // A server of a later version than this program knows.
    if (error.code() != Code::kUnsupported) throw;
    return std::nullopt;
  }
}

// What a seam needs.
void trim(LogFacts& facts) {
  facts.restore_points = {};
  facts.timeline_changes = {};
  if (facts.head) facts.head->bytes = {};
  if (facts.tail) facts.tail->bytes = {};
}

bool is_history(const LogName& name) { return parse_history_file_name(name.file).has_value(); }

}  // namespace

std::string log_object_problem(const Vault& vault, const LogObject& object,
                               std::uint32_t segment_size, bool read,
                               std::optional<LogFacts>* facts) {
  try {
    const LogHeader header = read_log_header(vault.store(), vault.ring(), object.name);
    if (auto problem = size_problem(object, header, segment_size); !problem.empty()) return problem;
    const auto said = require_facts(object.name, header);
    if (facts != nullptr && !object.name.piece) *facts = said;
    // A history is small, and nothing behind it can be judged without it.
    if (!vault.ring().can_read() || (!read && !is_history(object.name))) return "";
    Bytes bytes = vault.store().get(object.name.key());
    const LogContent content = decode_log(bytes, vault.ring(), object.name);
    const auto found = require_content(object.name, content.bytes, segment_size);
    if (facts != nullptr && found) *facts = found;
    return "";
  } catch (const nlohmann::json::exception& error) {
    return std::string("its facts cannot be read: ") + error.what();
  } catch (const Error& error) {
    switch (error.code()) {
      case Code::kCorrupt:
      case Code::kInvalid:
      case Code::kUnsupported:  // a bit may have made it another version
        return error.message();
      default:
        throw;
    }
  }
}

namespace {

class LogCheck {
 public:
  LogCheck(const Vault& vault, const LogCheckJob& job, std::stop_token stop)
      : vault_(vault), job_(job), stop_(std::move(stop)) {}

  LogCheckResult run();

 private:
  void check_stream(const LogFiles& all, std::vector<BackupSummary> backups);
  LogFiles needed_of(const LogFiles& log, const std::vector<BackupSummary>& backups) const;
  LogFiles check_objects(const LogFiles& log);
  void check_seams(const LogFiles& log, std::uint32_t segment_size,
                   const std::vector<std::optional<LogFacts>>& facts);
  bool is_chosen() const;
  void find(std::string object, std::string problem) {
    MutexLock lock(mutex_);
    result_.findings.push_back({std::move(object), std::move(problem)});
  }

  const Vault& vault_;
  const LogCheckJob& job_;
  std::stop_token stop_;
  Mutex mutex_;
  LogCheckResult result_;
};

bool LogCheck::is_chosen() const {
  if (job_.read_percent >= 100) return true;
  return job_.read_percent > 0 && random_array<1>()[0] * 100u < job_.read_percent * 256u;
}

// Those without a problem. The header of one that is whole says how large the segments are; if that
// one is damaged, the next says it.
LogFiles LogCheck::check_objects(const LogFiles& log) {
  std::uint32_t segment_size = 0;
  std::vector<std::string> problems(log.objects.size());
  std::vector<std::optional<LogFacts>> facts(log.objects.size());
  const auto check = [&](std::size_t i, std::uint32_t size) {
    const LogObject& object = log.objects[i];
    const bool read = vault_.ring().can_read() && is_chosen();
    try {
      problems[i] = log_object_problem(vault_, object, size, read, &facts[i]);
      if (facts[i]) trim(*facts[i]);
    } catch (const Error& error) {
      // A piece that became whole, or log that was retained no longer.
      if (error.code() != Code::kNotFound) throw;
    }
    MutexLock lock(mutex_);
    ++result_.objects;
    if (!read) return;
    ++result_.objects_read;
    result_.bytes_read += object.size;
  };
  std::size_t first = 0;
  for (; first < log.objects.size() && segment_size == 0; ++first) {
    const LogObject& object = log.objects[first];
    check(first, 0);
    if (!problems[first].empty() || object.name.piece) continue;
    if (wal_file_kind(object.name.file) != WalFileKind::kSegment) continue;
    segment_size = segment_size_of(vault_, {log.source, log.stream, {object}}).value_or(0);
    if (segment_size == 0) problems[first] = "is no whole segment";
    // Again, now that its log can be read.
    if (segment_size != 0 && job_.read_percent >= 100) {
      problems[first] = log_object_problem(vault_, object, segment_size, true, &facts[first]);
    }
  }
  at_once(
      vault_.store(), log.objects.size() - first,
      [&](std::size_t i) { check(first + i, segment_size); }, stop_);
  if (segment_size != 0) check_seams(log, segment_size, facts);
  LogFiles sound{log.source, log.stream, {}};
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (problems[i].empty()) {
      sound.objects.push_back(log.objects[i]);
    } else {
      find(log.objects[i].name.key(), problems[i]);
    }
  }
  return sound;
}

// Two segments of a timeline that do not belong together: a server was set back, and wrote another
// log under the names of the first.
void LogCheck::check_seams(const LogFiles& log, std::uint32_t segment_size,
                           const std::vector<std::optional<LogFacts>>& facts) {
  std::map<std::string, const LogFacts*> known;
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (facts[i]) known[log.objects[i].name.file] = &*facts[i];
  }
  for (const auto& [file, second] : known) {
    const auto segment = parse_wal_segment(file, segment_size);
    if (!segment || segment->number == 0) continue;
    const std::string before =
        WalSegment{segment->timeline, segment->number - 1}.name(segment_size);
    const auto first = known.find(before);
    if (first == known.end()) continue;
    const std::string problem = seam_problem(*first->second, *second);
    if (problem.empty()) continue;
    find(log_prefix(log.source, log.stream) + file + ".hfl",
         "does not follow " + before + ": " + problem);
  }
}

// Who asks about one backup does not ask about the log before it.
LogFiles LogCheck::needed_of(const LogFiles& log, const std::vector<BackupSummary>& backups) const {
  if (job_.whole_vault) return log;
  LogFiles needed{log.source, log.stream, {}};
  try {
    const FileUses use = log_use(vault_, log, backups);
    for (const LogObject& object : log.objects) {
      if (use(object.name.file) != FileUse::kPast) needed.objects.push_back(object);
    }
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    return log;  // what is damaged is found out below
  }
  return needed;
}

void LogCheck::check_stream(const LogFiles& all, std::vector<BackupSummary> backups) {
  const LogFiles log = needed_of(all, backups);
  const LogFiles sound = check_objects(log);
  const LogPolicy policy = job_.policy ? job_.policy(log.source) : LogPolicy{};
  backups = within_depth(vault_, sound, std::move(backups), policy);
  // What is damaged has been named, and is no gap besides.
  const LogGaps gaps = find_log_gaps(vault_, all, sound, backups);
  for (const LogGap& gap : gaps.gaps) {
    find(log_prefix(log.source, log.stream) + gap.first + ".hfl", gap.text());
  }
  MutexLock lock(mutex_);
  result_.notes.insert(result_.notes.end(), gaps.notes.begin(), gaps.notes.end());
  result_.warnings.insert(result_.warnings.end(), gaps.warnings.begin(), gaps.warnings.end());
}

LogCheckResult LogCheck::run() {
  const auto foreign = [&](const ObjectInfo& info) {
    if (job_.whole_vault) find(info.key, "is not named like a file of a log");
  };
  const std::vector<LogFiles> logs = list_log_files(vault_.store(), foreign);
  if (!logs.empty()) {
    const LogUsers users =
        read_log_users(vault_, job_.backups, stop_, UnreadableBackups::kLeaveOut);
    for (const LogFiles& log : logs) {
      auto backups = users_of(users, log);
      if (backups.empty() && !job_.whole_vault) continue;
      check_stream(log, std::move(backups));
    }
  }
  MutexLock lock(mutex_);
  return std::move(result_);
}

}  // namespace

LogCheckResult check_log(const Vault& vault, const LogCheckJob& job, std::stop_token stop) {
  return LogCheck(vault, job, std::move(stop)).run();
}

}  // namespace holdfast
