#include "source/mariadb/failed_statement.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <vector>

namespace holdfast {
namespace {

constexpr std::string_view kError = "Error '";
constexpr std::string_view kDatabase = "' on query. Default database: '";
constexpr std::string_view kQuery = "'. Query: '";
constexpr std::string_view kTransaction = " failed executing transaction '";
constexpr std::string_view kUnknown = "Unknown database '";
constexpr std::size_t kLookedAt = 24;  // words before the kind of object: a definer, an algorithm

struct Word {
  std::string text;
  bool quoted = false;
};

bool is_part_of_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80;
}

// Splits SQL: words, what stands in quotes, single signs. Comments are left out, but not what
// stands in those that a server executes.
class Words {
 public:
  static std::vector<Word> of(std::string_view sql) {
    Words words(sql);
    while (words.at_ < sql.size()) words.next();
    return std::move(words.found_);
  }

 private:
  explicit Words(std::string_view sql) : sql_(sql) {}

  bool here(std::string_view text) const { return sql_.substr(at_).starts_with(text); }

  void next() {
    const char c = sql_[at_];
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++at_;
    } else if (here("/*!")) {
      at_ = std::min(sql_.find_first_not_of("0123456789", at_ + 3), sql_.size());
    } else if (here("*/")) {
      at_ += 2;
    } else if (here("/*")) {
      skip_to("*/");
    } else if (here("-- ") || c == '#') {
      skip_to("\n");
    } else if (c == '`' || c == '\'' || c == '"') {
      take_quoted(c);
    } else {
      take_word();
    }
  }

  void skip_to(std::string_view end) {
    const std::size_t found = sql_.find(end, at_);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  }

  void take_quoted(char quote) {
    Word word{"", true};
    for (++at_; at_ < sql_.size(); ++at_) {
      if (sql_[at_] == quote) {
        ++at_;
        // Two are one that is a part of it.
        if (at_ >= sql_.size() || sql_[at_] != quote) break;
      }
      word.text += sql_[at_];
    }
    found_.push_back(std::move(word));
  }

  void take_word() {
    const std::size_t begin = at_++;
    if (is_part_of_word(sql_[begin])) {
      while (at_ < sql_.size() && is_part_of_word(sql_[at_])) ++at_;
    }
    found_.push_back({std::string(sql_.substr(begin, at_ - begin)), false});
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<Word> found_;
};

// One keyword of `names` at `at`.
bool is_any(const std::vector<Word>& words, std::size_t at,
            std::initializer_list<std::string_view> names) {
  if (at >= words.size() || words[at].quoted) return false;
  std::string upper = words[at].text;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return std::find(names.begin(), names.end(), upper) != names.end();
}

bool is_point(const std::vector<Word>& words, std::size_t at) {
  return at < words.size() && !words[at].quoted && words[at].text == ".";
}

// Of "name", "database.name".
std::string database_at(const std::vector<Word>& words, std::size_t at,
                        const std::string& session) {
  if (at >= words.size()) return {};
  return is_point(words, at + 1) ? words[at].text : session;
}

std::string database_of_definition(const std::vector<Word>& words, const std::string& session) {
  std::size_t at = 1;
  if (is_any(words, 1, {"DEFINER"}) && !is_any(words, 0, {"DROP"})) {
    while (at < std::min(words.size(), kLookedAt) &&
           !is_any(words, at, {"PROCEDURE", "FUNCTION", "EVENT", "TRIGGER", "VIEW"})) {
      ++at;
    }
  }
  if (!is_any(words, at, {"PROCEDURE", "FUNCTION", "EVENT"})) return {};
  ++at;
  if (is_any(words, at, {"IF"})) {
    while (is_any(words, at, {"IF", "NOT", "EXISTS"})) ++at;
  }
  const std::string database = database_at(words, at, session);
  // An event may be moved into another database.
  for (std::size_t i = at; is_any(words, 0, {"ALTER"}) && i < words.size(); ++i) {
    const bool moves = is_any(words, i, {"RENAME"}) && is_any(words, i + 1, {"TO"});
    if (moves && database_at(words, i + 2, session) != database) return {};
  }
  return database;
}

// Old servers make accounts and set passwords and limits with GRANT.
bool says_more_of_accounts(const std::vector<Word>& words) {
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (is_any(words, at,
               {"IDENTIFIED", "REQUIRE", "MAX_QUERIES_PER_HOUR", "MAX_UPDATES_PER_HOUR",
                "MAX_CONNECTIONS_PER_HOUR", "MAX_USER_CONNECTIONS"})) {
      return true;
    }
  }
  return false;
}

// Roles, and rights to all of a database or of a server, are no objects that could be missing.
std::string database_of_grant(const std::vector<Word>& words, const std::string& session) {
  if (is_any(words, 1, {"PROXY"}) || says_more_of_accounts(words)) return {};
  for (std::size_t at = 1; at < words.size(); ++at) {
    if (!is_any(words, at, {"ON"})) continue;
    ++at;
    if (is_any(words, at, {"TABLE", "PROCEDURE", "FUNCTION"})) ++at;
    const std::string database = database_at(words, at, session);
    const std::size_t object = is_point(words, at + 1) ? at + 2 : at;
    const bool is_name =
        object < words.size() && (words[object].quoted || is_part_of_word(words[object].text[0]));
    return is_name && is_any(words, object + 1, {"TO", "FROM"}) ? database : "";
  }
  return {};
}

}  // namespace

std::optional<FailedStatement> parse_failed_statement(const std::string& error) {
  const std::size_t begin = error.find(kError);
  const std::size_t database = error.find(kDatabase, begin);
  const std::size_t query = error.find(kQuery, database);
  if (begin == std::string::npos || database == std::string::npos || query == std::string::npos) {
    return std::nullopt;
  }
  const auto part = [&](std::size_t from, std::string_view mark, std::size_t to) {
    return error.substr(from + mark.size(), to - from - mark.size());
  };
  FailedStatement failed;
  failed.message = part(begin, kError, database);
  failed.database = part(database, kDatabase, query);
  failed.statement = error.substr(query + kQuery.size());
  if (failed.statement.ends_with('\'')) failed.statement.pop_back();
  const std::size_t transaction = error.find(kTransaction);
  if (transaction < begin) {
    const std::size_t from = transaction + kTransaction.size();
    failed.transaction = error.substr(from, error.find('\'', from) - from);
  }
  return failed;
}

std::vector<std::string> needed_databases(const FailedStatement& failed) {
  std::vector<std::string> databases;
  const std::string& message = failed.message;
  if (message.starts_with(kUnknown) && message.ends_with('\'')) {
    databases.push_back(message.substr(kUnknown.size(), message.size() - kUnknown.size() - 1));
  }
  // RENAME TABLE t TO archive.t, ALTER TABLE t RENAME archive.t
  const std::vector<Word> words = Words::of(failed.statement);
  if (!is_any(words, 0, {"RENAME", "ALTER"})) return databases;
  for (std::size_t at = 1; at < words.size(); ++at) {
    if (is_any(words, at, {"TO", "AS", "RENAME"}) && is_point(words, at + 2)) {
      databases.push_back(words[at + 1].text);
    }
  }
  return databases;
}

std::string database_of_object(const FailedStatement& failed) {
  const std::vector<Word> words = Words::of(failed.statement);
  if (is_any(words, 0, {"CREATE", "ALTER", "DROP"})) {
    return database_of_definition(words, failed.database);
  }
  if (is_any(words, 0, {"GRANT", "REVOKE"})) return database_of_grant(words, failed.database);
  return {};
}

}  // namespace holdfast
