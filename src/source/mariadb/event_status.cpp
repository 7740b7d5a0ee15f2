#include "source/mariadb/event_status.h"

#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/error.h"
#include "base/wire.h"
#include "os/file.h"
#include "source/mariadb/binlog_event.h"
#include "source/mariadb/proof.h"
#include "source/mariadb/relay_applier.h"
#include "source/mariadb/relay_replay.h"
#include "source/mariadb/sql_words.h"

namespace holdfast {
namespace {

constexpr const char* kOff = "SLAVESIDE_DISABLED";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// One statement about an event.
class EventStatement {
 public:
  EventStatement(std::string_view database, std::string_view sql)
      : words_(words_of_sql(sql)), database_(database) {
    if (!is_keyword(words_, 0, {"CREATE", "ALTER", "DROP"})) return;
    at_ = 1;
    if (is_keyword(words_, at_, {"OR"})) at_ += 2;
    if (is_keyword(words_, at_, {"DEFINER"})) {
      // "DEFINER = u @ h EVENT"; no account is a keyword in its middle.
      while (at_ < words_.size() && !is_keyword(words_, at_, {"EVENT"})) ++at_;
    }
    is_one_ = is_keyword(words_, at_, {"EVENT"});
    ++at_;
    while (is_keyword(words_, at_, {"IF", "NOT", "EXISTS"})) {
      if_not_exists_ = if_not_exists_ || is_keyword(words_, at_, {"NOT"});
      ++at_;
    }
    is_one_ = is_one_ && at_ < words_.size();
  }

  bool is_one() const { return is_one_; }

  void apply(EventStatuses& statuses) const {
    std::size_t at = at_;
    const auto key = name_at(at);
    if (is_keyword(words_, 0, {"DROP"})) {
      statuses.erase(key);
      return;
    }
    const bool creates = is_keyword(words_, 0, {"CREATE"});
    if (creates && if_not_exists_ && statuses.contains(key)) return;
    if (creates) statuses[key] = "ENABLED";
    follow_clauses(at, key, statuses);
  }

 private:
  // Behind "name" or "database.name", which begins at `at`.
  std::pair<std::string, std::string> name_at(std::size_t& at) const {
    std::string first = at < words_.size() ? words_[at].text : "";
    ++at;
    const bool has_point = at + 1 < words_.size() && !words_[at].quoted && words_[at].text == ".";
    if (!has_point) return {lower(database_), lower(first)};
    at += 2;
    return {lower(std::move(first)), lower(words_[at - 1].text)};
  }

  // Up to the body. What stands in parentheses is a schedule's.
  void follow_clauses(std::size_t at, std::pair<std::string, std::string> key,
                      EventStatuses& statuses) const {
    int depth = 0;
    for (; at < words_.size(); ++at) {
      if (!words_[at].quoted && words_[at].text == "(") ++depth;
      if (!words_[at].quoted && words_[at].text == ")") --depth;
      if (depth > 0) continue;
      if (is_keyword(words_, at, {"DO"})) return;
      if (is_keyword(words_, at, {"ENABLE"})) statuses[key] = "ENABLED";
      if (is_keyword(words_, at, {"DISABLE"})) {
        statuses[key] =
            is_keyword(words_, at + 1, {"ON"}) && is_keyword(words_, at + 2, {"SLAVE", "REPLICA"})
                ? kOff
                : "DISABLED";
      }
      if (is_keyword(words_, at, {"RENAME"}) && is_keyword(words_, at + 1, {"TO"})) {
        std::size_t to = at + 2;
        auto moved = name_at(to);
        const auto found = statuses.extract(key);
        if (found) statuses[moved] = found.mapped();
        key = std::move(moved);
        at = to - 1;
      }
    }
  }

