#include "cli/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "os/file.h"

namespace holdfast {
namespace {

constexpr std::size_t kShownWarnings = 20;
constexpr std::size_t kListBuffer = 64u << 10;
constexpr std::string_view kClearLine = "\r\x1b[K";

// Somebody who closes the pipe (head, less) has read enough: then we end like any other filter.
void write_stdout(ByteView data) {
  while (!data.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, data.data(), data.size());
    if (written >= 0) {
      data = data.subspan(static_cast<std::size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EPIPE) {
      std::signal(SIGPIPE, SIG_DFL);
      std::raise(SIGPIPE);
    }
    throw system_error(errno, "cannot write to the standard output");
  }
}

void write_stderr(const std::string& text) {
  try {
    write_full(STDERR_FILENO, as_bytes(text), "the standard error");
  } catch (const Error&) {
    // There is nobody left to be told.
  }
}

bool is_utf8(std::string_view text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::string text_of(const Error& error) {
  return error.message() + (error.hint().empty() ? "" : "\n  " + error.hint());
}

// As the text stands inside of lists and objects.
std::string indented(const std::string& text, std::size_t depth) {
  std::string result;
  for (const char c : text) {
    result += c;
    if (c == '\n') result.append(2 * depth, ' ');
  }
  return result;
}

// Columns that the text takes on a terminal, near enough: one for each code point.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

void Output::print(std::string_view text) {
  if (!json_) write_stdout(as_bytes(text));
}

void Output::note(std::string_view text) {
  if (!quiet_) print(text);
}

void Output::document(const Json& document) {
  if (json_) write_stdout(as_bytes(json_text(document) + "\n"));
}

void Output::raw(ByteView bytes) { write_stdout(bytes); }

void Output::message(std::string_view text) {
  MutexLock lock(mutex_);
  const std::string_view clear = bar_.empty() ? "" : kClearLine;
  write_stderr(fmt::format("{}{}\n{}", clear, text, bar_));
}

void Output::warning(std::string_view text) { message("warning: " + std::string(text)); }

void Output::warning(const Error& error) { warning(text_of(error)); }

void Output::error(const Error& error) { message("holdfast: " + text_of(error)); }

void Output::bar(const std::string& line) {
  MutexLock lock(mutex_);
  if (bar_.empty() && line.empty()) return;
  bar_ = line;
  write_stderr(std::string(kClearLine) + bar_);
}

ListDocument::ListDocument(Output& output, const Json& head, const std::string& list)
    : output_(output), head_(json_text(head)) {
  head_.resize(head_.size() - 2);  // the line end and the brace
  head_ += ",\n  " + json_text(list) + ": [";
}

void ListDocument::add(const Json& item) {
  if (!output_.json()) return;
  if (!begun()) text_ = head_;
  text_ += (any_ ? ",\n    " : "\n    ") + indented(json_text(item), 2);
  any_ = true;
  if (text_.size() >= kListBuffer) flush();
}

void ListDocument::close_list() {
  if (!begun()) text_ = head_;
  text_ += any_ ? "\n  ]" : "]";
}

void ListDocument::end() {
  if (!output_.json()) return;
  close_list();
  text_ += "\n}\n";
  flush();
}

void ListDocument::fail(const Error& error) {
  if (!output_.json()) return;
  close_list();
  text_ += ",\n  \"error\": " + indented(json_text(error_json(error)), 1) + "\n}\n";
  flush();
}

void ListDocument::flush() {
  output_.raw(as_bytes(text_));
  text_.clear();
  written_ = true;
}

Json error_json(const Error& error) {
  return {{"code", code_name(error.code())},
          {"exit_code", exit_code(error.code())},
          {"message", error.message()},
          {"hint", error.hint()}};
}

std::string json_text(const Json& document, int indent) {
  return document.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void set_path(Json& object, const std::string& name, std::string_view path) {
  if (is_utf8(path)) {
    object[name] = path;
    return;
  }
  object[name] = printable(path);
  object[name + "_base64"] = to_base64(as_bytes(path));
}

void print_warnings(Output& output, const std::vector<std::string>& first, std::uint64_t count,
                    const std::string& log_file) {
  const std::size_t shown = std::min(first.size(), kShownWarnings);
  for (std::size_t i = 0; i < shown; ++i) output.warning(first[i]);
  if (count <= shown) return;
  output.message(fmt::format("... and {} more{}", plural(count - shown, "warning"),
                             log_file.empty() ? "" : "; all of them are in " + log_file));
}

Table::Table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
  rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string Table::text() const {
  std::vector<std::size_t> widths(right_.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string minute_text(Timestamp time) {
  std::string text = format_rfc3339(time).substr(0, 16);
  text[10] = ' ';
  return text;
}

std::string second_text(Timestamp time) {
  std::string text = format_rfc3339(time).substr(0, 19);
  text[10] = ' ';
  return text;
}

}  // namespace holdfast
