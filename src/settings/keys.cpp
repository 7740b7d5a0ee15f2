#include "settings/keys.h"

#include <array>

namespace holdfast {
namespace {

using Name = std::string_view;

constexpr std::array<Name, 13> kTop = {
    "vault",   "copies",      "stores",  "lifecycle", "key_file", "state_dir", "cache_dir",
    "log_dir", "compression", "threads", "retention", "log",      "sources"};
constexpr std::array<Name, 6> kCopy = {"name",   "url",      "replicated_by",
                                       "region", "endpoint", "profile"};
constexpr std::array<Name, 18> kStore = {"url",
                                         "endpoint",
                                         "region",
                                         "addressing",
                                         "profile",
                                         "ca_file",
                                         "proxy",
                                         "storage_class",
                                         "encryption",
                                         "kms_key",
                                         "checksum",
                                         "object_lock",
                                         "conditional_writes",
                                         "limit_upload",
                                         "limit_download",
                                         "connections",
                                         "request_timeout",
                                         "retry_for"};
constexpr std::array<Name, 2> kObjectLock = {"mode", "period"};
// The classes come first, so that they are a span of their own.
constexpr std::array<Name, 6> kLifecycle = {
    "database", "files", "config", "infrequent_access_class", "archive_class", "keep_versions"};
constexpr std::size_t kLifecycleClasses = 3;
constexpr std::array<Name, 3> kLifecyclePolicy = {"infrequent_access_after", "archive_after",
                                                  "expire_after"};
constexpr std::array<Name, 4> kRetention = {"default", "database", "files", "config"};
constexpr std::array<Name, 7> kPolicy = {"keep_last",    "keep_hourly", "keep_daily", "keep_weekly",
                                         "keep_monthly", "keep_yearly", "keep_within"};
// What a source says about its log; what goes for all comes first.
constexpr std::array<Name, 4> kSourceLog = {"keep", "keep_without_backup", "also", "follow"};
constexpr std::size_t kLogKeys = 2;
// The keys of class database come last, those of class config before them: each a span of its own.
constexpr std::array<Name, 24> kSource = {"name",
                                          "class",
                                          "paths",
                                          "exclude",
                                          "one_file_system",
                                          "skip_cache_directories",
                                          "schedule",
                                          "rpo",
                                          "retention",
                                          "hooks",
                                          "format",
                                          "archive",
                                          "restore",
                                          "etc",
                                          "applications",
                                          "environment",
                                          "infrastructure",
                                          "compose",
                                          "repositories",
                                          "postgresql",
                                          "mariadb",
                                          "mysql",
                                          "log",
                                          "assertions"};
constexpr std::size_t kConfigKeys = 6;
constexpr std::size_t kDatabaseKeys = 5;
constexpr std::array<Name, 9> kPostgresql = {"connection", "method",      "read",
                                             "databases",  "format",      "jobs",
                                             "scratch",    "system_user", "bin_directory"};
constexpr std::array<Name, 9> kMariadb = {"defaults_file", "socket",      "host",
                                          "port",          "user",        "method",
                                          "databases",     "system_user", "bin_directory"};
constexpr std::array<Name, 3> kAssertion = {"query", "database", "expect"};
constexpr std::array<Name, 3> kHooks = {"before", "after", "on_failure"};
constexpr std::array<Name, 2> kHook = {"command", "timeout"};
constexpr std::array<Name, 5> kArchive = {"compress", "level", "recipients", "identity_file",
                                          "retention"};

constexpr std::array<KeyTable, 18> kTables = {{{"", kTop},
                                               {"copy", kCopy},
                                               {"store", kStore},
                                               {"object_lock", kObjectLock},
                                               {"lifecycle", kLifecycle},
                                               {"lifecycle_policy", kLifecyclePolicy},
                                               {"retention", kRetention},
                                               {"policy", kPolicy},
                                               {"log", Keys(kSourceLog).first(kLogKeys)},
                                               {"source_log", kSourceLog},
                                               {"source", kSource},
                                               {"postgresql", kPostgresql},
                                               {"mariadb", kMariadb},
                                               {"mysql", kMariadb},
                                               {"assertion", kAssertion},
                                               {"hooks", kHooks},
                                               {"hook", kHook},
                                               {"archive", kArchive}}};

}  // namespace

Keys top_keys() { return kTop; }
Keys copy_keys() { return kCopy; }
Keys store_keys() { return kStore; }
Keys object_lock_keys() { return kObjectLock; }
Keys lifecycle_keys() { return kLifecycle; }
Keys lifecycle_classes() { return lifecycle_keys().first(kLifecycleClasses); }
Keys lifecycle_policy_keys() { return kLifecyclePolicy; }
Keys retention_keys() { return kRetention; }
Keys policy_keys() { return kPolicy; }
Keys log_keys() { return source_log_keys().first(kLogKeys); }
Keys source_log_keys() { return kSourceLog; }
Keys source_keys() { return kSource; }
Keys config_keys() { return source_keys().last(kConfigKeys + kDatabaseKeys).first(kConfigKeys); }
Keys database_keys() { return source_keys().last(kDatabaseKeys); }
Keys postgresql_keys() { return kPostgresql; }
Keys mariadb_keys() { return kMariadb; }
Keys assertion_keys() { return kAssertion; }
Keys hooks_keys() { return kHooks; }
Keys hook_keys() { return kHook; }
Keys archive_keys() { return kArchive; }

std::span<const KeyTable> key_tables() { return kTables; }

}  // namespace holdfast