  const std::vector<SqlWord> words_;
  const std::string database_;
  std::size_t at_ = 0;  // of the name
  bool is_one_ = false;
  bool if_not_exists_ = false;
};

// Of a compressed statement: u8 with the length of the length | length, its highest byte first |
// deflated. Source: MariaDB's log_event.cc, query_event_uncompress().
std::string inflated(std::string_view compressed) {
  WireReader in(as_bytes(compressed));
  std::size_t left = in.fixed<std::uint8_t>() & 0x07;
  std::uint64_t size = 0;
  for (; left > 0; --left) size = size << 8 | in.fixed<std::uint8_t>();
  if (size > kMaxBinlogEvent) throw Error(Code::kCorrupt, "a compressed statement is too long");
  Bytes sql(static_cast<std::size_t>(size));
  auto got = static_cast<uLongf>(size);
  const ByteView rest = in.raw(in.left());
  const int done = ::uncompress(sql.data(), &got, rest.data(), static_cast<uLong>(rest.size()));
  if (done != Z_OK || got != size) {
    throw Error(Code::kCorrupt, "a compressed statement cannot be inflated");
  }
  return std::string(as_text(sql));
}

// All statements of a file, which the server has applied.
void follow_file(const std::string& path, EventStatuses& statuses, const std::stop_token& stop) {
  const Fd file = open_file(path, O_RDONLY);
  bool checksums = false;
  Bytes event(kBinlogHeader);
  for (std::uint64_t at = kBinlogMagic.size();; event.resize(kBinlogHeader)) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    if (pread_full(file.get(), event, at, path) != event.size()) return;
    const std::size_t size = binlog_event_size(event);
    const auto type = type_of_binlog_event(event);
    const bool wanted = type == BinlogType::kFormat || type == BinlogType::kQuery ||
                        type == BinlogType::kQueryCompressed;
    if (wanted) {
      event.resize(size);
      if (pread_full(file.get(), event, at, path) != event.size()) return;
      if (type == BinlogType::kFormat) {
        checksums = read_format(parse_format_event(event)).checksums;
      } else {
        const BinlogQuery query = read_query(parse_binlog_event(event, checksums));
        if (type == BinlogType::kQuery) {
          follow_event_statement(query.database, query.statement, statuses);
        } else {
          follow_event_statement(query.database, inflated(query.statement), statuses);
        }
      }
    }
    at += size;
  }
}

bool has_any_off(const EventStatuses& now, const EventStatuses& before) {
  return std::any_of(now.begin(), now.end(), [&](const auto& event) {
    const auto old = before.find(event.first);
    return event.second == kOff && (old == before.end() || old->second != kOff);
  });
}

}  // namespace

EventStatuses event_statuses(MariadbConnection& connection) {
  EventStatuses statuses;
  for (const MariadbRow& row : connection.query("SELECT db, name, status FROM mysql.event")) {
    statuses[{lower(row[0].value_or("")), lower(row[1].value_or(""))}] = row[2].value_or("");
  }
  return statuses;
}

void follow_event_statement(std::string_view database, std::string_view sql,
                            EventStatuses& statuses) {
  const EventStatement statement(database, sql);
  if (statement.is_one()) statement.apply(statuses);
}

std::vector<std::string> mend_event_statuses(MariadbConnection& connection, EventStatuses before,
                                             const std::string& received,
                                             const std::stop_token& stop) {
  std::vector<std::string> unknown;
  if (!has_any_off(event_statuses(connection), before)) return unknown;
  for (std::string name = kFirstRelayLog; path_exists(received + "/" + name);
       name = next_relay_name(name)) {
    follow_file(received + "/" + name, before, stop);
  }
  connection.query("SET SESSION sql_log_bin = 0");
  for (const MariadbRow& row :
       connection.query("SELECT db, name FROM mysql.event WHERE status = 'SLAVESIDE_DISABLED'")) {
    const std::string database = row[0].value_or("");
    const std::string name = row[1].value_or("");
    const auto found = before.find({lower(database), lower(name)});
    if (found == before.end()) {
      unknown.push_back(mariadb_identifier(database) + "." + mariadb_identifier(name));
    } else if (found->second != kOff) {
      connection.query(
          "UPDATE mysql.event SET created = created, status = " + connection.quoted(found->second) +
          " WHERE db = " + connection.quoted(database) + " AND name = " + connection.quoted(name));
    }
  }
  connection.query("SET SESSION sql_log_bin = 1");
  return unknown;
}

}  // namespace holdfast
