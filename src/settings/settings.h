// The configuration file as plain data. See docs/CONFIGURATION.md and
// packaging/holdfast.schema.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "store/s3/options.h"

namespace holdfast {

// Which backups to keep. A backup is kept when any rule keeps it. All unset: everything within
// 90 days (the runbook's default).
struct RetentionPolicy {
  std::optional<unsigned> keep_last;
  std::optional<unsigned> keep_hourly;
  std::optional<unsigned> keep_daily;
  std::optional<unsigned> keep_weekly;
  std::optional<unsigned> keep_monthly;
  std::optional<unsigned> keep_yearly;
  std::optional<Duration> keep_within;
  bool operator==(const RetentionPolicy&) const = default;
};

// How much of a database's log is kept besides what backups need to come back at all.
struct LogPolicy {
  // Every moment since then can be recovered, older backups only as they are. Unset: from the
  // oldest backup on.
  std::optional<Duration> keep;
  // Log of a server, or of a timeline, that no backup leads to.
  Duration keep_without_backup = std::chrono::days{30};
  bool operator==(const LogPolicy&) const = default;
};

// Copies that the log of a database goes to by itself, besides the vault.
struct LogPlaces {
  std::vector<std::string> also;    // what they do not have is not acknowledged
  std::vector<std::string> follow;  // get it as soon as they can
  bool operator==(const LogPlaces&) const = default;
};

// A command run by /bin/sh around a backup, killed with its children after `timeout`.
struct Hook {
  std::string command;
  Duration timeout = std::chrono::minutes{5};
  bool operator==(const Hook&) const = default;
};

struct Hooks {
  std::vector<Hook> before;      // a failing one fails the backup before it starts
  std::vector<Hook> after;       // after success
  std::vector<Hook> on_failure;  // after failure
};

// What a `config` source collects besides its plain paths.
struct ConfigKinds {
  bool etc = true;                          // /etc
  std::vector<std::string> applications;    // application configuration: paths
  std::vector<std::string> environment;     // environment files: paths, globs
  std::vector<std::string> infrastructure;  // Terraform, CloudFormation: directories to search
  std::vector<std::string> compose;         // directories to search for compose files
  std::vector<std::string> repositories;    // git repositories, or directories to search for them
};

// A question to a restored database and what its answer must be.
struct Assertion {
  std::string query;
  std::string database;  // empty: the first of the source, else the default one
  std::string expect;    // a value, or a bound: "> 0", ">= 100", "!= 0"; times: "within 1h"
  bool operator==(const Assertion&) const = default;
};

enum class DatabaseMethod { kPhysical, kLogical };

// How a physical backup of PostgreSQL reads.
enum class PgRead {
  kAuto,    // directly where the data directory is readable on this host, else as a stream
  kDirect,  // the files themselves
  kStream,  // BASE_BACKUP over the replication protocol
};

// How a logical backup of PostgreSQL writes its dumps.
enum class PgDumpFormat {
  kPlain,      // SQL
  kCustom,     // pg_restore's own, one file
  kDirectory,  // the same as a directory, written and read by several workers
};

struct PostgresSettings {
  std::string connection;  // libpq: keywords and values, or a URL; empty: libpq's environment
  DatabaseMethod method = DatabaseMethod::kPhysical;
  PgRead read = PgRead::kAuto;                 // physical
  std::vector<std::string> databases;          // logical; empty: all
  PgDumpFormat format = PgDumpFormat::kPlain;  // of logical backups
  unsigned jobs = 0;    // workers of a dump that is a directory; 0: one per processor, up to 8
  std::string scratch;  // where such dumps are made and unpacked; empty: /var/tmp/holdfast
  std::string system_user = "postgres";  // whom a local server sees when we are root; may be empty
  std::string bin_directory;             // of pg_dump and its like; empty: that of the version
};

// Of MySQL, too: which of the two a server is it says itself.
struct MariadbSettings {
  std::string defaults_file;  // option file with user, password, host; may be empty
  std::string socket;
  std::string host;
  unsigned port = 0;  // 0: the default
  std::string user;
  DatabaseMethod method = DatabaseMethod::kPhysical;
  std::vector<std::string> databases;  // logical; empty: all
  std::string system_user = "mysql";   // owns a restored data directory
  std::string bin_directory;           // of mariadb-dump, mysqldump and their like; empty: PATH
};

// Where the backups of a source go.
enum class BackupFormat {
  kVault,
  kArchive,  // ordinary archives: one object for each dump, or one for all files
  kBoth,
};

struct ArchiveSettings {
  bool zstd = false;                    // else gzip
  std::optional<unsigned> level;        // of the compressor: 1..19, gzip to 9; none: its default
  std::vector<std::string> recipients;  // "age1..."; empty: not sealed
  std::string identity_file;  // of age: opens them again, for proofs and restores; may be empty
  std::optional<RetentionPolicy> retention;  // unset: that of the source
};

struct SourceSettings {
  std::string name;          // [a-z0-9][a-z0-9-]{0,62}
  std::string backup_class;  // "database", "files", "config"
  std::vector<std::string> paths;
  std::vector<std::string> excludes;
  bool one_file_system = true;
  bool skip_cache_directories = false;
  ConfigKinds config;                          // class config only
  std::optional<PostgresSettings> postgresql;  // class database: one of these two
  std::optional<MariadbSettings> mariadb;
  std::vector<Assertion> assertions;  // class database: checked after a test restore
  std::string schedule;               // five-field cron, or "every 4h"; empty: by hand only
  Duration rpo{};                     // zero: the class default (database 1h, files 4h, config 24h)
  std::optional<RetentionPolicy> retention;  // unset: that of the class, else the global one
  std::optional<LogPolicy> log;              // class database; unset: the global one
  LogPlaces log_places;                      // class database
  Hooks hooks;
  BackupFormat format = BackupFormat::kVault;
  ArchiveSettings archive;
  Hooks restore_hooks;  // around a restore over what is in use: stop and start the application
};

struct CopySettings {
  std::string name;
  std::string url;
  bool provider_replicates = false;  // the provider fills it; Holdfast only checks and measures
  std::string region;                // for reports, and for the store; may be empty
  // In place of those of the store: a bucket that its provider replicates has one name in both
  // regions. May be empty.
  std::string endpoint;
  std::string profile;
};

// How to reach the S3 stores at `url` and below.
struct StoreSettings {
  std::string url;  // "s3://BUCKET[/PREFIX]" without a '/' at the end, or "s3://" for all
  S3Options s3;
};

// When the objects of a class move to cheaper storage and go. Whole days, each after the one
// before.
struct LifecyclePolicy {
  std::optional<Duration> infrequent_access_after;
  std::optional<Duration> archive_after;
  std::optional<Duration> expire_after;
  bool operator==(const LifecyclePolicy&) const = default;
};

struct LifecycleSettings {
  std::map<std::string, LifecyclePolicy> classes;
  std::string infrequent_access_class = "STANDARD_IA";  // storage classes of the provider
  std::string archive_class = "GLACIER";
  Duration keep_versions = std::chrono::days{30};  // what was overwritten or deleted; whole days
};

struct Settings {
  std::string file;   // where it was read from; empty: no configuration
  std::string vault;  // URL; empty: must be given on the command line
  std::vector<CopySettings> copies;
  std::vector<StoreSettings> stores;
  LifecycleSettings lifecycle;
  std::string key_file;
  std::string state_directory;  // logs; default: /var/lib/holdfast as root, else
                                // $XDG_STATE_HOME/holdfast or ~/.local/state/holdfast
  std::string cache_directory;  // default: /var/cache/holdfast as root, else
                                // $XDG_CACHE_HOME/holdfast or ~/.cache/holdfast
  std::string log_directory;    // default: empty, which means the state directory
  int compression = 0;          // zstd level 1..19; 0: the program's default
  unsigned threads = 0;         // 0: one per processor
  RetentionPolicy retention;    // the global default
  std::map<std::string, RetentionPolicy> class_retention;
  LogPolicy log;  // the global default
  std::vector<SourceSettings> sources;
};

// Parses `text`; `file` is for messages. Strict: an unknown key, a duplicate key, a wrong type or a
// bad value throws Error(kInvalid) "FILE:LINE: ..." and the hint says what was probably meant
// (nearest known key) or what is allowed. "${NAME}" and "${NAME:-default}" in values are taken from
// the environment; an unset one without default is an error. Hook commands are left alone, since
// their shell expands variables. "~/" at the start of a path is the home directory. No other thread
// may change the environment meanwhile.
Settings parse_settings(const std::string& text, const std::string& file);

// Reads `explicit_file` or, when it is empty, the first that exists of ./holdfast.yaml,
// ~/.config/holdfast/holdfast.yaml (XDG_CONFIG_HOME is honoured), /etc/holdfast/holdfast.yaml.
// None: defaults. An explicit file that does not exist is Error(kNotFound).
Settings load_settings(const std::string& explicit_file);

// The source of that name; Error(kNotFound) names the nearest one and lists all.
const SourceSettings& find_source(const Settings& settings, const std::string& name);

// The policy that applies to a source (or to a class and name that the settings do not know).
RetentionPolicy retention_for(const Settings& settings, const std::string& backup_class,
                              const std::string& source);

// The same for the log of a source.
LogPolicy log_policy_for(const Settings& settings, const std::string& source);

// What is set for `url`: the entry with the longest url that it equals or lies below, by whole
// parts of the path. Without one: the defaults.
S3Options s3_options_for(const Settings& settings, const std::string& url);

// The class default of the runbook, or the source's own.
Duration rpo_of(const SourceSettings& source);

}  // namespace holdfast
