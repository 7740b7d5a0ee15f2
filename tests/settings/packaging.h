// The files of packaging/ that describe the configuration.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "os/file.h"

namespace holdfast {

inline std::string packaging_text(const std::string& name) {
  const Bytes data = read_file(std::string(HOLDFAST_TESTS_DIR) + "/../packaging/" + name);
  return std::string(as_text(data));
}

inline nlohmann::json packaged_schema() {
  return nlohmann::json::parse(packaging_text("holdfast.schema.json"));
}

}  // namespace holdfast
