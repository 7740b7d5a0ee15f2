#include "store/s3/replication.h"

#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/human.h"
#include "store/s3/bucket.h"

namespace holdfast {
namespace {

constexpr const char* kNamespace = "http://s3.amazonaws.com/doc/2006-03-01/";
// No DOCTYPE: nothing is expanded or fetched.
constexpr unsigned kParsing = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol;

bool has_name(const pugi::xml_node& node, std::string_view name) {
  const std::string_view full = node.name();
  const std::size_t colon = full.find(':');
  return (colon == std::string_view::npos ? full : full.substr(colon + 1)) == name;
}

pugi::xml_node child(const pugi::xml_node& parent, std::string_view name) {
  for (const pugi::xml_node& node : parent.children()) {
    if (has_name(node, name)) return node;
  }
  return {};
}

std::string text_of(const pugi::xml_node& parent, std::string_view name) {
  return child(parent, name).text().get();
}

bool is_enabled(const pugi::xml_node& parent) { return text_of(parent, "Status") == "Enabled"; }

void load(pugi::xml_document& document, std::string_view text) {
  if (document.load_buffer(text.data(), text.size(), kParsing, pugi::encoding_utf8) &&
      has_name(document.document_element(), "ReplicationConfiguration")) {
    return;
  }
  throw Error(Code::kCorrupt, "the store's answer should be a ReplicationConfiguration",
              "check that the endpoint is that of an S3 store and that no proxy answers for it");
}

// Before filters there was a prefix in the rule itself.
std::string prefix_of(const pugi::xml_node& rule) {
  const pugi::xml_node filter = child(rule, "Filter");
  for (const pugi::xml_node& place : {child(filter, "And"), filter, rule}) {
    if (const pugi::xml_node prefix = child(place, "Prefix")) return prefix.text().get();
  }
  return {};
}

ReplicationRule read_rule(const pugi::xml_node& node) {
  ReplicationRule rule;
  rule.id = text_of(node, "ID");
  rule.enabled = is_enabled(node);
  rule.priority = child(node, "Priority").text().as_uint();
  rule.prefix = prefix_of(node);
  const pugi::xml_node destination = child(node, "Destination");
  rule.destination = text_of(destination, "Bucket");
  rule.delete_markers = is_enabled(child(node, "DeleteMarkerReplication"));
  rule.kms_key = text_of(child(destination, "EncryptionConfiguration"), "ReplicaKmsKeyID");
  return rule;
}

ReplicationConfiguration read_all(const pugi::xml_node& root) {
  ReplicationConfiguration configuration{text_of(root, "Role"), {}};
  for (const pugi::xml_node& node : root.children()) {
    if (has_name(node, "Rule")) configuration.rules.push_back(read_rule(node));
  }
  return configuration;
}

void add(pugi::xml_node parent, const char* name, const std::string& text) {
  parent.append_child(name).text().set(text.c_str());
}

void add_status(pugi::xml_node parent, const char* name, bool enabled) {
  add(parent.append_child(name), "Status", enabled ? "Enabled" : "Disabled");
}

void write_rule(pugi::xml_node node, const ReplicationRule& rule) {
  add(node, "ID", rule.id);
  add(node, "Priority", std::to_string(rule.priority));
  add(node.append_child("Filter"), "Prefix", rule.prefix);
  add(node, "Status", rule.enabled ? "Enabled" : "Disabled");
  if (!rule.kms_key.empty()) {
    add_status(node.append_child("SourceSelectionCriteria"), "SseKmsEncryptedObjects", true);
  }
  pugi::xml_node destination = node.append_child("Destination");
  add(destination, "Bucket", rule.destination);
  if (!rule.kms_key.empty()) {
    add(destination.append_child("EncryptionConfiguration"), "ReplicaKmsKeyID", rule.kms_key);
  }
  add_status(node, "DeleteMarkerReplication", rule.delete_markers);
}

unsigned free_priority(const std::vector<ReplicationRule>& others) {
  std::set<unsigned> taken;
  for (const ReplicationRule& rule : others) taken.insert(rule.priority);
  unsigned priority = 1;
  while (taken.contains(priority)) ++priority;
  return priority;
}

void set_role(pugi::xml_node root, const std::string& role, bool has_others) {
  if (role.empty()) return;
  pugi::xml_node node = child(root, "Role");
  const std::string known = node.text().get();
  if (has_others && !known.empty() && known != role) {
    throw Error(
        Code::kConflict,
        fmt::format("the bucket's other replication rules use the role {}", printable(known)),
        "a bucket has one role for all of its rules: leave --role away, and let that role "
        "write to the copy's bucket as well");
  }
  if (!node) node = root.prepend_child("Role");
  node.text().set(role.c_str());
}

// `why`: the answer's own words, or its request id.
Error no_rules(const std::string& endpoint, const std::string& why) {
  return {Code::kUnsupported, "the store at " + endpoint + " knows no replication rules" + why,
          "set up replication in the store itself (Ceph: multisite; MinIO: mc replicate), and see "
          "what arrives with: holdfast region status. Or let Holdfast copy: remove "
          "'replicated_by: provider'"};
}

}  // namespace

ReplicationConfiguration parse_replication(std::string_view text) {
  pugi::xml_document document;
  load(document, text);
  return read_all(document.document_element());
}

std::string with_replication_rule(std::string_view text, const std::string& role,
                                  ReplicationRule rule) {
  pugi::xml_document document;
  if (text.empty()) {
    document.append_child("ReplicationConfiguration").append_attribute("xmlns") = kNamespace;
  } else {
    load(document, text);
  }
  pugi::xml_node root = document.document_element();
  for (pugi::xml_node node = root.first_child(); node;) {
    const pugi::xml_node next = node.next_sibling();
    if (has_name(node, "Rule") && text_of(node, "ID") == rule.id) root.remove_child(node);
    node = next;
  }
  const std::vector<ReplicationRule> others = read_all(root).rules;
  set_role(root, role, !others.empty());
  if (rule.priority == 0) rule.priority = free_priority(others);
  write_rule(root.append_child("Rule"), rule);
  std::ostringstream out;
  document.save(out, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
  return out.str();
}

std::string bucket_arn(const std::string& bucket, const std::string& region) {
  const char* const partition = region.starts_with("cn-")       ? "aws-cn"
                                : region.starts_with("us-gov-") ? "aws-us-gov"
                                                                : "aws";
  return fmt::format("arn:{}:s3:::{}", partition, bucket);
}

namespace {

HttpResponse send_for_rules(S3Client& client, const S3Request& request) {
  HttpResponse answer;
  try {
    answer = client.send(request).http;
  } catch (const Error& error) {
    if (error.code() != Code::kUnsupported) throw;
    throw no_rules(client.endpoint(), ": " + error.message());
  }
  if (answer.status == 405) throw no_rules(client.endpoint(), request_note(answer));
  return answer;
}

}  // namespace

std::optional<HttpResponse> bucket_replication(S3Client& client) {
  S3Request request;
  request.query = {{"replication", ""}};
  request.expected = {404, 405};
  HttpResponse answer = send_for_rules(client, request);
  if (answer.status != 404) return answer;
  require_bucket(client);
  return std::nullopt;
}

void set_bucket_replication(S3Client& client, const std::string& document) {
  S3Request request;
  request.method = "PUT";
  request.query = {{"replication", ""}};
  request.body = body_of(as_bytes(document));
  request.expected = {405};
  send_for_rules(client, request);
}

void enable_versioning(S3Client& client) {
  set_bucket_setting(client, "versioning",
                     fmt::format("<VersioningConfiguration xmlns=\"{}\"><Status>Enabled</Status>"
                                 "</VersioningConfiguration>",
                                 kNamespace));
}

Timestamp store_clock(S3Client& client) {
  S3Request request;
  request.method = "HEAD";
  request.expected = {403, 404};
  const HttpResponse answer = client.send(request).http;
  return parse_http_date(answer.header("date")).value_or(client.store_time());
}

}  // namespace holdfast
