#include "protect/binlog_place.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "source/mariadb/server.h"
#include "source/mariadb/server_log.h"

namespace holdfast {
namespace {

class PlaceFinder {
 public:
  PlaceFinder(const Vault& vault, const BinlogPlaceQuestion& question,
              MariadbConnection& connection, const std::function<void(const std::string&)>& notify,
              std::stop_token stop)
      : vault_(vault),
        question_(question),
        connection_(connection),
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
  Error with_relation(const StoredBinlogs& log, const Error& error) const;
  bool continues(const BinlogPlace& place) const;
  bool begins_before(const std::string& file, const BinlogState& durable) const;
  BinlogPlace without_file(const StoredBinlogs& log, const BinlogPlace& place) const;
  Gap set_back(const std::string& what) const;
  Gap other_log(const std::string& file) const;
  Gap purged(const std::string& file, std::uint64_t offset) const;
  Gap cut_off(const BinlogFileSize& file) const;
  Gap without_gtids(const std::string& file) const;
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
  MariadbConnection& connection_;
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

// The server's file has what the vault has of it, as far as its length and transactions tell.
bool PlaceFinder::continues(const BinlogPlace& place) const {
  const BinlogState& durable = place.durable;
  if (durable.offset <= kBinlogMagic.size()) return true;
  return log_goes_on_at(connection_, place.start.file, durable);
}

// The server's `file` begins before what the vault ends with. Domains may have been taken out of
// its list (FLUSH BINARY LOGS DELETE_DOMAIN_ID), but not all of them.
bool PlaceFinder::begins_before(const std::string& file, const BinlogState& durable) const {
  const GtidPosition& end = durable.position;
  const GtidPosition begin = log_position_before(connection_, file);
  return begin.empty() ? !end.empty() : begin.is_short_of(end);
}

BinlogPlace PlaceFinder::after(const StoredBinlogs& log) const {
  const StoredBinlog& file = log.files.back();
  BinlogPlace place = within(log, file);
  const BinlogFileSize* const there = on_server(file.file);
  if (there == nullptr) return without_file(log, place);
  const BinlogBeginning beginning = beginning_of(file.file);
  if (!file.chunks.empty() && beginning != place.beginning) {
    return behind_gap(log, other_log(file.file));
  }
  place.beginning = beginning;
  if (there->size < place.durable.offset) return behind_gap(log, cut_off(*there));
  if (!continues(place)) {
    return behind_gap(log, set_back(fmt::format("the server's {} has other transactions before "
                                                "byte {} than the vault",
                                                file.file, place.durable.offset)));
  }
  const std::string next = fmt::format("{}.{:06}", file.name.base, file.name.number + 1);
  if (place.complete && on_server(next) != nullptr) return start_of(next, log.stream);
  if (log_lacks_gtids(connection_, file.file, place.start.offset)) {
    return behind_gap(log, without_gtids(file.file));
  }
  return place;
}

// The server has no file of the name that the vault ends with. It removes old ones only, and its
// numbers rise as long as nobody sets it back.
BinlogPlace PlaceFinder::without_file(const StoredBinlogs& log, const BinlogPlace& place) const {
  const BinlogName& last = log.files.back().name;
  const std::string& oldest = files_.front().file;
  const std::string& newest = files_.back().file;
  const auto name = parse_binlog_name(newest);
  if (name && name->base == last.base && name->number < last.number) {
    return behind_gap(
        log, set_back(fmt::format("the server's newest binary log is {}, but the vault has {}",
                                  newest, place.start.file)));
  }
  if (begins_before(oldest, place.durable)) {
    return behind_gap(
        log, set_back(fmt::format("the server's {} begins at GTID {}, before what the vault has",
                                  oldest, log_position_before(connection_, oldest).text())));
  }
  const std::string next = fmt::format("{}.{:06}", last.base, last.number + 1);
  if (place.complete && on_server(next) != nullptr) return start_of(next, log.stream);
  return behind_gap(log, purged(place.start.file, place.start.offset));
}

PlaceFinder::Gap PlaceFinder::set_back(const std::string& what) const {
  return {
      {Code::kConflict, what + ": the server was restored, set back or reset, or is another one",
       "take a new backup and begin a new log with --skip-gap; recovery cannot go over that "
       "point, and what the vault has stays. Another server needs a source of its own"},
      false};
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

PlaceFinder::Gap PlaceFinder::without_gtids(const std::string& file) const {
  return {{Code::kConflict,
           file + " has transactions without GTIDs, of a time when gtid_mode was not ON",
           "FLUSH BINARY LOGS, take a new backup, then stream with --skip-gap: recovery cannot go "
           "over these transactions"},
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

// A promoted replica has the transactions of its primary, in files of its own: nothing is lost, and
// yet no recovery goes on from one log to the other.
Error PlaceFinder::with_relation(const StoredBinlogs& log, const Error& error) const {
  const BinlogPlace place = within(log, log.files.back());
  const GtidPosition& end = place.durable.position;
  const std::string server = connection_.value("SELECT @@server_id");
  if (end.empty() || server == std::to_string(place.beginning.server)) return error;
  if (!log_goes_on_from(question_.server, end, question_.server_id, stop_)) return error;
  return {
      Code::kConflict,
      fmt::format("the log in the vault is of server {}, this is server {}, which has all of it "
                  "and goes on from its end, GTID {}: a promoted replica",
                  place.beginning.server, server, end.text()),
      fmt::format("take a backup of it now, then stream with --skip-gap. Moments up to {} can "
                  "be restored from the backups before, moments from the new backup on from "
                  "that; those between cannot, for no recovery goes from one server's log on to "
                  "another's",
                  end.text())};
}

BinlogPlace PlaceFinder::behind_gap(const StoredBinlogs& log, const Gap& gap) const {
  if (!question_.skip_gap) throw with_relation(log, gap.error);
  notify_("skipped: " + gap.error.message());
  const BinlogName& last = log.files.back().name;
  for (const BinlogFileSize& file : files_) {
    const auto name = parse_binlog_name(file.file);
    if (!gap.same_log || !name || name->base != last.base || name->number <= last.number) continue;
    return start_of(file.file, log.stream);
  }
  BinlogPlace place = first_place();
  // A server that was set back as files still has those that the old history began with.
  if (place.stream == log.stream) place = start_of(files_.back().file);
  if (place.stream != log.stream) return place;
  throw Error(Code::kConflict, place.start.file + " belongs to the log that the vault has already",
              "FLUSH BINARY LOGS on the server, take a backup, and run this again");
}

BinlogPlace PlaceFinder::start_of(const std::string& file, const std::string& stream) const {
  // What is stored of such a file would have to be gone on with.
  if (log_lacks_gtids(connection_, file, kBinlogMagic.size())) throw without_gtids(file).error;
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
    if (!database || !has_binary_log(database->engine) || database->start.empty()) continue;
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
