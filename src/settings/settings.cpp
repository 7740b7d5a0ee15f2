#include "settings/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "base/ignore.h"
#include "settings/archive.h"
#include "settings/database.h"
#include "settings/defaults.h"
#include "settings/fields.h"
#include "settings/keys.h"
#include "settings/lifecycle.h"
#include "settings/schedule.h"
#include "settings/stores.h"
#include "settings/values.h"

namespace holdfast {
namespace {

constexpr unsigned kMostKept = 100'000;
constexpr unsigned kMostThreads = 1024;
constexpr unsigned kMostCompression = 19;

// Whether it is the provider.
constexpr auto kReplicators =
    std::to_array<Choice<bool>>({{"holdfast", false}, {"provider", true}});

std::vector<std::string> read_paths(const Fields& fields, std::string_view key) {
  std::vector<std::string> paths;
  if (const auto field = fields.find(key)) {
    for (const Field& item : field->items()) paths.push_back(read_path(item));
  }
  return paths;
}

}  // namespace

RetentionPolicy read_policy(const Field& field, const std::string& where) {
  const Fields fields(field, where, policy_keys());
  RetentionPolicy policy;
  const auto count = [&](std::string_view key, std::optional<unsigned>& keep) {
    if (const auto found = fields.find(key)) keep = found->number(1, kMostKept);
  };
  count("keep_last", policy.keep_last);
  count("keep_hourly", policy.keep_hourly);
  count("keep_daily", policy.keep_daily);
  count("keep_weekly", policy.keep_weekly);
  count("keep_monthly", policy.keep_monthly);
  count("keep_yearly", policy.keep_yearly);
  if (const auto within = fields.find("keep_within")) policy.keep_within = within->duration();
  return policy;
}

namespace {

LogPolicy read_log_policy(const Fields& fields) {
  LogPolicy policy;
  if (const auto keep = fields.find("keep")) policy.keep = keep->duration();
  if (const auto without = fields.find("keep_without_backup")) {
    policy.keep_without_backup = without->duration();
  }
  return policy;
}

std::vector<std::string> read_names(const Fields& fields, std::string_view key) {
  std::vector<std::string> names;
  const auto field = fields.find(key);
  if (!field) return names;
  for (const Field& item : field->items()) names.push_back(item.text());
  return names;
}

void read_source_log(const Field& field, const std::string& where, SourceSettings& source) {
  const Fields fields(field, " in 'log'" + where, source_log_keys());
  source.log_places = {read_names(fields, "also"), read_names(fields, "follow")};
  // Where the log goes says nothing about how much of it stays.
  if (fields.find("keep") || fields.find("keep_without_backup")) {
    source.log = read_log_policy(fields);
  }
}

void read_retention(const Field& field, Settings& settings) {
  const Fields fields(field, " in 'retention'", retention_keys());
  for (const std::string_view key : retention_keys()) {
    const auto found = fields.find(key);
    if (!found) continue;
    const RetentionPolicy policy = read_policy(*found, fmt::format(" in 'retention.{}'", key));
    if (key == "default") {
      settings.retention = policy;
    } else {
      settings.class_retention[std::string(key)] = policy;
    }
  }
}

// The shell expands variables in a command, so that nothing is replaced here.
Hook read_hook(const Field& field, const std::string& where) {
  Hook hook;
  if (field.node().kind == NodeKind::kScalar) {
    hook.command = field.literal_text();
    return hook;
  }
  const Fields fields(field, where, hook_keys());
  hook.command = fields.require("command", "the shell command to run").literal_text();
  if (const auto timeout = fields.find("timeout")) hook.timeout = timeout->duration();
  return hook;
}

std::vector<Hook> read_hook_list(const Fields& fields, std::string_view key,
                                 const std::string& where) {
  std::vector<Hook> hooks;
  if (const auto field = fields.find(key)) {
    for (const Field& item : field->items()) {
      hooks.push_back(read_hook(item, fmt::format(" in '{}'{}", key, where)));
    }
  }
  return hooks;
}

Hooks read_hooks(const Field& field, const std::string& where) {
  const Fields fields(field, where, hooks_keys());
  return {read_hook_list(fields, "before", where), read_hook_list(fields, "after", where),
          read_hook_list(fields, "on_failure", where)};
}

std::string read_class(const Field& field) {
  static constexpr std::string_view kClasses[] = {"database", "files", "config"};
  const std::string name = field.text();
  if (std::find(std::begin(kClasses), std::end(kClasses), name) == std::end(kClasses)) {
    field.fail(fmt::format("'{}' is not a class", printable(name)),
               suggest_word(name, kClasses, "value"));
  }
  return name;
}

ConfigKinds read_config_kinds(const Fields& fields) {
  ConfigKinds kinds;
  if (const auto etc = fields.find("etc")) kinds.etc = etc->boolean();
  kinds.applications = read_paths(fields, "applications");
  kinds.environment = read_paths(fields, "environment");
  kinds.infrastructure = read_paths(fields, "infrastructure");
  kinds.compose = read_paths(fields, "compose");
  kinds.repositories = read_paths(fields, "repositories");
  return kinds;
}

bool collects_nothing(const SourceSettings& source) {
  const ConfigKinds& kinds = source.config;
  return source.paths.empty() && !kinds.etc && kinds.applications.empty() &&
         kinds.environment.empty() && kinds.infrastructure.empty() && kinds.compose.empty() &&
         kinds.repositories.empty();
}

void refuse_keys(const Fields& fields, Keys keys, const char* message, const char* hint) {
  for (const std::string_view key : keys) {
    if (const auto field = fields.find(key)) field->fail(message, hint);
  }
}

void read_files_settings(const Fields& fields, const std::string& where,
                         const SourceSettings& source) {
  if (!source.paths.empty()) return;
  const auto paths = fields.find("paths");
  (paths ? *paths : fields.mapping())
      .fail(fmt::format("no paths{}", paths ? "" : where), "list at least one under 'paths'");
}

void read_class_settings(const Fields& fields, const std::string& where, SourceSettings& source) {
  if (source.backup_class == "config") {
    source.config = read_config_kinds(fields);
    if (collects_nothing(source)) {
      fields.mapping().fail(fmt::format("nothing to back up{}", where),
                            "leave 'etc' out or list what to collect");
    }
  } else {
    source.config.etc = false;
    refuse_keys(fields, config_keys(), "only for class 'config'",
                "list plain paths under 'paths' of a source of class 'files'");
  }
  if (source.backup_class == "database") {
    read_database(fields, where, source);
  } else {
    refuse_keys(fields, database_keys(), "only for class 'database'", "write 'class: database'");
  }
  if (source.backup_class == "files") read_files_settings(fields, where, source);
}

std::string read_schedule(const Field& field) {
  std::string schedule = field.text();
  try {
    parse_schedule(schedule);
  } catch (const Error& error) {
    field.fail(error.message(), error.hint());
  }
  return schedule;
}

// How messages name a source, before anything is known to be right about it.
std::string describe_source(const Node& node, std::size_t number) {
  for (const NodeMember& member : node.members) {
    if (member.key == "name" && !member.value.text.empty()) {
      return fmt::format(" in source '{}'", printable(member.value.text));
    }
  }
  return fmt::format(" in source number {}", number);
}

std::string read_exclude(const Field& field) {
  std::string pattern = field.text();
  try {
    IgnoreRules().add(pattern);
  } catch (const Error& error) {
    field.fail(error.message(), error.hint());
  }
  return pattern;
}

SourceSettings read_source(const Field& item, std::size_t number) {
  const std::string where = describe_source(item.node(), number);
  const Fields fields(item, where, source_keys());
  SourceSettings source;
  source.name = read_name(fields.require("name", "every source has a name of its own"));
  source.backup_class = read_class(
      fields.require("class", "write 'class: database', 'class: files' or 'class: config'"));
  source.paths = read_paths(fields, "paths");
  if (const auto exclude = fields.find("exclude")) {
    for (const Field& pattern : exclude->items()) {
      source.excludes.push_back(read_exclude(pattern));
    }
  }
  if (const auto one = fields.find("one_file_system")) source.one_file_system = one->boolean();
  if (const auto skip = fields.find("skip_cache_directories")) {
    source.skip_cache_directories = skip->boolean();
  }
  if (const auto schedule = fields.find("schedule")) source.schedule = read_schedule(*schedule);
  if (const auto rpo = fields.find("rpo")) source.rpo = rpo->duration();
  if (const auto policy = fields.find("retention")) {
    source.retention = read_policy(*policy, " in 'retention'" + where);
  }
  if (const auto log = fields.find("log")) read_source_log(*log, where, source);
  if (const auto hooks = fields.find("hooks")) {
    source.hooks = read_hooks(*hooks, " in 'hooks'" + where);
  }
  if (const auto hooks = fields.find("restore")) {
    source.restore_hooks = read_hooks(*hooks, " in 'restore'" + where);
  }
  read_class_settings(fields, where, source);
  read_archive(fields, where, source);
  return source;
}

void read_sources(const Field& list, Settings& settings) {
  std::set<std::string> names;
  for (const Field& item : list.items()) {
    const Field element(item.node(), item.file(), {});
    SourceSettings source = read_source(element, settings.sources.size() + 1);
    if (!names.insert(source.name).second) {
      element.fail(fmt::format("a second source '{}'", source.name),
                   "every source has a name of its own");
    }
    settings.sources.push_back(std::move(source));
  }
}

void read_copies(const Field& list, Settings& settings) {
  std::set<std::string> names;
  std::set<std::string> urls;
  if (!settings.vault.empty()) urls.insert(store_place(settings.vault));
  for (const Field& item : list.items()) {
    const Fields fields(item, " in 'copies'", copy_keys());
    const Field name = fields.require("name", "every copy has a name and a url");
    const Field url = fields.require("url", "every copy has a name and a url");
    CopySettings copy;
    copy.name = read_name(name);
    copy.url = read_url(url);
    if (const auto by = fields.find("replicated_by")) {
      copy.provider_replicates = read_choice(*by, kReplicators);
    }
    if (const auto region = fields.find("region")) copy.region = region->text();
    if (const auto endpoint = fields.find("endpoint")) copy.endpoint = read_endpoint(*endpoint);
    if (const auto profile = fields.find("profile")) copy.profile = profile->text();
    if (!names.insert(copy.name).second) {
      name.fail(fmt::format("a second copy '{}'", copy.name));
    }
    // The same bucket at another endpoint is another place.
    const std::string place = store_place(copy.url);
    if (!urls.insert(copy.endpoint.empty() ? place : copy.endpoint + " " + place).second) {
      url.fail(fmt::format("'{}' is in use already", printable(copy.url)),
               "a copy protects only when it lies somewhere else");
    }
    settings.copies.push_back(std::move(copy));
  }
}

Settings read_all(const Fields& fields) {
  Settings settings;
  const auto path = [&](std::string_view key, std::string& out) {
    if (const auto field = fields.find(key)) out = read_path(*field);
  };
  settings.state_directory = default_state_directory();
  settings.cache_directory = default_cache_directory();
  if (const auto vault = fields.find("vault")) settings.vault = read_url(*vault);
  if (const auto copies = fields.find("copies")) read_copies(*copies, settings);
  if (const auto stores = fields.find("stores")) settings.stores = read_stores(*stores);
  if (const auto cycle = fields.find("lifecycle")) settings.lifecycle = read_lifecycle(*cycle);
  path("key_file", settings.key_file);
  path("state_dir", settings.state_directory);
  path("cache_dir", settings.cache_directory);
  path("log_dir", settings.log_directory);
  if (const auto level = fields.find("compression")) {
    settings.compression = static_cast<int>(level->number(0, kMostCompression));
  }
  if (const auto threads = fields.find("threads")) {
    settings.threads = threads->number(0, kMostThreads);
  }
  if (const auto retention = fields.find("retention")) read_retention(*retention, settings);
  if (const auto log = fields.find("log")) {
    settings.log = read_log_policy(Fields(*log, " in 'log'", log_keys()));
  }
  if (const auto sources = fields.find("sources")) read_sources(*sources, settings);
  return settings;
}

}  // namespace

Settings parse_settings(const std::string& text, const std::string& file) {
  Node root = parse_document(text, file);
  if (root.kind == NodeKind::kNull) root.kind = NodeKind::kMapping;  // nothing but comments
  Settings settings = read_all(Fields(Field(root, file, {}), {}, top_keys()));
  settings.file = file;
  return settings;
}

const SourceSettings& find_source(const Settings& settings, const std::string& name) {
  std::vector<std::string> names;
  for (const SourceSettings& source : settings.sources) {
    if (source.name == name) return source;
    names.push_back(source.name);
  }
  const std::string where = settings.file.empty() ? "" : " in " + settings.file;
  if (names.empty()) {
    throw Error(Code::kNotFound,
                fmt::format("no source '{}': none is configured{}", printable(name), where),
                "add it under 'sources' in holdfast.yaml");
  }
  const std::string near = nearest(name, names);
  throw Error(Code::kNotFound, fmt::format("no source '{}'{}", printable(name), where),
              fmt::format("{}the sources are {}",
                          near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                          fmt::join(names, ", ")));
}

RetentionPolicy retention_for(const Settings& settings, const std::string& backup_class,
                              const std::string& source) {
  for (const SourceSettings& known : settings.sources) {
    if (known.name == source && known.backup_class == backup_class && known.retention) {
      return *known.retention;
    }
  }
  const auto of_class = settings.class_retention.find(backup_class);
  return of_class == settings.class_retention.end() ? settings.retention : of_class->second;
}

LogPolicy log_policy_for(const Settings& settings, const std::string& source) {
  for (const SourceSettings& known : settings.sources) {
    if (known.name == source && known.log) return *known.log;
  }
  return settings.log;
}

Duration rpo_of(const SourceSettings& source) {
  if (source.rpo > Duration{}) return source.rpo;
  if (source.backup_class == "database") return std::chrono::hours{1};
  if (source.backup_class == "config") return std::chrono::hours{24};
  return std::chrono::hours{4};
}

}  // namespace holdfast
