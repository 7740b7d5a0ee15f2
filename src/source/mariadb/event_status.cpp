#include "source/mariadb/event_status.h"

#include <algorithm>
#include <cctype>

#include "source/mariadb/proof.h"
#include "source/mariadb/relay_statements.h"
#include "source/mariadb/sql_words.h"

namespace holdfast {
namespace {

constexpr const char* kOff = "SLAVESIDE_DISABLED";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

using EventKey = EventStatuses::key_type;

// One statement, as far as it is about events.
class EventStatement {
 public:
  EventStatement(std::string_view database, std::string_view sql)
      : words_(words_of_sql(sql)), database_(database) {
    at_ = verb_of_sql(words_);
    verb_ = at_++;
    if (!is_verb({"CREATE", "ALTER", "DROP"})) return;
    if (is_keyword(words_, at_, {"OR"})) at_ += 2;
    if (is_keyword(words_, at_, {"DEFINER"})) skip_definer();
    drops_database_ = is_verb({"DROP"}) && is_keyword(words_, at_, {"DATABASE", "SCHEMA"});
    is_about_event_ = is_keyword(words_, at_, {"EVENT"});
    ++at_;
    while (is_keyword(words_, at_, {"IF", "NOT", "EXISTS"})) {
      if_not_exists_ = if_not_exists_ || is_keyword(words_, at_, {"NOT"});
      ++at_;
    }
  }

  bool is_about_event() const { return is_about_event_ && at_ < words_.size(); }
  bool drops_database() const { return drops_database_ && at_ < words_.size(); }
  std::string database() const { return lower(words_[at_].text); }

  // Returns the event's name afterwards.
  EventKey apply(EventStatuses& statuses, bool replicated) const {
    std::size_t at = at_;
    EventKey key = name_at(at);
    if (is_verb({"DROP"})) {
      statuses.erase(key);
      return key;
    }
    const bool creates = is_verb({"CREATE"});
    if (creates && if_not_exists_ && statuses.contains(key)) return key;
    if (creates) statuses[key] = "ENABLED";
    key = follow_clauses(at, std::move(key), statuses);
    if (replicated) statuses[key] = kOff;
    return key;
  }

 private:
  bool is_verb(std::initializer_list<std::string_view> verbs) const {
    return is_keyword(words_, verb_, verbs);
  }
  bool is_sign(std::size_t at, std::string_view sign) const {
    return at < words_.size() && !words_[at].quoted && words_[at].text == sign;
  }

  // "DEFINER = user@host", "DEFINER = CURRENT_USER()"
  void skip_definer() {
    at_ += 3;
    if (is_sign(at_, "@") || is_sign(at_, "(")) at_ += 2;
  }

  // Of "name" or "database.name" at `at`, which goes behind it.
  EventKey name_at(std::size_t& at) const {
    std::string first = at < words_.size() ? words_[at].text : "";
    ++at;
    if (!is_sign(at, ".") || at + 1 >= words_.size()) return {lower(database_), lower(first)};
    at += 2;
    return {lower(std::move(first)), lower(words_[at - 1].text)};
  }

  // Up to the body. What stands in parentheses is a schedule's.
  EventKey follow_clauses(std::size_t at, EventKey key, EventStatuses& statuses) const {
    int depth = 0;
    for (; at < words_.size(); ++at) {
      if (is_sign(at, "(")) ++depth;
      if (is_sign(at, ")")) --depth;
      if (depth > 0) continue;
      if (is_keyword(words_, at, {"DO"})) return key;
      if (is_keyword(words_, at, {"ENABLE"})) statuses[key] = "ENABLED";
      if (is_keyword(words_, at, {"DISABLE"})) {
        const bool on_slave =
            is_keyword(words_, at + 1, {"ON"}) && is_keyword(words_, at + 2, {"SLAVE", "REPLICA"});
        statuses[key] = on_slave ? kOff : "DISABLED";
      }
      if (is_keyword(words_, at, {"RENAME"}) && is_keyword(words_, at + 1, {"TO"})) {
        std::size_t to = at + 2;
        EventKey moved = name_at(to);
        auto found = statuses.extract(key);
        if (found) statuses[moved] = std::move(found.mapped());
        key = std::move(moved);
        at = to - 1;
      }
    }
    return key;
  }

  const std::vector<SqlWord> words_;
  const std::string database_;
  std::size_t at_ = 0;  // behind the keywords, of the name
  std::size_t verb_ = 0;
  bool is_about_event_ = false;
  bool drops_database_ = false;
  bool if_not_exists_ = false;
};

}  // namespace

void EventFollower::see(std::string_view database, std::string_view sql, bool replicated) {
  const EventStatement statement(database, sql);
  if (statement.is_about_event()) seen_.insert(statement.apply(statuses_, replicated));
  if (!statement.drops_database()) return;
  std::erase_if(statuses_, [dropped = statement.database()](const auto& event) {
    return event.first.first == dropped;
  });
}

EventStatuses event_statuses(MariadbConnection& connection) {
  EventStatuses statuses;
  for (const MariadbRow& row : connection.query("SELECT db, name, status FROM mysql.event")) {
    statuses[{lower(row[0].value_or("")), lower(row[1].value_or(""))}] = row[2].value_or("");
  }
  return statuses;
}

std::vector<std::string> mend_event_statuses(MariadbConnection& connection, EventStatuses before,
                                             const std::string& received,
                                             const std::stop_token& stop) {
  const auto off = connection.query(
      "SELECT db, name, execute_at <= UTC_TIMESTAMP() FROM mysql.event WHERE status = "
      "'SLAVESIDE_DISABLED'");
  std::vector<std::string> unknown;
  if (off.empty()) return unknown;
  const EventStatuses old = before;
  EventFollower follower(std::move(before));
  for_each_statement(received, stop, [&](const RelayStatement& statement) {
    follower.see(statement.database, statement.sql, statement.replicated);
  });
  connection.query("SET SESSION sql_log_bin = 0");
  for (const MariadbRow& row : off) {
    const std::string database = row[0].value_or("");
    const std::string name = row[1].value_or("");
    const EventKey key{lower(database), lower(name)};
    const auto found = follower.statuses().find(key);
    const auto was = old.find(key);
    const bool was_off = was != old.end() && was->second == kOff;
    const bool told = found != follower.statuses().end() && (was_off || follower.has_seen(key));
    const bool has_passed = row[2] == "1";
    if (told && found->second == kOff) continue;
    if (!told || (found->second == "ENABLED" && has_passed)) {
      unknown.push_back(mariadb_identifier(database) + "." + mariadb_identifier(name));
      continue;
    }
    connection.query(
        "UPDATE mysql.event SET created = created, status = " + connection.quoted(found->second) +
        " WHERE db = " + connection.quoted(database) + " AND name = " + connection.quoted(name));
  }
  connection.query("SET SESSION sql_log_bin = 1");
  return unknown;
}

}  // namespace holdfast
