#include "vault/log_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/human.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

constexpr std::string_view kRoot = "log/";
constexpr std::string_view kSuffix = ".hfl";
constexpr std::size_t kMaxStream = 63;
constexpr std::size_t kMaxFile = 128;
constexpr std::size_t kPieceSize = 1 + 8 + 1 + 8;  // ".BEGIN-END"

bool is_letter_or_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_part(std::string_view text, std::size_t maximum) {
  return !text.empty() && text.size() <= maximum && is_letter_or_digit(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

bool is_source(std::string_view text) {
  try {
    check_source_name(text);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::optional<std::uint32_t> parse_offset(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string piece_text(const LogPiece& piece) {
  return fmt::format(".{:08X}-{:08X}", piece.begin, piece.end);
}

// The piece that the end of `file` names.
std::optional<LogPiece> piece_in(std::string_view file) {
  if (file.size() <= kPieceSize) return std::nullopt;
  const std::string_view text = file.substr(file.size() - kPieceSize);
  const auto begin = parse_offset(text.substr(1, 8));
  const auto end = parse_offset(text.substr(10));
  if (!begin || !end || *begin >= *end) return std::nullopt;
  const LogPiece piece{*begin, *end};
  return piece_text(piece) == text ? std::optional(piece) : std::nullopt;
}

bool is_valid(const LogName& name) {
  return is_source(name.source) && is_part(name.stream, kMaxStream) &&
         is_part(name.file, kMaxFile) && !piece_in(name.file) &&
         (!name.piece || name.piece->begin < name.piece->end);
}

}  // namespace

std::string LogName::key() const {
  return log_prefix(source, stream) + file + (piece ? piece_text(*piece) : "") +
         std::string(kSuffix);
}

std::optional<LogName> parse_log_key(std::string_view key) {
  if (!key.starts_with(kRoot) || !key.ends_with(kSuffix)) return std::nullopt;
  key.remove_prefix(kRoot.size());
  key.remove_suffix(std::min(key.size(), kSuffix.size()));
  const std::size_t first = key.find('/');
  const std::size_t second = key.find('/', first == std::string_view::npos ? first : first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  LogName name{std::string(key.substr(0, first)),
               std::string(key.substr(first + 1, second - first - 1)),
               std::string(key.substr(second + 1)),
               {}};
  name.piece = piece_in(name.file);
  if (name.piece) name.file.resize(name.file.size() - kPieceSize);
  return is_valid(name) ? std::optional(std::move(name)) : std::nullopt;
}

void check_log_name(const LogName& name) {
  check_source_name(name.source);
  if (is_valid(name)) return;
  throw Error(Code::kInvalid, "'" + printable(name.key()) + "' cannot name a file of a log",
              "give the name of the file as the database wrote it, without a directory");
}

std::string log_prefix(std::string_view source) {
  return std::string(kRoot) + std::string(source) + "/";
}

std::string log_prefix(std::string_view source, std::string_view stream) {
  return log_prefix(source) + std::string(stream) + "/";
}

}  // namespace holdfast
