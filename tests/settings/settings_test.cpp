#include "settings/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "test_support.h"

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Settings parsed(const std::string& text) { return parse_settings(text, "holdfast.yaml"); }

Error parse_error(const std::string& text) {
  const auto error = error_of([&] { parsed(text); });
  if (error) return *error;
  ADD_FAILURE() << "no error for:\n" << text;
  return {Code::kInternal, {}};
}

constexpr const char* kFull = R"(vault: file:///srv/vault
copies:
  - name: offsite
    url: /mnt/offsite/vault
  - {name: "${HOLDFAST_TEST_NAME}", url: "~/vault"}
key_file: ~/key
state_dir: /s
cache_dir: /c
log_dir: /l
compression: 9
threads: ${HOLDFAST_TEST_THREADS:-3}
retention:
  default: {keep_last: 7}
  database: {keep_within: 90d}
  files:
    keep_last: 1
    keep_hourly: 2
    keep_daily: 3
    keep_weekly: 4
    keep_monthly: 5
    keep_yearly: 6
    keep_within: 1w
sources:
  - name: web
    class: files
    paths: [/srv/www, ~/sites]
    exclude: ["*.log", '!keep.log']
    one_file_system: false
    skip_cache_directories: true
    schedule: "30 */4 * * *"
    rpo: 2h
    retention: {keep_daily: 30}
    hooks:
      before: ["echo ${HOLDFAST_SOURCE}"]
      after:
        - command: touch /done
          timeout: 30s
      on_failure: [a, b]
  - name: host
    class: config
    etc: false
    paths: [/root/notes]
    applications: [/opt/app/conf]
    environment: [/srv/*/.env]
    infrastructure: [/srv/infra]
    compose: [/srv/compose]
    repositories: [~/git]
)";

class SettingsTest : public testing::Test {
 protected:
  ScopedVariable home_{"HOME", "/home/me"};
  ScopedVariable name_{"HOLDFAST_TEST_NAME", "second"};
  ScopedVariable threads_{"HOLDFAST_TEST_THREADS", nullptr};
};

TEST_F(SettingsTest, ReadsTheWholeFile) {
  const Settings settings = parsed(kFull);
  EXPECT_EQ(settings.file, "holdfast.yaml");
  EXPECT_EQ(settings.vault, "file:///srv/vault");
  ASSERT_EQ(settings.copies.size(), 2U);
  EXPECT_EQ(settings.copies[0].name, "offsite");
  EXPECT_EQ(settings.copies[1].name, "second");
  EXPECT_EQ(settings.copies[1].url, "/home/me/vault");
  EXPECT_EQ(settings.key_file, "/home/me/key");
  EXPECT_EQ(settings.state_directory, "/s");
  EXPECT_EQ(settings.cache_directory, "/c");
  EXPECT_EQ(settings.log_directory, "/l");
  EXPECT_EQ(settings.compression, 9);
  EXPECT_EQ(settings.threads, 3U);
  RetentionPolicy last;
  last.keep_last = 7;
  EXPECT_EQ(settings.retention, last);
  EXPECT_EQ(settings.class_retention.at("files"), (RetentionPolicy{1, 2, 3, 4, 5, 6, days{7}}));
  EXPECT_EQ(settings.class_retention.at("database").keep_within, Duration{days{90}});
  EXPECT_EQ(settings.class_retention.size(), 2U);
}

TEST_F(SettingsTest, ReadsSources) {
  const Settings settings = parsed(kFull);
  ASSERT_EQ(settings.sources.size(), 2U);
  const SourceSettings& web = settings.sources[0];
  EXPECT_EQ(web.name, "web");
  EXPECT_EQ(web.backup_class, "files");
  EXPECT_THAT(web.paths, ElementsAre("/srv/www", "/home/me/sites"));
  EXPECT_THAT(web.excludes, ElementsAre("*.log", "!keep.log"));
  EXPECT_FALSE(web.one_file_system);
  EXPECT_TRUE(web.skip_cache_directories);
  EXPECT_FALSE(web.config.etc);
  EXPECT_EQ(web.schedule, "30 */4 * * *");
  EXPECT_EQ(web.rpo, Duration{hours{2}});
  EXPECT_EQ(web.retention->keep_daily, 30U);
  const SourceSettings& host = settings.sources[1];
  EXPECT_EQ(host.backup_class, "config");
  EXPECT_FALSE(host.config.etc);
  EXPECT_THAT(host.paths, ElementsAre("/root/notes"));
  EXPECT_THAT(host.config.applications, ElementsAre("/opt/app/conf"));
  EXPECT_THAT(host.config.environment, ElementsAre("/srv/*/.env"));
  EXPECT_THAT(host.config.infrastructure, ElementsAre("/srv/infra"));
  EXPECT_THAT(host.config.compose, ElementsAre("/srv/compose"));
  EXPECT_THAT(host.config.repositories, ElementsAre("/home/me/git"));
}

