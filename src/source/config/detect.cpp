#include "source/config/detect.h"

#include <algorithm>
#include <string>

namespace holdfast {
namespace {

bool ends_with_one_of(std::string_view name, std::initializer_list<std::string_view> endings) {
  for (const std::string_view ending : endings) {
    if (name.ends_with(ending)) return true;
  }
  return false;
}

std::string_view trim_left(std::string_view line) {
  const std::size_t at = line.find_first_not_of(" \t\r-");
  return at == std::string_view::npos ? std::string_view{} : line.substr(at);
}

// What follows `key` and a colon at the start of `line`, with or without quotes around the key.
bool has_key(std::string_view line, std::string_view key, std::string_view& value) {
  const bool quoted = line.starts_with('"') || line.starts_with('\'');
  if (quoted) line.remove_prefix(1);
  if (!line.starts_with(key)) return false;
  line.remove_prefix(key.size());
  if (quoted && !line.empty()) line.remove_prefix(1);
  line = trim_left(line);
  if (!line.starts_with(':')) return false;
  value = trim_left(line.substr(1));
  return true;
}

bool is_aws_type(std::string_view value) {
  if (value.starts_with('"') || value.starts_with('\'')) value.remove_prefix(1);
  return value.starts_with("AWS::");
}

// One line per key, also where JSON has several on a line.
std::string one_key_per_line(std::string_view text) {
  std::string lines;
  lines.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    lines += c;
    if (c == '{' || c == ',') lines += '\n';
  }
  return lines;
}

}  // namespace

bool is_environment_name(std::string_view name) {
  return name == ".env" || name.starts_with(".env.") || name.ends_with(".env");
}

bool is_terraform_name(std::string_view name) {
  return name == ".terraform.lock.hcl" ||
         ends_with_one_of(
             name, {".tf", ".tf.json", ".tfvars", ".tfvars.json", ".tfstate", ".tfstate.backup"});
}

bool is_compose_name(std::string_view name) {
  return (name.starts_with("docker-compose") || name.starts_with("compose")) &&
         ends_with_one_of(name, {".yml", ".yaml"});
}

bool may_be_cloudformation_name(std::string_view name) {
  return ends_with_one_of(name, {".yml", ".yaml", ".json", ".template"});
}

bool is_cloudformation(std::string_view text) {
  bool resources = false;
  bool aws_type = false;
  const std::string lines = one_key_per_line(text);
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    const std::string_view line = trim_left(std::string_view(lines).substr(at, end - at));
    std::string_view value;
    if (has_key(line, "AWSTemplateFormatVersion", value)) return true;
    if (has_key(line, "Resources", value)) resources = true;
    if (has_key(line, "Type", value) && is_aws_type(value)) aws_type = true;
    if (resources && aws_type) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace holdfast
