// Every key of the configuration file. Inside the room, and for the test that compares them with
// the JSON schema.
#pragma once

#include <span>
#include <string_view>

namespace holdfast {

using Keys = std::span<const std::string_view>;

// The keys that one kind of mapping may have.
struct KeyTable {
  std::string_view mapping;  // the name of its definition in the schema; empty: the whole file
  Keys keys;
};

Keys top_keys();
Keys copy_keys();
Keys store_keys();
Keys object_lock_keys();
Keys lifecycle_keys();
Keys lifecycle_classes();  // those of lifecycle_keys that hold a policy
Keys lifecycle_policy_keys();
Keys retention_keys();  // "default" and the classes
Keys policy_keys();
Keys log_keys();
Keys source_log_keys();
Keys source_keys();
Keys config_keys();    // those of a source that only the class config has
Keys database_keys();  // those of a source that are for class database
Keys postgresql_keys();
Keys mariadb_keys();
Keys assertion_keys();
Keys hooks_keys();
Keys hook_keys();
Keys archive_keys();

std::span<const KeyTable> key_tables();

}  // namespace holdfast
