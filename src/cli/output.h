// What the user sees: results on standard output, everything else on standard error.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "os/mutex.h"

namespace holdfast {

using Json = nlohmann::ordered_json;

// Thread-safe.
class Output {
 public:
  Output(bool json, bool quiet) : json_(json), quiet_(quiet) {}

  bool json() const { return json_; }
  bool quiet() const { return quiet_; }

  // A result for people, with its line ends; nothing with --json.
  void print(std::string_view text);
  // The same for what is pleasant to know; nothing with --quiet either.
  void note(std::string_view text);
  // The one document of --json; nothing without.
  void document(const Json& document);
  // Bytes of a stored file, or a document that was put together already.
  void raw(ByteView bytes);

  // Lines on standard error. Texts may have several lines and no line end.
  void message(std::string_view text);
  void warning(std::string_view text);
  void warning(const Error& error);  // one that ends nothing
  void error(const Error& error);

  // Replaces the line of the progress bar at the bottom of a terminal; empty: takes it away.
  void bar(const std::string& line);

 private:
  const bool json_;
  const bool quiet_;
  Mutex mutex_;
  std::string bar_ GUARDED_BY(mutex_);
};

// A document whose last member is a list of any length: written while it grows, and the text is
// that of Output::document(). Does nothing without --json. One thread at a time.
class ListDocument {
 public:
  // `head` is an object that is not empty; `list` is the name of the member behind it. Nothing is
  // written before the first add() or end().
  ListDocument(Output& output, const Json& head, const std::string& list);
  void add(const Json& item);
  void end();
  // Ends it with the error besides, for when the rest cannot be had.
  void fail(const Error& error);
  bool begun() const { return written_ || !text_.empty(); }

 private:
  void close_list();
  void flush();

  Output& output_;
  std::string head_;
  std::string text_;  // still to be written
  bool written_ = false;
  bool any_ = false;
};

// {"code", "exit_code", "message", "hint"}.
Json error_json(const Error& error);
// The text of a document; what is not UTF-8 is replaced, so that it is always valid JSON.
std::string json_text(const Json& document, int indent = 2);
// Sets `name` to the path; one that is not UTF-8 is escaped and stands in NAME_base64 besides.
void set_path(Json& object, const std::string& name, std::string_view path);

// Prints the first of `warnings` and how many there are. Nothing without.
void print_warnings(Output& output, const std::vector<std::string>& first, std::uint64_t count,
                    const std::string& log_file);

// A table for people: columns as wide as needed, two spaces apart.
class Table {
 public:
  // A heading that starts with '>' is of a column that is aligned to the right.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_;
};

// "2025-11-10 12:00", UTC.
std::string minute_text(Timestamp time);
// "2025-11-10 12:00:00", UTC.
std::string second_text(Timestamp time);

}  // namespace holdfast
