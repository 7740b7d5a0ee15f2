#include "protect/archive_check.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::size_t kKept = std::size_t{4} << 10;
// Statements that name roles are short; rows of tables need not be.
constexpr std::size_t kLongestLine = std::size_t{4} << 10;
constexpr std::size_t kTarEnd = 1024;
constexpr std::string_view kMariadbVersion = "\n-- Server version\t";
constexpr std::string_view kPostgresVersion = "\n-- Dumped from database version ";

// The name at the beginning of `text`, without its quotes.
std::string name_at(std::string_view text) {
  if (!text.starts_with('"')) {
    const auto end = text.find_first_of(" ;,");
    return std::string(text.substr(0, end));
  }
  std::string name;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] != '"') {
      name += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '"') {
      name += text[++i];
    } else {
      return name;
    }
  }
  return {};
}

// What follows the last `word` of a statement.
std::string name_behind(std::string_view line, std::string_view word) {
  const auto at = line.rfind(word);
  return at == std::string_view::npos ? "" : name_at(line.substr(at + word.size()));
}

std::string role_of(std::string_view line) {
  if (line.starts_with("ALTER DEFAULT PRIVILEGES FOR ROLE ")) {
    return name_at(line.substr(std::string_view("ALTER DEFAULT PRIVILEGES FOR ROLE ").size()));
  }
  if (line.starts_with("ALTER ")) return name_behind(line, " OWNER TO ");
  if (line.starts_with("GRANT ")) return name_behind(line, " TO ");
  if (line.starts_with("REVOKE ")) return name_behind(line, " FROM ");
  return {};
}

}  // namespace

void DumpWatch::see(ByteView content) {
  bytes_ += content.size();
  std::string_view text = as_text(content);
  if (head_.size() < kKept) head_ += text.substr(0, kKept - head_.size());
  if (text.size() >= kKept) {
    tail_ = text.substr(text.size() - kKept);
  } else {
    tail_ += text;
    if (tail_.size() > 4 * kKept) tail_.erase(0, tail_.size() - kKept);
  }
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view part = text.substr(0, end);
    const bool whole = end != std::string_view::npos;
    if (whole && line_.empty() && !long_line_) {
      line(part);  // no copy for the most of them
    } else {
      if (line_.size() + part.size() > kLongestLine) long_line_ = true;
      if (!long_line_) line_ += part;
      if (whole) {
        if (!long_line_) line(line_);
        line_.clear();
        long_line_ = false;
      }
    }
    text.remove_prefix(whole ? end + 1 : text.size());
  }
}

void DumpWatch::line(std::string_view text) {
  if (in_rows_) {
    in_rows_ = text != "\\.";
    return;
  }
  if (text.empty() || text.size() > kLongestLine) return;
  if (text.front() == 'C' && text.starts_with("COPY ") && text.ends_with(" FROM stdin;")) {
    in_rows_ = true;
    return;
  }
  if (text.front() != 'A' && text.front() != 'G' && text.front() != 'R') return;
  if (const std::string role = role_of(text); !role.empty() && role != "PUBLIC") {
    roles_.insert(role);
  }
}

bool DumpWatch::is_postgres() const {
  return head_.find("-- PostgreSQL database ") != std::string::npos;
}

bool DumpWatch::is_mariadb() const {
  return head_.find("-- MariaDB dump ") != std::string::npos ||
         head_.find("-- MySQL dump ") != std::string::npos;
}

bool DumpWatch::is_complete() const {
  const std::string_view end =
      std::string_view(tail_).substr(tail_.size() - std::min(tail_.size(), kKept));
  if (is_postgres()) {
    return end.find("\n-- PostgreSQL database dump complete\n") != std::string_view::npos ||
           end.find("\n-- PostgreSQL database cluster dump complete\n") != std::string_view::npos;
  }
  if (is_mariadb()) return end.find("\n-- Dump completed") != std::string_view::npos;
  return true;  // somebody else's SQL, which has no such end
}

int DumpWatch::server_version() const {
  const std::size_t at = head_.find(kPostgresVersion);
  if (at == std::string::npos) return 0;
  const char* begin = head_.data() + at + kPostgresVersion.size();
  int major = 0;
  int minor = 0;
  const auto first = std::from_chars(begin, head_.data() + head_.size(), major);
  if (first.ec != std::errc{}) return 0;
  if (*first.ptr == '.') std::from_chars(first.ptr + 1, head_.data() + head_.size(), minor);
  return major * 10000 + minor;
}

std::string DumpWatch::mariadb_version() const {
  const std::size_t at = head_.find(kMariadbVersion);
  if (!is_mariadb() || at == std::string::npos) return {};
  const std::size_t begin = at + kMariadbVersion.size();
  const std::size_t end = head_.find_first_not_of("0123456789.", begin);
  return head_.substr(begin, end - begin);
}

MariadbEngine DumpWatch::mariadb_engine() const {
  const std::size_t at = head_.find(kMariadbVersion);
  if (!is_mariadb() || at == std::string::npos) return MariadbEngine::kMariadb;
  const std::size_t end = head_.find('\n', at + kMariadbVersion.size());
  return head_.substr(at, end - at).find("MariaDB") == std::string::npos ? MariadbEngine::kMysql
                                                                         : MariadbEngine::kMariadb;
}

CheckedArchive check_archive(ObjectStore& store, const ArchiveName& name,
                             const std::vector<Key>& identities, std::stop_token stop,
                             const ByteSink& also) {
  CheckedArchive checked;
  if (!is_tar(name.format)) checked.dump.emplace();
  Bytes tail;
  checked.content = read_archive(
      store, name, identities,
      [&](ByteView plain) {
        if (checked.dump) {
          checked.dump->see(plain);
        } else {
          const ByteView last = plain.last(std::min(plain.size(), kTarEnd));
          tail.insert(tail.end(), last.begin(), last.end());
          if (tail.size() > kTarEnd) {
            tail.erase(tail.begin(), tail.end() - static_cast<std::ptrdiff_t>(kTarEnd));
          }
        }
        if (also) also(plain);
      },
      std::move(stop));
  const bool whole =
      checked.dump ? checked.dump->is_complete()
                   : tail.size() == kTarEnd && std::all_of(tail.begin(), tail.end(),
                                                           [](std::uint8_t b) { return b == 0; });
  if (whole) return checked;
  throw Error(Code::kCorrupt, name.key() + " stops before its end",
              "restore an older one: holdfast list; and make a new backup now");
}

}  // namespace holdfast
