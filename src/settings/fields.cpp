#include "settings/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "settings/interpolate.h"

namespace holdfast {
namespace {

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_true(std::string_view text) { return is_one_of(text, {"true", "True", "TRUE"}); }
bool is_false(std::string_view text) { return is_one_of(text, {"false", "False", "FALSE"}); }

// What YAML 1.2's core schema reads as a number.
bool is_numeric(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0o")) {
    return text.size() > 2 &&
           text.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  }
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (is_one_of(text, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})) return true;
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool digits = !text.empty() && (text[0] == '.' || (text[0] >= '0' && text[0] <= '9'));
  return digits && failed != std::errc::invalid_argument && end == text.data() + text.size();
}

}  // namespace

void Field::fail(const std::string& message, const std::string& hint) const {
  fail_at(*file_, node_->line, what_.empty() ? message : what_ + ": " + message, hint);
}

void Field::require(NodeKind kind, const std::string& hint) const {
  if (node_->kind == kind) return;
  if (node_->kind == NodeKind::kNull) fail("no value", "give it a value or remove the line");
  fail(fmt::format("expected {}, found {}", kind_name(kind), kind_name(node_->kind)), hint);
}

std::string Field::literal_text() const {
  require(NodeKind::kScalar, {});
  const std::string& text = node_->text;
  if (node_->plain && (is_true(text) || is_false(text) || is_numeric(text))) {
    fail(fmt::format("expected text, found {}", text), fmt::format("put it in quotes: '{}'", text));
  }
  if (text.empty()) fail("must not be empty");
  if (text.find('\0') != std::string::npos) fail("must not contain NUL");
  return text;
}

std::string Field::replaced(bool& any) const {
  try {
    Interpolated value = interpolate(node_->text);
    any = value.replaced;
    return std::move(value.text);
  } catch (const Error& error) {
    fail(error.message(), error.hint());
  }
}

std::string Field::text() const {
  literal_text();
  bool any = false;
  std::string value = replaced(any);
  if (value.empty()) fail("must not be empty", fmt::format("{} gives nothing", node_->text));
  return value;
}

std::string Field::bare_text(std::string_view expected) const {
  require(NodeKind::kScalar, {});
  bool any = false;
  std::string value = replaced(any);
  if (!node_->plain && !any) {
    fail(fmt::format("expected {}, found text", expected), "remove the quotes");
  }
  return value;
}

bool Field::boolean() const {
  const std::string value = bare_text("true or false");
  if (is_true(value)) return true;
  if (is_false(value)) return false;
  fail(fmt::format("'{}' is not true or false", printable(value)), "write true or false");
}

unsigned Field::number(unsigned least, unsigned most) const {
  const std::string value = bare_text("a number");
  unsigned number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, failed] = std::from_chars(value.data(), end, number);
  // YAML 1.1 reads "010" as eight and YAML 1.2 as ten.
  const bool leading_zero = value.size() > 1 && value[0] == '0';
  if (failed != std::errc{} || stop != end || leading_zero || number < least || number > most) {
    fail(fmt::format("'{}' is not a whole number from {} to {}", printable(value), least, most));
  }
  return number;
}

Duration Field::duration() const {
  const std::string value = text();
  Duration duration{};
  try {
    duration = parse_duration(value);
  } catch (const Error& error) {
    fail(error.message(), error.hint());
  }
  if (duration <= Duration{}) fail(fmt::format("'{}' is not longer than zero", value));
  return duration;
}

std::uint64_t Field::size() const {
  const std::string value = text();
  try {
    return parse_size(value);
  } catch (const Error& error) {
    fail(error.message(), error.hint());
  }
}

std::vector<Field> Field::items() const {
  require(NodeKind::kSequence, "write a list: one '- VALUE' per line, or [VALUE, VALUE]");
  std::vector<Field> items;
  for (const Node& item : node_->items) items.emplace_back(item, *file_, what_);
  return items;
}

Fields::Fields(const Field& mapping, std::string where, Keys known)
    : mapping_(mapping), where_(std::move(where)) {
  const Node& node = mapping.node();
  if (node.kind == NodeKind::kNull) mapping.fail("no value", "give it a value or remove the line");
  if (node.kind != NodeKind::kMapping) {
    mapping.fail(fmt::format("expected keys and values, found {}", kind_name(node.kind)),
                 suggest_word({}, known, "key"));
  }
  for (const NodeMember& member : node.members) {
    if (std::find(known.begin(), known.end(), member.key) == known.end()) {
      fail_at(mapping.file(), member.line,
              fmt::format("unknown key '{}'{}", printable(member.key), where_),
              suggest_word(member.key, known, "key"));
    }
  }
}

std::optional<Field> Fields::find(std::string_view key) const {
  for (const NodeMember& member : mapping_.node().members) {
    if (member.key == key) {
      return Field(member.value, mapping_.file(), fmt::format("'{}'{}", key, where_));
    }
  }
  return std::nullopt;
}

Field Fields::require(std::string_view key, const std::string& hint) const {
  if (auto field = find(key)) return *field;
  fail_at(mapping_.file(), mapping_.node().line, fmt::format("missing key '{}'{}", key, where_),
          hint);
}

std::string suggest_word(std::string_view word, Keys known, std::string_view noun) {
  const std::string near = word.empty() ? std::string{} : nearest(word, known);
  if (!near.empty()) return fmt::format("did you mean '{}'?", near);
  return fmt::format("the allowed {}s are {}", noun, fmt::join(known, ", "));
}

}  // namespace holdfast