TEST_F(SettingsTest, ReadsDatabases) {
  const ScopedVariable home("HOME", "/home/me");
  const Settings settings = parsed(
      "sources:\n"
      "  - name: app\n"
      "    class: database\n"
      "    postgresql:\n"
      "      connection: 'host=/run/postgresql user=backup'\n"
      "      method: logical\n"
      "      databases: [app, 'two words']\n"
      "      format: custom\n"
      "      system_user: pg\n"
      "      bin_directory: ~/bin\n"
      "    assertions:\n"
      "      - {query: \"select '${PRICE}' from t\", database: app, expect: '> 0'}\n"
      "  - name: shop\n"
      "    class: database\n"
      "    mariadb: {socket: /run/m.sock, port: 3307, user: u, host: h, defaults_file: "
      "/etc/m.cnf}\n"
      "  - {name: plain, class: database, postgresql: {}}\n"
      "  - name: parts\n"
      "    class: database\n"
      "    postgresql: {method: logical, format: directory, jobs: 3, scratch: ~/s}\n");
  ASSERT_EQ(settings.sources.size(), 4U);
  EXPECT_EQ(settings.sources[3].postgresql->format, PgDumpFormat::kDirectory);
  EXPECT_EQ(settings.sources[3].postgresql->jobs, 3U);
  EXPECT_EQ(settings.sources[3].postgresql->scratch, "/home/me/s");
  const SourceSettings& app = settings.sources[0];
  ASSERT_TRUE(app.postgresql);
  EXPECT_FALSE(app.mariadb);
  EXPECT_EQ(app.postgresql->connection, "host=/run/postgresql user=backup");
  EXPECT_EQ(app.postgresql->method, DatabaseMethod::kLogical);
  EXPECT_EQ(app.postgresql->databases, (std::vector<std::string>{"app", "two words"}));
  EXPECT_EQ(app.postgresql->format, PgDumpFormat::kCustom);
  EXPECT_EQ(app.postgresql->system_user, "pg");
  EXPECT_EQ(app.postgresql->bin_directory, "/home/me/bin");
  // A '$' in SQL is SQL's.
  const Assertion wanted{"select '${PRICE}' from t", "app", "> 0"};
  EXPECT_EQ(app.assertions, std::vector<Assertion>{wanted});
  EXPECT_FALSE(app.config.etc);
  const SourceSettings& shop = settings.sources[1];
  ASSERT_TRUE(shop.mariadb);
  EXPECT_EQ(shop.mariadb->port, 3307U);
  EXPECT_EQ(shop.mariadb->socket, "/run/m.sock");
  EXPECT_EQ(shop.mariadb->method, DatabaseMethod::kPhysical);
  const SourceSettings& plain = settings.sources[2];
  EXPECT_EQ(plain.postgresql->method, DatabaseMethod::kPhysical);
  EXPECT_EQ(plain.postgresql->system_user, "postgres");
  EXPECT_EQ(plain.postgresql->format, PgDumpFormat::kPlain);
}

TEST_F(SettingsTest, HooksKeepTheirVariablesForTheShell) {
  const Hooks hooks = parsed(kFull).sources.at(0).hooks;
  EXPECT_THAT(hooks.before, ElementsAre(Hook{"echo ${HOLDFAST_SOURCE}", minutes{5}}));
  EXPECT_THAT(hooks.after, ElementsAre(Hook{"touch /done", std::chrono::seconds{30}}));
  EXPECT_THAT(hooks.on_failure, ElementsAre(Hook{"a", minutes{5}}, Hook{"b", minutes{5}}));
}

