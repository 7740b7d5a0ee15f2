#include "store/s3/lifecycle.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <pugixml.hpp>
#include <sstream>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr const char* kRoot =
    "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";

// S3's own rules are nested four deep.
constexpr unsigned kDeepest = 16;

[[noreturn]] void refuse(const std::string& problem) {
  throw Error(Code::kCorrupt, "the store's lifecycle rules cannot be read: " + problem,
              "check that the endpoint is that of an S3 store and that no proxy answers for it");
}

std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string text_of(const pugi::xml_node& node) {
  std::string text;
  for (const pugi::xml_node& part : node.children()) text += part.value();
  return text;
}

unsigned days_of(const pugi::xml_node& node) {
  const std::string text = text_of(node);
  unsigned days = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), days);
  if (failed != std::errc{} || end != text.data() + text.size() || text.empty()) {
    refuse(fmt::format("{} is not a number of days", printable(local_name(node))));
  }
  return days;
}

// Writes a rule again, without the prefixes of namespaces, which are declared above it.
void copy_plain(const pugi::xml_node& from, pugi::xml_node to, unsigned depth = 0) {
  if (depth > kDeepest) refuse("their elements are nested too deeply");
  for (const pugi::xml_node& node : from.children()) {
    if (node.type() != pugi::node_element) {
      to.append_copy(node);
      continue;
    }
    pugi::xml_node copy = to.append_child(std::string(local_name(node)).c_str());
    for (const pugi::xml_attribute& attribute : node.attributes()) {
      if (!std::string_view(attribute.name()).starts_with("xmlns")) copy.append_copy(attribute);
    }
    copy_plain(node, copy, depth + 1);
  }
}

std::string plain_xml(const pugi::xml_node& rule) {
  pugi::xml_document document;
  pugi::xml_node copy = document.append_child("Rule");
  copy_plain(rule, copy);
  if (const pugi::xml_node prefix = copy.child("Prefix"); prefix && !copy.child("Filter")) {
    pugi::xml_node filter = copy.insert_child_before("Filter", prefix);
    filter.append_copy(prefix);
    copy.remove_child(prefix);
  }
  std::ostringstream out;
  copy.print(out, "", pugi::format_raw);
  return out.str();
}

class RuleReader {
 public:
  BucketRule read(const pugi::xml_node& rule);

 private:
  // `other` for what has no place.
  void other(const pugi::xml_node& node) { rule_.other.emplace_back(local_name(node)); }
  void read_filter(const pugi::xml_node& filter);
  void read_expiration(const pugi::xml_node& node);
  void read_version_expiration(const pugi::xml_node& node);
  void read_abort(const pugi::xml_node& node);
  LifecycleTransition transition(const pugi::xml_node& node);

  BucketRule rule_;
};

void RuleReader::read_filter(const pugi::xml_node& filter) {
  for (const pugi::xml_node& node : filter.children()) {
    const std::string_view name = local_name(node);
    if (name == "Prefix") {
      rule_.rule.prefix = text_of(node);
    } else if (name == "And") {
      read_filter(node);
    } else if (node.type() == pugi::node_element) {
      rule_.tagged = rule_.tagged || name == "Tag";
      other(node);
    }
  }
}

void RuleReader::read_expiration(const pugi::xml_node& node) {
  for (const pugi::xml_node& child : node.children()) {
    const std::string_view name = local_name(child);
    if (name == "Days") {
      rule_.rule.expire_days = days_of(child);
    } else if (name == "Date") {
      rule_.rule.expire_date = text_of(child);
    } else if (name == "ExpiredObjectDeleteMarker") {
      rule_.rule.remove_delete_markers = text_of(child) == "true";
    } else if (child.type() == pugi::node_element) {
      other(child);
    }
  }
}

void RuleReader::read_version_expiration(const pugi::xml_node& node) {
  for (const pugi::xml_node& child : node.children()) {
    if (local_name(child) == "NoncurrentDays") {
      rule_.rule.expire_versions_days = days_of(child);
    } else if (child.type() == pugi::node_element) {
      other(child);
    }
  }
}

void RuleReader::read_abort(const pugi::xml_node& node) {
  for (const pugi::xml_node& child : node.children()) {
    if (local_name(child) == "DaysAfterInitiation") {
      rule_.rule.abort_uploads_days = days_of(child);
    } else if (child.type() == pugi::node_element) {
      other(child);
    }
  }
}

LifecycleTransition RuleReader::transition(const pugi::xml_node& node) {
  LifecycleTransition transition;
  for (const pugi::xml_node& child : node.children()) {
    const std::string_view name = local_name(child);
    if (name == "Days" || name == "NoncurrentDays") {
      transition.days = days_of(child);
    } else if (name == "Date") {
      transition.date = text_of(child);
    } else if (name == "StorageClass") {
      transition.storage_class = text_of(child);
    } else if (child.type() == pugi::node_element) {
      other(child);
    }
  }
  return transition;
}

void sort_by_days(std::vector<LifecycleTransition>& transitions) {
  std::stable_sort(transitions.begin(), transitions.end(),
                   [](const auto& a, const auto& b) { return a.days < b.days; });
}

