// As much of JSON Schema 2020-12 as packaging/holdfast.schema.json uses.
#pragma once

#include <nlohmann/json.hpp>

namespace holdfast {

// Whether `value` is valid under `schema`, a part of `root`. Throws std::runtime_error for a
// keyword that it does not know, so that none is silently ignored.
bool schema_accepts(const nlohmann::json& root, const nlohmann::json& schema,
                    const nlohmann::json& value);

}  // namespace holdfast