TEST_F(SettingsTest, Defaults) {
  for (const char* text : {"", "# nothing\n", "---\n", "{}"}) {
    const Settings settings = parsed(text);
    EXPECT_EQ(settings.vault, "");
    EXPECT_EQ(settings.log_directory, "");
    EXPECT_EQ(settings.compression, 0);
    EXPECT_EQ(settings.threads, 0U);
    EXPECT_EQ(settings.retention, RetentionPolicy{});
    EXPECT_TRUE(settings.sources.empty());
    EXPECT_THAT(settings.state_directory, StartsWith("/"));
    EXPECT_THAT(settings.cache_directory, StartsWith("/"));
  }
  const Settings settings =
      parsed("sources: [{name: a, class: files, paths: [/a]}, {name: b, class: config}]");
  EXPECT_TRUE(settings.sources[0].one_file_system);
  EXPECT_FALSE(settings.sources[0].skip_cache_directories);
  EXPECT_FALSE(settings.sources[0].retention);
  EXPECT_TRUE(settings.sources[1].config.etc);
}

struct BadSettings {
  const char* text;
  const char* message;
  const char* hint;  // a part of it
};

constexpr BadSettings kBadSettings[] = {
    {"valt: /v\n", "holdfast.yaml:1: unknown key 'valt'", "did you mean 'vault'?"},
    {"\n\nzzzzzz: /v\n", "holdfast.yaml:3: unknown key 'zzzzzz'", "the allowed keys are vault,"},
    {"sources:\n  - name: web\n    class: files\n    paths: [/a]\n    retension: {}\n",
     "holdfast.yaml:5: unknown key 'retension' in source 'web'", "did you mean 'retention'?"},
    {"sources:\n  - nam: web\n", "holdfast.yaml:2: unknown key 'nam' in source number 1",
     "did you mean 'name'?"},
    {"sources:\n  - class: files\n", "holdfast.yaml:2: missing key 'name' in source number 1", ""},
    {"sources:\n  - name: a\n", "holdfast.yaml:2: missing key 'class' in source 'a'",
     "class: files"},
    {"sources:\n  - {name: a, class: database}\n", "holdfast.yaml:2: no server in source 'a'",
     "one of 'postgresql', 'mariadb' and 'mysql'"},
    {"sources:\n  - {name: a, class: database, postgresql: {}, mariadb: {}}\n",
     "holdfast.yaml:2: both 'postgresql' and 'mariadb' in source 'a'", "one of"},
    {"sources:\n  - name: a\n    class: database\n    postgresql: {}\n    paths: [/a]\n",
     "holdfast.yaml:5: 'paths' in source 'a': not for class 'database'", "'postgresql'"},
    {"sources:\n  - name: a\n    class: files\n    paths: [/a]\n    postgresql: {}\n",
     "holdfast.yaml:5: 'postgresql' in source 'a': only for class 'database'", "class: database"},
    {"sources: [{name: a, class: database, postgresql: {databases: [app]}}]",
     "holdfast.yaml:1: 'databases' in 'postgresql' in source 'a': a physical backup holds every "
     "database of the server",
     "method: logical"},
    {"sources: [{name: a, class: database, postgresql: {format: custom}}]",
     "holdfast.yaml:1: 'format' in 'postgresql' in source 'a': only for logical backups",
     "method: logical"},
    {"sources: [{name: a, class: database, postgresql: {method: logical, jobs: 2}}]",
     "holdfast.yaml:1: 'jobs' in 'postgresql' in source 'a': only for dumps that are directories",
     "format: directory"},
    {"sources: [{name: a, class: database, postgresql: {conection: x}}]",
     "holdfast.yaml:1: unknown key 'conection' in 'postgresql' in source 'a'",
     "did you mean 'connection'?"},
    {"sources: [{name: a, class: database, postgresql: {}, assertions: [{query: x}]}]",
     "holdfast.yaml:1: missing key 'expect' in 'assertions' in source 'a'", "> 0"},
    {"sources:\n  - {name: a, class: file}\n",
     "holdfast.yaml:2: 'class' in source 'a': 'file' is not a class", "did you mean 'files'?"},
    {"sources:\n  - {name: a, class: tape}\n",
     "holdfast.yaml:2: 'class' in source 'a': 'tape' is not a class",
     "the allowed values are database, files"},
    {"sources:\n  - {name: A, class: files}\n",
     "holdfast.yaml:2: 'name' in source 'A': 'A' is not a valid name", "lower-case"},
    {"sources:\n  - {name: a, class: files}\n", "holdfast.yaml:2: no paths in source 'a'", "paths"},
    {"sources:\n  - name: a\n    class: files\n    paths: []\n",
     "holdfast.yaml:4: 'paths' in source 'a': no paths", "at least one"},
    {"sources:\n  - name: a\n    class: files\n    paths:\n      - /x\n      - srv\n",
     "holdfast.yaml:6: 'paths' in source 'a': 'srv' is not an absolute path", "~/"},
    {"sources:\n  - name: a\n    class: files\n    paths: /x\n",
     "holdfast.yaml:4: 'paths' in source 'a': expected a list, found a single value",
     "write a list"},
    {"sources:\n  - name: a\n    class: files\n    paths: [/x]\n    etc: true\n",
     "holdfast.yaml:5: 'etc' in source 'a': only for class 'config'", "paths"},
    {"sources:\n  - name: a\n    class: config\n    etc: false\n",
     "holdfast.yaml:2: nothing to back up in source 'a'", "etc"},
    {"sources:\n  - {name: a, class: files, paths: [/x]}\n  - {name: a, class: config}\n",
     "holdfast.yaml:3: a second source 'a'", "name of its own"},
    {"sources: 5\n", "holdfast.yaml:1: 'sources': expected a list, found a single value", "list"},
    {"sources: [web]\n", "holdfast.yaml:1: expected keys and values, found a single value", "name"},
    {"sources:\n", "holdfast.yaml:1: 'sources': no value", "remove the line"},
    {"- a\n", "holdfast.yaml:1: expected keys and values, found a list", "vault"},
    {"vault: 5\n", "holdfast.yaml:1: 'vault': expected text, found 5", "put it in quotes: '5'"},
    {"vault: true\n", "holdfast.yaml:1: 'vault': expected text, found true", "quotes"},
    {"vault: ''\n", "holdfast.yaml:1: 'vault': must not be empty", ""},
    {"vault: vault\n", "holdfast.yaml:1: 'vault': 'vault' is not an absolute path", ""},
    {"vault: \"/a\\0b\"\n", "holdfast.yaml:1: 'vault': must not contain NUL", ""},
    {"vault: ${HOLDFAST_TEST_UNSET}\n",
     "holdfast.yaml:1: 'vault': the environment variable HOLDFAST_TEST_UNSET is not set",
     ":-value}"},
    {"vault: ${HOLDFAST_TEST_UNSET:-}\n", "holdfast.yaml:1: 'vault': must not be empty", ""},
    {"threads: many\n", "holdfast.yaml:1: 'threads': 'many' is not a whole number from 0 to 1024",
     ""},
    {"threads: -1\n", "holdfast.yaml:1: 'threads': '-1' is not a whole number from 0 to 1024", ""},
    {"threads: 08\n", "holdfast.yaml:1: 'threads': '08' is not a whole number from 0 to 1024", ""},
    {"threads: 1.5\n", "holdfast.yaml:1: 'threads': '1.5' is not a whole number from 0 to 1024",
     ""},
    {"threads: '4'\n", "holdfast.yaml:1: 'threads': expected a number, found text",
     "remove the quotes"},
    {"threads: [4]\n", "holdfast.yaml:1: 'threads': expected a single value, found a list", ""},
    {"compression: 20\n", "holdfast.yaml:1: 'compression': '20' is not a whole number from 0 to 19",
     ""},
    {"copies:\n  - name: a\n", "holdfast.yaml:2: missing key 'url' in 'copies'", "url"},
    {"copies:\n  - {name: a, url: /a}\n  - {name: a, url: /b}\n",
     "holdfast.yaml:3: 'name' in 'copies': a second copy 'a'", ""},
    {"vault: /a\ncopies:\n  - name: a\n    url: /a\n",
     "holdfast.yaml:4: 'url' in 'copies': '/a' is in use already", "somewhere else"},
    {"vault: file:///a\ncopies:\n  - {name: a, url: /b/../a/}\n",
     "holdfast.yaml:3: 'url' in 'copies': '/b/../a/' is in use already", "somewhere else"},
    {"vault: s3://a/b\ncopies:\n  - {name: a, url: s3://a/b/}\n",
     "holdfast.yaml:3: 'url' in 'copies': 's3://a/b/' is in use already", "somewhere else"},
    {"sources:\n  - name: a\n    class: files\n    paths: [/a]\n    exclude:\n      - ok\n"
     "      - '[a'\n",
     "holdfast.yaml:7: 'exclude' in source 'a': the exclude pattern '[a' has a '[' that "
     "is not closed or an unknown character class",
     "\\["},
    {"sources:\n  - name: a\n    class: files\n    paths: [/a]\n    exclude: ['../x']\n",
     "holdfast.yaml:5: 'exclude' in source 'a': the exclude pattern '../x' has '.' or "
     "'..' in it and can never match",
     "relative to the source"},
    {"retention: {file: {}}\n", "holdfast.yaml:1: unknown key 'file' in 'retention'", "'files'"},
    {"retention:\n  default:\n    keep_last: 0\n",
     "holdfast.yaml:3: 'keep_last' in 'retention.default': '0' is not a whole number from 1 to "
     "100000",
     ""},
    {"retention: {files: {keep_within: 90}}\n",
     "holdfast.yaml:1: 'keep_within' in 'retention.files': expected text, found 90", "quotes"},
    {"retention: {files: {keep_within: 90x}}\n",
     "holdfast.yaml:1: 'keep_within' in 'retention.files': '90x' is not a duration", "90d"},
    {"sources:\n  - name: a\n    class: config\n    rpo: 0h\n",
     "holdfast.yaml:4: 'rpo' in source 'a': '0h' is not longer than zero", ""},
    {"sources:\n  - name: a\n    class: config\n    schedule: 0 25 * * *\n",
     "holdfast.yaml:4: 'schedule' in source 'a': '0 25 * * *' is not a schedule: hour '25' is not "
     "in 0-23",
     "five fields"},
    {"sources:\n  - name: a\n    class: config\n    etc: yes\n",
     "holdfast.yaml:4: 'etc' in source 'a': 'yes' is not true or false", "true or false"},
    {"sources:\n  - name: a\n    class: config\n    etc: 'true'\n",
     "holdfast.yaml:4: 'etc' in source 'a': expected true or false, found text", "quotes"},
    {"sources:\n  - name: a\n    class: config\n    hooks:\n      befor: [x]\n",
     "holdfast.yaml:5: unknown key 'befor' in 'hooks' in source 'a'", "'before'"},
    {"sources:\n  - name: a\n    class: config\n    hooks:\n      after:\n        - timeout: 5s\n",
     "holdfast.yaml:6: missing key 'command' in 'after' in 'hooks' in source 'a'", "command"},
    {"sources:\n  - name: a\n    class: config\n    hooks: {after: [{command: x, timeout: 5}]}\n",
     "holdfast.yaml:4: 'timeout' in 'after' in 'hooks' in source 'a': expected text, found 5",
     "quotes"},
    {"sources:\n  - name: a\n    class: config\n    retention: {keep: 5}\n",
     "holdfast.yaml:4: unknown key 'keep' in 'retention' in source 'a'", "keep_last"},
};

