#include "protect/log_start.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/path.h"
#include "protect/backup_content.h"
#include "protect/log_archive.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/data_files.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

// Then it is as if the backup did not hold the segment; who needs to know why reads the backup.
bool leaves_it_open(Code code) {
  return code == Code::kNotFound || code == Code::kCorrupt || code == Code::kInvalid ||
         code == Code::kDenied || code == Code::kUnsupported;
}

// A backup of a standby may hold a segment as it was received until then, with the rest of an old
// file behind that: only the checksum tells whether the beginning of a record is what it seems.
bool completes_record(const Vault& vault, LogFactsBuilder& own, const LogName& next, Lsn border) {
  const auto log = read_log(vault, next.whole());
  if (!log) return false;
  own.feed(log->bytes);
  return own.reader().last_record_end() > border;
}

std::optional<LogFacts> start_of(const Vault& vault, const BackupName& backup,
                                 const WalSegment& segment, std::uint32_t segment_size,
                                 const LogName& next) {
  const Lsn border = segment.next().start(segment_size);
  const LogHeader header = read_log_header(vault.store(), vault.ring(), next);
  const auto json = nlohmann::json::parse(header.facts, nullptr, false);
  if (!json.is_object() || json.empty()) return std::nullopt;
  const LogFacts behind = facts_from_json(json);
  if (behind.begin_lsn != border) return std::nullopt;

  LogFactsBuilder builder(
      WalReaderOptions{segment.start(segment_size), segment.timeline, segment_size});
  read_backup_file(vault, backup,
                   join_path(std::string(kPgExtras), "wal/" + segment.name(segment_size)),
                   [&](ByteView content) {
                     builder.feed(content);
                     return true;
                   });
  LogFacts own = builder.facts();
  // What is behind a switch counts for nothing, and may be a hole in the file.
  if (own.last_lsn == border) own.end_lsn = border;
  if (own.end_lsn != border || own.major != behind.major || own.level_drop) return std::nullopt;
  if (!seam_problem(own, behind).empty()) return std::nullopt;
  const bool follows =
      own.head ? !may_drop_level(own.head->bytes) && completes_record(vault, builder, next, border)
               : !behind.tail && behind.first_previous == own.last_record_lsn;
  return follows ? std::optional(std::move(own)) : std::nullopt;
}

}  // namespace

std::optional<LogFacts> start_in_backup(const Vault& vault, const BackupName& backup,
                                        const WalSegment& segment, std::uint32_t segment_size,
                                        const LogName& next) {
  if (!vault.ring().can_read()) return std::nullopt;
  try {
    return start_of(vault, backup, segment, segment_size, next);
  } catch (const Error& error) {
    if (!leaves_it_open(error.code())) throw;
    return std::nullopt;
  }
}

}  // namespace holdfast
