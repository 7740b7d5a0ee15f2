#include "source/postgres/lsn.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {

namespace {

std::optional<std::uint32_t> half(std::string_view text) {
  std::uint32_t value = 0;
  if (text.empty() || text.size() > 8) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string format_lsn(Lsn lsn) { return fmt::format("{:X}/{:X}", lsn >> 32, lsn & 0xffffffff); }

Lsn parse_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto high = half(text.substr(0, slash));
    const auto low = half(text.substr(slash + 1));
    if (high && low) return Lsn{*high} << 32 | *low;
  }
  throw Error(Code::kInvalid, fmt::format("'{}' is not a log position", printable(text)),
              "write it as PostgreSQL prints it, for example 16/B374D848");
}

}  // namespace holdfast