TEST_F(SettingsTest, ErrorsNameFileLineAndRemedy) {
  for (const BadSettings& bad : kBadSettings) {
    const Error error = parse_error(bad.text);
    EXPECT_EQ(error.code(), Code::kInvalid) << bad.text;
    EXPECT_EQ(error.message(), bad.message) << bad.text;
    EXPECT_THAT(error.hint(), HasSubstr(bad.hint)) << bad.text;
  }
}

TEST_F(SettingsTest, WhatComesFromTheEnvironmentIsOneValue) {
  const ScopedVariable inject("HOLDFAST_TEST_NAME", "/a\ncompression: 3");
  EXPECT_EQ(parsed("vault: ${HOLDFAST_TEST_NAME}\n").vault, "/a\ncompression: 3");
  EXPECT_EQ(parsed("vault: ${HOLDFAST_TEST_NAME}\n").compression, 0);
}

TEST_F(SettingsTest, TypedValuesFromTheEnvironment) {
  const ScopedVariable number("HOLDFAST_TEST_THREADS", "8");
  const ScopedVariable truth("HOLDFAST_TEST_NAME", "true");
  const Settings settings = parsed(
      "threads: '${HOLDFAST_TEST_THREADS}'\n"
      "sources: [{name: a, class: config, skip_cache_directories: \"${HOLDFAST_TEST_NAME}\"}]\n");
  EXPECT_EQ(settings.threads, 8U);
  EXPECT_TRUE(settings.sources[0].skip_cache_directories);
}

