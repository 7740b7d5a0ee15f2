// YAML text as a tree that remembers lines. The part of YAML that a configuration needs: no
// anchors, aliases, tags, merge keys or several documents.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

enum class NodeKind { kNull, kScalar, kSequence, kMapping };

struct NodeMember;

struct Node {
  NodeKind kind = NodeKind::kNull;
  int line = 1;                     // from 1; of a null in a mapping: its key's
  std::string text;                 // of a scalar
  bool plain = false;               // a scalar without quotes
  std::vector<Node> items;          // of a sequence
  std::vector<NodeMember> members;  // of a mapping, in the order of the file, keys unique
};

struct NodeMember {
  std::string key;
  int line = 1;  // of the key
  Node value;
};

// Parses at most 1 MiB. An empty file is a null node. Throws Error(kInvalid) "FILE:LINE: ..." for
// syntax errors, duplicate keys, what the subset leaves out, and documents that are too deep or
// have too many nodes.
Node parse_document(std::string_view text, const std::string& file);

// "a list", "text", ... for messages.
std::string_view kind_name(NodeKind kind);

// Throws Error(kInvalid) with "FILE:LINE: " before the message.
[[noreturn]] void fail_at(const std::string& file, int line, const std::string& message,
                          const std::string& hint);

}  // namespace holdfast
