// Statements of MariaDB's binary log that are about events, each on a line of its own.
#include "fuzz.h"
#include "source/mariadb/event_status.h"
#include "source/mariadb/sql_words.h"

using namespace holdfast;

namespace {

void look_at_words(std::string_view sql) {
  std::size_t length = 0;
  for (const SqlWord& word : words_of_sql(sql)) {
    require(word.quoted || !word.text.empty(), "a word has letters");
    length += word.text.size();
  }
  require(length <= sql.size(), "words are parts of the statement");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view left = as_text(ByteView(data, size));
  EventFollower follower({{{"db", "old"}, "ENABLED"}});
  for (bool replicated = false; !left.empty(); replicated = !replicated) {
    const std::string_view sql = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(left.size(), sql.size() + 1));
    look_at_words(sql);
    follower.see("db", sql, replicated);
  }
  for (const auto& [event, status] : follower.statuses()) {
    require(status == "ENABLED" || status == "DISABLED" || status == "SLAVESIDE_DISABLED",
            "a server knows the status");
    require(event == EventStatuses::key_type{"db", "old"} || follower.has_seen(event),
            "an event comes from a statement");
  }
  return 0;
}