TEST_F(SettingsTest, NamesHaveALengthLimit) {
  const auto source = [](std::size_t length) {
    return "sources: [{name: " + std::string(length, 'a') + ", class: config}]";
  };
  EXPECT_EQ(parsed(source(63)).sources.size(), 1U);
  EXPECT_THAT(parse_error(source(64)).message(), HasSubstr("is not a valid name"));
}

TEST_F(SettingsTest, DoesNotDependOnTheTimeZone) {
  const std::string text =
      "sources: [{name: a, class: config, schedule: 30 2 * * *, rpo: 1d, "
      "retention: {keep_within: 1y}}]";
  for (const char* zone : {"America/New_York", "Asia/Kolkata"}) {
    const ScopedVariable tz("TZ", zone);
    ::tzset();
    const SourceSettings source = parsed(text).sources.at(0);
    EXPECT_EQ(source.rpo, Duration{hours{24}});
    EXPECT_EQ(source.retention->keep_within, Duration{days{365}});
  }
  ::tzset();
}

TEST_F(SettingsTest, FindSource) {
  const Settings settings = parsed(kFull);
  EXPECT_EQ(find_source(settings, "host").name, "host");
  const auto error = error_of([&] { find_source(settings, "wbe"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kNotFound);
  EXPECT_EQ(error->message(), "no source 'wbe' in holdfast.yaml");
  EXPECT_EQ(error->hint(), "did you mean 'web'? the sources are web, host");
  const auto none = error_of([&] { find_source(parsed(""), "web"); });
  ASSERT_TRUE(none);
  EXPECT_EQ(none->message(), "no source 'web': none is configured in holdfast.yaml");
}

TEST_F(SettingsTest, RetentionFallsBackFromSourceToClassToDefault) {
  const Settings settings = parsed(kFull);
  EXPECT_EQ(retention_for(settings, "files", "web").keep_daily, 30U);
  EXPECT_EQ(retention_for(settings, "files", "unknown").keep_daily, 3U);
  EXPECT_EQ(retention_for(settings, "config", "host").keep_last, 7U);
  // The same name under another class is another source.
  EXPECT_EQ(retention_for(settings, "config", "web").keep_last, 7U);
  EXPECT_EQ(retention_for(settings, "other", "unknown").keep_last, 7U);
}

TEST_F(SettingsTest, TheLogOfASourceFallsBackToTheDefault) {
  EXPECT_EQ(log_policy_for(Settings{}, "any"), LogPolicy{});
  EXPECT_EQ(LogPolicy{}.keep_without_backup, Duration{days{30}});
  const Settings settings = parsed(
      "log: {keep: 14d}\n"
      "sources:\n"
      "  - {name: a, class: database, postgresql: {}, log: {keep_without_backup: 2d}}\n"
      "  - {name: b, class: database, postgresql: {}}\n");
  EXPECT_EQ(log_policy_for(settings, "a"), (LogPolicy{{}, days{2}}));
  EXPECT_EQ(log_policy_for(settings, "b"), (LogPolicy{Duration{days{14}}, days{30}}));
}

TEST_F(SettingsTest, PlacesOfTheLogChangeNothingAboutHowLongItStays) {
  const Settings settings = parsed(
      "log: {keep: 14d}\n"
      "sources:\n"
      "  - {name: a, class: database, postgresql: {}, log: {also: [west], follow: [east, usb]}}\n"
      "  - {name: b, class: database, postgresql: {}, log: {keep: 2d, follow: [east]}}\n");
  EXPECT_EQ(settings.sources[0].log_places, (LogPlaces{{"west"}, {"east", "usb"}}));
  EXPECT_EQ(log_policy_for(settings, "a").keep, Duration{days{14}});
  EXPECT_EQ(log_policy_for(settings, "b").keep, Duration{days{2}});
  EXPECT_THROW(parsed("log: {also: [west]}\n"), Error);
}

TEST_F(SettingsTest, ARetentionWithoutRulesIsARetention) {
  const Settings settings = parsed(
      "retention: {default: {keep_last: 1}}\n"
      "sources: [{name: a, class: config, retention: {}}]");
  EXPECT_EQ(retention_for(settings, "config", "a"), RetentionPolicy{});
}

TEST_F(SettingsTest, RpoIsThatOfTheClass) {
  SourceSettings source;
  const std::pair<const char*, int> defaults[] = {{"database", 1}, {"files", 4}, {"config", 24}};
  for (const auto& [backup_class, expected] : defaults) {
    source.backup_class = backup_class;
    source.rpo = {};
    EXPECT_EQ(rpo_of(source), Duration{hours{expected}});
    source.rpo = minutes{5};
    EXPECT_EQ(rpo_of(source), Duration{minutes{5}});
  }
}

}  // namespace
}  // namespace holdfast
