#include "json_schema.h"

#include <algorithm>
#include <regex>
#include <stdexcept>
#include <string>

namespace holdfast {
namespace {

using nlohmann::json;

bool has_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  throw std::runtime_error("unknown type " + type);
}

bool check_type(const json& types, const json& value) {
  if (types.is_string()) return has_type(value, types);
  return std::any_of(types.begin(), types.end(),
                     [&](const json& type) { return has_type(value, type); });
}

bool check_properties(const json& root, const json& properties, const json& value) {
  if (!value.is_object()) return true;
  for (const auto& [key, schema] : properties.items()) {
    if (value.contains(key) && !schema_accepts(root, schema, value[key])) return false;
  }
  return true;
}

bool check_no_others(const json& schema, const json& value) {
  if (!value.is_object()) return true;
  return std::all_of(value.items().begin(), value.items().end(), [&](const auto& item) {
    return schema.at("properties").contains(item.key());
  });
}

bool check_required(const json& keys, const json& value) {
  return !value.is_object() || std::all_of(keys.begin(), keys.end(), [&](const json& key) {
    return value.contains(key.get<std::string>());
  });
}

bool check_pattern(const std::string& pattern, const json& value) {
  return !value.is_string() ||
         std::regex_search(value.get<std::string>(), std::regex(pattern, std::regex::ECMAScript));
}

bool any_accepts(const json& root, const json& schemas, const json& value) {
  return std::any_of(schemas.begin(), schemas.end(),
                     [&](const json& schema) { return schema_accepts(root, schema, value); });
}

bool all_accept(const json& root, const json& schemas, const json& value) {
  return std::all_of(schemas.begin(), schemas.end(),
                     [&](const json& schema) { return schema_accepts(root, schema, value); });
}

bool check_items(const json& root, const json& schema, const json& value) {
  return !value.is_array() || std::all_of(value.begin(), value.end(), [&](const json& item) {
    return schema_accepts(root, schema, item);
  });
}

bool check_keyword(const json& root, const json& schema, const std::string& keyword,
                   const json& argument, const json& value) {
  if (keyword == "$ref") {
    const std::string pointer = argument.get<std::string>().substr(1);
    return schema_accepts(root, root.at(json::json_pointer(pointer)), value);
  }
  if (keyword == "type") return check_type(argument, value);
  if (keyword == "properties") return check_properties(root, argument, value);
  if (keyword == "additionalProperties") return check_no_others(schema, value);
  if (keyword == "required") return check_required(argument, value);
  if (keyword == "items") return check_items(root, argument, value);
  if (keyword == "anyOf") return any_accepts(root, argument, value);
  if (keyword == "allOf") return all_accept(root, argument, value);
  if (keyword == "const") return value == argument;
  if (keyword == "enum")
    return std::find(argument.begin(), argument.end(), value) != argument.end();
  if (keyword == "pattern") return check_pattern(argument, value);
  if (keyword == "minimum") return !value.is_number() || value >= argument;
  if (keyword == "maximum") return !value.is_number() || value <= argument;
  if (keyword == "minItems") return !value.is_array() || value.size() >= argument;
  if (keyword == "minLength") {
    return !value.is_string() || value.get_ref<const std::string&>().size() >= argument;
  }
  if (keyword == "if") {
    return !schema_accepts(root, argument, value) || schema_accepts(root, schema.at("then"), value);
  }
  for (const char* silent : {"$schema", "$defs", "title", "description", "then"}) {
    if (keyword == silent) return true;
  }
  throw std::runtime_error("unknown keyword " + keyword);
}

}  // namespace

bool schema_accepts(const json& root, const json& schema, const json& value) {
  if (schema.is_boolean()) return schema.get<bool>();
  const auto items = schema.items();
  return std::all_of(items.begin(), items.end(), [&](const auto& item) {
    return check_keyword(root, schema, item.key(), item.value(), value);
  });
}

}  // namespace holdfast
