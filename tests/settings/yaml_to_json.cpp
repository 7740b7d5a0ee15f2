#include "yaml_to_json.h"

#include <regex>
#include <string>

namespace holdfast {
namespace {

using nlohmann::json;

json scalar(const Node& node) {
  static const std::regex kTrue("true|True|TRUE");
  static const std::regex kFalse("false|False|FALSE");
  static const std::regex kInteger("[-+]?[0-9]+");
  static const std::regex kFloat("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
  if (!node.plain) return node.text;
  if (std::regex_match(node.text, kTrue)) return true;
  if (std::regex_match(node.text, kFalse)) return false;
  if (std::regex_match(node.text, kInteger)) return std::stol(node.text);
  if (std::regex_match(node.text, kFloat)) return std::stod(node.text);
  return node.text;
}

}  // namespace

json to_json(const Node& node) {
  json value;
  switch (node.kind) {
    case NodeKind::kNull:
      break;
    case NodeKind::kScalar:
      return scalar(node);
    case NodeKind::kSequence:
      value = json::array();
      for (const Node& item : node.items) value.push_back(to_json(item));
      break;
    case NodeKind::kMapping:
      value = json::object();
      for (const NodeMember& member : node.members) value[member.key] = to_json(member.value);
      break;
  }
  return value;
}

}  // namespace holdfast
