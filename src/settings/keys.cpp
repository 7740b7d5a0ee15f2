#include "settings/keys.h"

#include <array>

namespace holdfast {
namespace {

using Name = std::string_view;

constexpr std::array<Name, 10> kTop = {"vault",     "copies",  "key_file",    "state_dir",
                                       "cache_dir", "log_dir", "compression", "threads",
                                       "retention", "sources"};
constexpr std::array<Name, 2> kCopy = {"name", "url"};
constexpr std::array<Name, 4> kRetention = {"default", "database", "files", "config"};
constexpr std::array<Name, 7> kPolicy = {"keep_last",    "keep_hourly", "keep_daily", "keep_weekly",
                                         "keep_monthly", "keep_yearly", "keep_within"};
// The keys of class config come last, so that they are a span of their own.
constexpr std::array<Name, 16> kSource = {"name",
                                          "class",
                                          "paths",
                                          "exclude",
                                          "one_file_system",
                                          "skip_cache_directories",
                                          "schedule",
                                          "rpo",
                                          "retention",
                                          "hooks",
                                          "etc",
                                          "applications",
                                          "environment",
                                          "infrastructure",
                                          "compose",
                                          "repositories"};
constexpr std::size_t kConfigKeys = 6;
constexpr std::array<Name, 3> kHooks = {"before", "after", "on_failure"};
constexpr std::array<Name, 2> kHook = {"command", "timeout"};

constexpr std::array<KeyTable, 7> kTables = {{{"", kTop},
                                              {"copy", kCopy},
                                              {"retention", kRetention},
                                              {"policy", kPolicy},
                                              {"source", kSource},
                                              {"hooks", kHooks},
                                              {"hook", kHook}}};

}  // namespace

Keys top_keys() { return kTop; }
Keys copy_keys() { return kCopy; }
Keys retention_keys() { return kRetention; }
Keys policy_keys() { return kPolicy; }
Keys source_keys() { return kSource; }
Keys config_keys() { return source_keys().last(kConfigKeys); }
Keys hooks_keys() { return kHooks; }
Keys hook_keys() { return kHook; }

std::span<const KeyTable> key_tables() { return kTables; }

}  // namespace holdfast
