#include "protect/binlog_place.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "source/mariadb/server.h"

namespace holdfast {
namespace {

class PlaceFinder {
 public:
  PlaceFinder(const Vault& vault, const BinlogPlaceQuestion& question,
              MariadbConnection& connection, const std::function<void(const std::string&)>& notify,
              std::stop_token stop)
      : vault_(vault),
        question_(question),
        notify_(notify),
        stop_(std::move(stop)),
        files_(mariadb_log_files(connection)) {}

  BinlogPlace find() {
    if (files_.empty()) throw Error(Code::kUnavailable, "the server lists no binary logs");
    const auto logs = list_binlogs(vault_, question_.source);
    if (logs.empty() || logs.back().files.empty()) return first_place();
    return after(logs.back());
  }

 private:
  BinlogPlace after(const StoredBinlogs& log) const;
  BinlogPlace within(const StoredBinlogs& log, const StoredBinlog& file) const;
  // Why the log cannot go on where the vault ends.
  struct Gap {
    Error error;
    bool same_log = false;  // files with higher numbers belong to it
  };
  BinlogPlace behind_gap(const StoredBinlogs& log, const Gap& gap) const;
  Gap other_log(const std::string& file) const;
  Gap purged(const std::string& file, std::uint64_t offset) const;
  Gap cut_off(const BinlogFileSize& file) const;
  BinlogPlace start_of(const std::string& file, const std::string& stream = "") const;
  BinlogPlace first_place() const;
  std::string file_of_newest_backup() const;

  const BinlogFileSize* on_server(const std::string& file) const {
    const auto found = std::find_if(files_.begin(), files_.end(),
                                    [&](const BinlogFileSize& one) { return one.file == file; });
    return found == files_.end() ? nullptr : &*found;
  }
  BinlogBeginning beginning_of(const std::string& file) const {
    return read_binlog_beginning(question_.server, file, question_.server_id, stop_);
  }

  const Vault& vault_;
  const BinlogPlaceQuestion& question_;
  const std::function<void(const std::string&)>& notify_;
  std::stop_token stop_;
  const std::vector<BinlogFileSize> files_;
};

// What the headers say; any key may know that.
BinlogPlace PlaceFinder::within(const StoredBinlogs& log, const StoredBinlog& file) const {
  BinlogPlace place;
  place.stream = log.stream;
  place.start.file = file.file;
  if (file.chunks.empty()) return place;  // nothing of it can be used
  const StoredChunk& last = file.chunks.back();
  const BinlogChunkFacts facts = read_chunk_facts(vault_, last.name);
  place.beginning = {facts.created, facts.server};
  place.durable = facts.to;
  if (!last.whole()) {
    place.state = facts.from;
    place.chunk_begin = facts.begin;
    place.stored = last.name.piece->end;
  } else {
    place.state = facts.to;
    place.chunk_begin = facts.end;
    place.complete = facts.closed || facts.end - facts.begin < kBinlogChunk;
  }
  place.start.offset = std::max<std::uint64_t>(place.state.offset, kBinlogMagic.size());
  // The protocol has no room for more.
  if (place.start.offset > UINT32_MAX && !place.complete) {
    place.start.offset = kBinlogMagic.size();
    place.state = {};
  }
  return place;
}

BinlogPlace PlaceFinder::after(const StoredBinlogs& log) const {
  const StoredBinlog& file = log.files.back();
  BinlogPlace place = within(log, file);
  const BinlogFileSize* const there = on_server(file.file);
  if (there != nullptr) {
    const BinlogBeginning beginning = beginning_of(file.file);
    if (!file.chunks.empty() && beginning != place.beginning) {
      return behind_gap(log, other_log(file.file));
    }
    place.beginning = beginning;
  }
  const std::string next = fmt::format("{}.{:06}", file.name.base, file.name.number + 1);
  if (place.complete && on_server(next) != nullptr) return start_of(next, log.stream);
  if (there == nullptr) return behind_gap(log, purged(file.file, place.start.offset));
  if (there->size < place.start.offset) return behind_gap(log, cut_off(*there));
  return place;
}

PlaceFinder::Gap PlaceFinder::other_log(const std::string& file) const {
  return {
      {Code::kConflict,
       "the vault has another " + file + " of " + question_.source + " than the server",
       "another server: give it a source of its own. This one, after RESET MASTER or a restore: "
       "take a new backup and begin a new log with --skip-gap; recovery cannot go over that "
       "point"},
      false};
}

PlaceFinder::Gap PlaceFinder::purged(const std::string& file, std::uint64_t offset) const {
  return {
      {Code::kNotFound,
       fmt::format("the server no longer has {} from byte {} on: its oldest binary log is {}, "
                   "and what lies between is lost",
                   file, offset, files_.front().file),
       "take a new backup now, then stream with --skip-gap: recovery cannot go over the gap. For "
       "the next time: a larger binlog_expire_logs_seconds. Another server needs a source of its "
       "own"},
      true};
}

PlaceFinder::Gap PlaceFinder::cut_off(const BinlogFileSize& file) const {
  return {{Code::kConflict,
           fmt::format("the server's {} ends at byte {}, but the vault has more: the server lost "
                       "transactions in a crash (sync_binlog is not 1?)",
                       file.file, file.size),
           "compare what the server has with a restore of the vault; then take a new backup and "
           "stream with --skip-gap"},
          true};
}

BinlogPlace PlaceFinder::behind_gap(const StoredBinlogs& log, const Gap& gap) const {
  if (!question_.skip_gap) throw gap.error;
  notify_("skipped: " + gap.error.message());
  const BinlogName& last = log.files.back().name;
  for (const BinlogFileSize& file : files_) {
    const auto name = parse_binlog_name(file.file);
    if (!gap.same_log || !name || name->base != last.base || name->number <= last.number) continue;
    return start_of(file.file, log.stream);
  }
  return first_place();
}

BinlogPlace PlaceFinder::start_of(const std::string& file, const std::string& stream) const {
  BinlogPlace place;
  place.start.file = file;
  place.beginning = beginning_of(file);
  place.stream =
      stream.empty() ? binlog_stream_name(place.beginning.created, place.beginning.server) : stream;
  return place;
}

BinlogPlace PlaceFinder::first_place() const {
  const std::string file = file_of_newest_backup();
  return start_of(on_server(file) != nullptr ? file : files_.back().file);
}

std::string PlaceFinder::file_of_newest_backup() const {
  const std::vector<BackupName> names = list_backups(vault_.store());
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (name->source != question_.source || name->backup_class != "database") continue;
    const auto database = read_backup(vault_, *name).summary.database;
    if (!database || database->engine != "mariadb" || database->start.empty()) continue;
    return database->start.substr(0, database->start.rfind(':'));
  }
  return {};
}

}  // namespace

BinlogPlace find_binlog_place(const Vault& vault, const BinlogPlaceQuestion& question,
                              MariadbConnection& connection,
                              const std::function<void(const std::string&)>& notify,
                              std::stop_token stop) {
  return PlaceFinder(vault, question, connection, notify, std::move(stop)).find();
}

}  // namespace holdfast
