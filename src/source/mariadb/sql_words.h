// Statements of MariaDB and MySQL, as far as their words go.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// A word, what stands in quotes, or a single sign.
struct SqlWord {
  std::string text;  // without quotes
  bool quoted = false;
};

// Comments are left out, but not what stands in those that a server executes.
std::vector<SqlWord> words_of_sql(std::string_view sql);

// One keyword of `names`, in capitals, at `at`; false behind the end.
bool is_keyword(const std::vector<SqlWord>& words, std::size_t at,
                std::initializer_list<std::string_view> names);

// Where the statement begins: behind SET STATEMENT ... FOR. May be behind the end.
std::size_t verb_of_sql(const std::vector<SqlWord>& words);

// Of a word without quotes.
bool is_part_of_sql_word(char c);

}  // namespace holdfast
