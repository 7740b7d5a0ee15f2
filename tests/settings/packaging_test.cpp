// The schema, the example and the documentation against the parser.
#include "packaging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

#include "json_schema.h"
#include "settings/document.h"
#include "settings/keys.h"
#include "settings/settings.h"
#include "yaml_to_json.h"

namespace holdfast {
namespace {

using nlohmann::json;

TEST(Packaging, TheSchemaHasExactlyTheKeysOfTheParser) {
  const json schema = packaged_schema();
  for (const KeyTable& table : key_tables()) {
    const json& mapping =
        table.mapping.empty() ? schema : schema.at("$defs").at(std::string(table.mapping));
    std::set<std::string> in_schema;
    for (const auto& [key, value] : mapping.at("properties").items()) in_schema.insert(key);
    const std::set<std::string> in_parser(table.keys.begin(), table.keys.end());
    EXPECT_EQ(in_schema, in_parser) << table.mapping;
    EXPECT_EQ(mapping.at("additionalProperties"), false) << table.mapping;
  }
}

TEST(Packaging, EveryMappingOfTheSchemaIsKnownToTheParser) {
  std::set<std::string> known;
  for (const KeyTable& table : key_tables()) known.insert(std::string(table.mapping));
  const auto schema = packaged_schema();  // outlives the loop, as a temporary would not
  for (const auto& [name, definition] : schema.at("$defs").items()) {
    EXPECT_EQ(definition.contains("properties"), known.count(name) == 1) << name;
  }
}

TEST(Packaging, TheExampleIsValid) {
  const std::string text = packaging_text("holdfast.example.yaml");
  const Settings settings = parse_settings(text, "holdfast.example.yaml");
  EXPECT_EQ(settings.sources.size(), 3U);
  EXPECT_FALSE(settings.vault.empty());
  const json schema = packaged_schema();
  EXPECT_TRUE(schema_accepts(schema, schema, to_json(parse_document(text, "example"))));
}

// "#key:" and "#  key:" are configuration for others to switch on, "# Words" are words.
TEST(Packaging, WhatTheExampleHasInCommentsIsValid) {
  std::istringstream lines(packaging_text("holdfast.example.yaml"));
  std::string text;
  for (std::string line; std::getline(lines, line); text += line + "\n") {
    const bool words = line.starts_with("# ") && !line.starts_with("#  ");
    if (line.starts_with('#') && !words) line.erase(0, 1);
  }
  const Settings settings = parse_settings(text, "holdfast.example.yaml");
  EXPECT_FALSE(settings.stores.empty());
  EXPECT_EQ(settings.lifecycle.classes.size(), 3U);
  const json schema = packaged_schema();
  EXPECT_TRUE(schema_accepts(schema, schema, to_json(parse_document(text, "example"))));
}

TEST(Packaging, TheDocumentationNamesEveryKey) {
  const Bytes data = read_file(std::string(HOLDFAST_TESTS_DIR) + "/../docs/CONFIGURATION.md");
  for (const KeyTable& table : key_tables()) {
    for (const std::string_view key : table.keys) {
      EXPECT_THAT(std::string(as_text(data)), testing::HasSubstr("`" + std::string(key) + "`"));
    }
  }
}

// The YAML blocks of the documentation, each a whole configuration.
TEST(Packaging, TheExamplesInTheDocumentationAreValid) {
  const Bytes data = read_file(std::string(HOLDFAST_TESTS_DIR) + "/../docs/CONFIGURATION.md");
  const std::string text(as_text(data));
  int blocks = 0;
  for (std::size_t at = text.find("```yaml\n"); at != std::string::npos;
       at = text.find("```yaml\n", at + 1)) {
    const std::size_t begin = at + 8;
    const std::string block = text.substr(begin, text.find("```", begin) - begin);
    EXPECT_NO_THROW(parse_settings(block, "block")) << block;
    ++blocks;
  }
  EXPECT_GE(blocks, 3);
}

}  // namespace
}  // namespace holdfast
