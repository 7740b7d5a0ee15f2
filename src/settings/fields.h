// Typed and checked access to the mappings of a configuration file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "settings/document.h"
#include "settings/keys.h"

namespace holdfast {

// One value and how messages name it. Refers to the node, which must outlive it. Everything throws
// Error(kInvalid) "FILE:LINE: WHAT: ...".
class Field {
 public:
  Field(const Node& node, const std::string& file, std::string what)
      : node_(&node), file_(&file), what_(std::move(what)) {}

  const Node& node() const { return *node_; }
  const std::string& file() const { return *file_; }
  const std::string& what() const { return what_; }

  std::string text() const;          // not empty; environment references replaced
  std::string literal_text() const;  // not empty; taken as it stands
  bool boolean() const;
  unsigned number(unsigned least, unsigned most) const;
  Duration duration() const;         // more than zero
  std::uint64_t size() const;        // bytes, with a unit or as quoted text
  std::vector<Field> items() const;  // of a list

  [[noreturn]] void fail(const std::string& message, const std::string& hint = {}) const;

 private:
  void require(NodeKind kind, const std::string& hint) const;
  std::string replaced(bool& any) const;
  // The text of a scalar that must not be quoted, unless it came from the environment.
  std::string bare_text(std::string_view expected) const;

  const Node* node_;
  const std::string* file_;
  std::string what_;
};

// The members of a mapping, none of which is unknown.
class Fields {
 public:
  // `where` is put behind a key in messages: " in source 'web'"; empty for the top level.
  Fields(const Field& mapping, std::string where, Keys known);

  std::optional<Field> find(std::string_view key) const;
  // Throws when the key is missing; `hint` says what it is for.
  Field require(std::string_view key, const std::string& hint) const;
  const Field& mapping() const { return mapping_; }

 private:
  Field mapping_;
  std::string where_;
};

// "did you mean 'x'?" or "the allowed keys are ...".
std::string suggest_word(std::string_view word, Keys known, std::string_view noun);

}  // namespace holdfast
