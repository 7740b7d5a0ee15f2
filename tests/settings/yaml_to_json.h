// YAML as JSON, the way an editor with a schema sees it (YAML 1.2 core schema).
#pragma once

#include <nlohmann/json.hpp>

#include "settings/document.h"

namespace holdfast {

nlohmann::json to_json(const Node& node);

}  // namespace holdfast
