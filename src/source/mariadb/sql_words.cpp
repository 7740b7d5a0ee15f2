#include "source/mariadb/sql_words.h"

#include <algorithm>
#include <cctype>

namespace holdfast {
namespace {

class SqlWords {
 public:
  explicit SqlWords(std::string_view sql) : sql_(sql) {}

  std::vector<SqlWord> all() {
    while (at_ < sql_.size()) next();
    return std::move(found_);
  }

 private:
  bool here(std::string_view text) const { return sql_.substr(at_).starts_with(text); }

  void next() {
    const char c = sql_[at_];
    if (std::isspace(static_cast<unsigned char>(c)) != 0) {
      ++at_;
    } else if (here("/*!") || here("/*M!")) {
      at_ = std::min(sql_.find_first_not_of("0123456789", sql_.find('!', at_) + 1), sql_.size());
    } else if (here("*/")) {
      at_ += 2;
    } else if (here("/*")) {
      skip_to("*/");
    } else if (c == '#' || begins_line_comment()) {
      skip_to("\n");
    } else if (c == '`' || c == '\'' || c == '"') {
      take_quoted(c);
    } else {
      take_word();
    }
  }

  // Two minus signs before a number are no comment.
  bool begins_line_comment() const {
    return here("--") &&
           (at_ + 2 == sql_.size() || std::isspace(static_cast<unsigned char>(sql_[at_ + 2])) != 0);
  }

  void skip_to(std::string_view end) {
    const std::size_t found = sql_.find(end, at_);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  }

  void take_quoted(char quote) {
    SqlWord word{"", true};
    for (++at_; at_ < sql_.size(); ++at_) {
      if (sql_[at_] == quote) {
        ++at_;
        // Two are one that is a part of it.
        if (at_ >= sql_.size() || sql_[at_] != quote) break;
      } else if (sql_[at_] == '\\' && quote != '`' && at_ + 1 < sql_.size()) {
        ++at_;
      }
      word.text += sql_[at_];
    }
    found_.push_back(std::move(word));
  }

  void take_word() {
    const std::size_t begin = at_++;
    if (is_part_of_sql_word(sql_[begin])) {
      while (at_ < sql_.size() && is_part_of_sql_word(sql_[at_])) ++at_;
    }
    found_.push_back({std::string(sql_.substr(begin, at_ - begin)), false});
  }

  const std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<SqlWord> found_;
};

}  // namespace

std::vector<SqlWord> words_of_sql(std::string_view sql) { return SqlWords(sql).all(); }

bool is_keyword(const std::vector<SqlWord>& words, std::size_t at,
                std::initializer_list<std::string_view> names) {
  if (at >= words.size() || words[at].quoted) return false;
  std::string upper = words[at].text;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return std::find(names.begin(), names.end(), upper) != names.end();
}

std::size_t verb_of_sql(const std::vector<SqlWord>& words) {
  if (!is_keyword(words, 0, {"SET"}) || !is_keyword(words, 1, {"STATEMENT"})) return 0;
  std::size_t at = 2;
  while (at < words.size() && !is_keyword(words, at, {"FOR"})) ++at;
  return at + 1;
}

bool is_part_of_sql_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80;
}

}  // namespace holdfast