BucketRule RuleReader::read(const pugi::xml_node& rule) {
  rule_ = {};
  rule_.xml = plain_xml(rule);  // first: it refuses what is nested too deeply
  for (const pugi::xml_node& node : rule.children()) {
    const std::string_view name = local_name(node);
    if (name == "ID") {
      rule_.rule.id = text_of(node);
    } else if (name == "Status") {
      rule_.enabled = text_of(node) == "Enabled";
    } else if (name == "Prefix") {
      rule_.rule.prefix = text_of(node);
    } else if (name == "Filter") {
      read_filter(node);
    } else if (name == "Transition") {
      rule_.rule.transitions.push_back(transition(node));
    } else if (name == "Expiration") {
      read_expiration(node);
    } else if (name == "NoncurrentVersionTransition") {
      rule_.rule.version_transitions.push_back(transition(node));
    } else if (name == "NoncurrentVersionExpiration") {
      read_version_expiration(node);
    } else if (name == "AbortIncompleteMultipartUpload") {
      read_abort(node);
    } else if (node.type() == pugi::node_element) {
      other(node);
    }
  }
  sort_by_days(rule_.rule.transitions);
  sort_by_days(rule_.rule.version_transitions);
  return std::move(rule_);
}

void add(pugi::xml_node to, const char* name, const std::string& text) {
  to.append_child(name).text().set(text.c_str());
}

void add_transition(pugi::xml_node to, const char* name, const char* days,
                    const LifecycleTransition& transition) {
  pugi::xml_node node = to.append_child(name);
  if (transition.date.empty()) {
    add(node, days, std::to_string(transition.days));
  } else {
    add(node, "Date", transition.date);
  }
  add(node, "StorageClass", transition.storage_class);
}

// In the order that the schema has.
std::string rule_xml(const LifecycleRule& rule) {
  pugi::xml_document document;
  pugi::xml_node node = document.append_child("Rule");
  add(node, "ID", rule.id);
  add(node.append_child("Filter"), "Prefix", rule.prefix);
  add(node, "Status", "Enabled");
  for (const auto& one : rule.transitions) add_transition(node, "Transition", "Days", one);
  if (rule.expire_days || !rule.expire_date.empty() || rule.remove_delete_markers) {
    pugi::xml_node expiration = node.append_child("Expiration");
    if (rule.expire_days) add(expiration, "Days", std::to_string(*rule.expire_days));
    if (!rule.expire_date.empty()) add(expiration, "Date", rule.expire_date);
    if (rule.remove_delete_markers) add(expiration, "ExpiredObjectDeleteMarker", "true");
  }
  for (const auto& one : rule.version_transitions) {
    add_transition(node, "NoncurrentVersionTransition", "NoncurrentDays", one);
  }
  if (rule.expire_versions_days) {
    add(node.append_child("NoncurrentVersionExpiration"), "NoncurrentDays",
        std::to_string(*rule.expire_versions_days));
  }
  if (rule.abort_uploads_days) {
    add(node.append_child("AbortIncompleteMultipartUpload"), "DaysAfterInitiation",
        std::to_string(*rule.abort_uploads_days));
  }
  std::ostringstream out;
  node.print(out, "", pugi::format_raw);
  return out.str();
}

std::string after(unsigned days) { return "after " + plural(days, "day"); }

std::string moves(const std::vector<LifecycleTransition>& transitions) {
  std::string text;
  for (const LifecycleTransition& one : transitions) {
    if (!text.empty()) text += ", ";
    text += printable(one.storage_class) + " " +
            (one.date.empty() ? after(one.days) : "on " + printable(one.date));
  }
  return text;
}

}  // namespace

std::vector<BucketRule> parse_lifecycle(ByteView document) {
  pugi::xml_document parsed;
  // No DOCTYPE, comments or processing instructions: nothing is expanded or fetched. White space
  // is kept where it is all there is: a prefix may be a space.
  constexpr unsigned kParsing =
      pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol | pugi::parse_ws_pcdata_single;
  if (!parsed.load_buffer(document.data(), document.size(), kParsing, pugi::encoding_utf8)) {
    refuse("they are not XML, or not all of it");
  }
  const pugi::xml_node root = parsed.document_element();
  if (local_name(root) != "LifecycleConfiguration") {
    refuse(fmt::format("they are a <{}>", printable(local_name(root).substr(0, 100))));
  }
  std::vector<BucketRule> rules;
  for (const pugi::xml_node& node : root.children()) {
    if (local_name(node) == "Rule") rules.push_back(RuleReader().read(node));
  }
  return rules;
}

std::string lifecycle_document(const std::vector<BucketRule>& kept,
                               const std::vector<LifecycleRule>& rules) {
  std::string document = kRoot;
  for (const BucketRule& rule : kept) document += rule.xml;
  for (const LifecycleRule& rule : rules) document += rule_xml(rule);
  return document + "</LifecycleConfiguration>";
}

bool is_same(const BucketRule& rule, const LifecycleRule& wanted) {
  return rule.enabled && !rule.tagged && rule.other.empty() && rule.rule == wanted;
}

std::string describe(const LifecycleRule& rule) {
  std::vector<std::string> parts;
  if (!rule.transitions.empty()) parts.push_back(moves(rule.transitions));
  if (rule.expire_days) parts.push_back("objects are removed " + after(*rule.expire_days));
  if (!rule.expire_date.empty()) {
    parts.push_back("objects are removed on " + printable(rule.expire_date));
  }
  if (!rule.version_transitions.empty()) {
    parts.push_back("old versions to " + moves(rule.version_transitions));
  }
  if (rule.expire_versions_days) {
    parts.push_back("old versions are removed " + after(*rule.expire_versions_days));
  }
  if (rule.remove_delete_markers) parts.emplace_back("delete markers without versions are removed");
  if (rule.abort_uploads_days) {
    parts.push_back("unfinished uploads are removed " + after(*rule.abort_uploads_days));
  }
  return parts.empty() ? "nothing" : fmt::format("{}", fmt::join(parts, "; "));
}

std::string describe(const BucketRule& rule) {
  std::string text = describe(rule.rule);
  if (!rule.other.empty())
    text += fmt::format("; with {}", printable(fmt::format("{}", fmt::join(rule.other, ", "))));
  return rule.enabled ? text : text + " (switched off)";
}

}  // namespace holdfast
