// The schema and the parser accept the same files.
#include <gtest/gtest.h>

#include <string>

#include "json_schema.h"
#include "packaging.h"
#include "settings/settings.h"
#include "test_support.h"
#include "yaml_to_json.h"

namespace holdfast {
namespace {

// Values for one place of a file, which "@" marks.
struct Place {
  const char* file;
  std::vector<const char*> good;
  std::vector<const char*> bad;
};

const std::vector<const char*> kNoText = {"5", "1.5", "true", "", "~", "[]", "{}", "''"};

std::vector<const char*> and_no_text(std::vector<const char*> bad) {
  bad.insert(bad.end(), kNoText.begin(), kNoText.end());
  return bad;
}

const Place kPlaces[] = {
    {"@", {"", "{}", "# x", "vault: /v"}, {"[]", "x", "5", "unknown: 1", "Vault: /v"}},
    {"vault: @", {"/v", "~/v", "s3://b/p", "'${X:-/y}/v'", "file:///v"}, and_no_text({"v", "~"})},
    {"copies: @",
     {"[]", "[{name: a, url: /a}]"},
     {"", "x", "{}", "[a]", "[{name: a}]", "[{url: /a}]", "[{name: a, url: /a, x: 1}]"}},
    {"copies: [{name: a, url: @}]", {"/a", "x://y"}, {"a", "''", "5"}},
    {"copies: [{name: a, url: /a, @}]",
     {"region: west", "endpoint: 'https://west:7481', profile: dr", "replicated_by: provider",
      "replicated_by: holdfast", "replicated_by: '${X:-provider}', region: ä"},
     {"replicated_by: us", "endpoint: west", "endpoint: 'https://'", "endpoint: 'https://h/b'",
      "profile: ''", "replicated_by: ", "replicated_by: true", "region: ''", "region: 5"}},
    {"stores: @",
     {"[]", "[{url: 's3://'}]", "[{url: s3://b, endpoint: 'https://x'}]"},
     {"", "x", "{}", "[a]", "[{}]", "[{endpoint: 'https://x'}]", "[{url: s3://b, x: 1}]"}},
    {"stores: [{url: @}]",
     {"'s3://'", "s3://backups", "s3://backups/", "s3://b.c-d_e/f/g+h", "'s3://${X:-b}'"},
     and_no_text({"s3:/b", "s3", "b", "/b", "S3://b", "s3:///b", "s3://b//c", "s3://b//",
                  "'s3://b c'", "s3://u@b", "gs://b"})},
    {"stores: [{url: s3://b, endpoint: @}]",
     {"https://ceph.example.com:7480", "'http://10.0.0.1/'", "'http://[::1]:9000'",
      "'https://${X:-a}'"},
     and_no_text({"ceph.example.com", "ftp://x", "HTTPS://x", "'https://'", "https:///",
                  "https://x/b", "https://x?a=b", "'https://x#b'", "https://u:p@x", "'https://x:'",
                  "https://x:y", "'https://x y'", "'https://[::1'", "'https://[::1]x'",
                  "https://a:1:2"})},
    {"stores: [{url: s3://b, region: @}]",
     {"eu-central-1", "default", "r_1"},
     and_no_text({"'eu central'", "eu/central", "ä"})},
    {"stores: [{url: s3://b, addressing: @}]",
     {"auto", "path", "virtual", "'${X:-path}'"},
     and_no_text({"Auto", "dns"})},
    {"stores: [{url: s3://b, profile: @}]", {"backup", "a b"}, kNoText},
    {"stores: [{url: s3://b, ca_file: @}]", {"/etc/ssl/lab.pem", "~/lab.pem"}, and_no_text({"x"})},
    {"stores: [{url: s3://b, proxy: @}]",
     {"http://proxy:3128", "'https://u:p@proxy/'", "'socks5h://[::1]:1080'", "'${X:-http://p}'"},
     and_no_text({"proxy:3128", "'http://'", "http://p/x", "'http://p q'", "ftp://p"})},
    {"stores: [{url: s3://b, storage_class: @}]",
     {"STANDARD_IA", "cold-2"},
     and_no_text({"'A B'", "A/B", "ä"})},
    {"stores: [{url: s3://b, encryption: @}]",
     {"none", "sse-s3", "sse-kms"},
     and_no_text({"kms", "AES256"})},
    {"stores: [{url: s3://b, @}]",
     {"encryption: sse-kms, kms_key: k", "encryption: '${X:-sse-kms}', kms_key: k",
      "checksum: none", "checksum: none, endpoint: 'https://x'",
      "checksum: crc32, endpoint: 'http://x'"},
     {"kms_key: k", "encryption: sse-s3, kms_key: k", "encryption: sse-kms, kms_key: ''",
      "checksum: none, endpoint: 'http://x'"}},
    {"stores: [{url: s3://b, checksum: @}]",
     {"sha256", "md5", "crc32", "none"},
     and_no_text({"sha1", "SHA256"})},
    {"stores: [{url: s3://b, conditional_writes: @}]",
     {"required", "emulated", "'${X:-emulated}'"},
     and_no_text({"none", "optional"})},
    {"stores: [{url: s3://b, object_lock: @}]",
     {"{mode: governance, period: 30d}", "{period: 1y, mode: compliance}"},
     {"", "{}", "[]", "governance", "{mode: governance}", "{period: 30d}",
      "{mode: none, period: 30d}", "{mode: governance, period: 0d}",
      "{mode: governance, period: 30}", "{mode: governance, period: 30d, x: 1}"}},
    {"stores: [{url: s3://b, limit_upload: @}]",
     {"20MiB", "1.5g", "64 K", "'2048'", "512kb", "'${X:-1M}'"},
     and_no_text({"0M", "0.0GiB", "M", "20MiBs", "20MiB/s", "-1M", "20X", "fast"})},
    {"stores: [{url: s3://b, limit_download: @}]", {"50MiB"}, and_no_text({"MiB"})},
    {"stores: [{url: s3://b, connections: @}]",
     {"1", "256", "'${X:-4}'"},
     {"0", "257", "-1", "'4'", "x", "", "1.5"}},
    {"stores: [{url: s3://b, request_timeout: @}]", {"1s", "60s", "1h"}, and_no_text({"0s", "60"})},
    {"stores: [{url: s3://b, retry_for: @}]", {"1s", "5m", "1d"}, and_no_text({"0s", "x"})},
    {"lifecycle: @",
     {"{}", "{database: {}, files: {}, config: {}}", "{archive_class: DEEP_ARCHIVE}"},
     {"", "[]", "x", "{default: {}}", "{files: }", "{expire_after: 1d}"}},
    {"lifecycle: {files: @}",
     {"{infrequent_access_after: 30d, archive_after: 90d, expire_after: 1y}",
      "{expire_after: '${X:-1w}'}"},
     {"[]", "x", "{expire: 1d}", "{expire_after: 0d}", "{archive_after: 30}",
      "{infrequent_access_after: }"}},
    {"lifecycle: {infrequent_access_class: @}", {"ONEZONE_IA"}, and_no_text({"'A B'"})},
    {"lifecycle: {keep_versions: @}", {"1d", "'${X:-2w}'"}, and_no_text({"0d", "30"})},
    {"lifecycle: {archive_class: @}", {"GLACIER", "glacier-2"}, and_no_text({"A/B"})},
    {"key_file: @", {"/k", "~/k", "${HOME}"}, and_no_text({"k", "k/l", "./k"})},
    {"state_dir: @", {"/k", "~/k"}, and_no_text({"k"})},
    {"cache_dir: @", {"/k", "~/k"}, and_no_text({"k"})},
    {"log_dir: @", {"/k", "~/k"}, and_no_text({"k"})},
    {"compression: @",
     {"0", "1", "19", "${X:-3}", "'${X:-3}'"},
     {"20", "-1", "'3'", "x", "", "1.5", "true", "[]"}},
    {"threads: @", {"0", "1024", "${X:-3}"}, {"1025", "-1", "'3'", "x", "", "true"}},
    {"retention: @",
     {"{}", "{default: {}}", "{files: {}, config: {}, database: {}}"},
     {"", "[]", "x", "{keep_last: 1}", "{default: }", "{file: {}}"}},
    {"retention: {default: @}",
     {"{}", "{keep_last: 1, keep_within: 1d}"},
     {"[]", "x", "{keep: 1}", "{keep_lst: 1}"}},
    {"retention: {default: {keep_last: @}}",
     {"1", "100000", "'${X:-1}'"},
     {"0", "100001", "-1", "'1'", "x", "", "[]", "1.5"}},
    {"retention: {default: {keep_yearly: @}}", {"1", "100000"}, {"0", "x"}},
    {"retention: {default: {keep_within: @}}",
     {"90d", "1h30m", "2w", "1y", "5s", "250ms", "0d1h", "'${X:-1d}'"},
     and_no_text({"0d", "0h0m", "90", "d", "1 d", "-1d", "1D", "1d ago"})},
    {"sources: @", {"[]"}, {"", "x", "{}", "[x]", "[{}]", "[[]]"}},
    {"sources: [{name: @, class: config}]",
     {"a", "0a", "a-b", "'${X:-a}'",
      "a23456789-123456789-123456789-123456789-123456789-123456789-12"},
     and_no_text({"A", "-a", "a_b", "a.b", "ä",
                  "a23456789-123456789-123456789-123456789-123456789-123456789-1234"})},
    {"sources: [{name: a, class: @}]", {"config"}, and_no_text({"files", "database", "Config"})},
    {"sources: [{name: a, class: @, paths: [/a]}]",
     {"config", "files", "'${X:-files}'"},
     and_no_text({"database", "tape"})},
    {"sources: [{name: a, class: database, @}]",
     {"postgresql: {}", "mariadb: {}", "postgresql: {}, exclude: [x]",
      "postgresql: {}, assertions: []", "mariadb: {}, rpo: 1m", "mysql: {}",
      "mysql: {databases: [a]}"},
     {"", "postgresql: {}, mariadb: {}", "mysql: {}, mariadb: {}", "mysql: {method: physical}",
      "postgresql: ", "postgresql: []", "postgresql: x", "postgresql: {}, paths: [/a]",
      "postgresql: {}, paths: []", "postgresql: {}, etc: true", "mariadb: {}, repositories: [/a]",
      "sqlite: {}"}},
    {"sources: [{name: a, class: @, postgresql: {}}]",
     {"database"},
     and_no_text({"config", "files"})},
    {"sources: [{name: a, class: config, @}]",
     {"rpo: 1h"},
     {"mariadb: {}", "postgresql: {}", "assertions: []"}},
    {"sources: [{name: a, class: database, postgresql: {@}}]",
     {"connection: 'host=/run/postgresql'", "connection: '${X:-postgresql://u@h/d}'",
      "method: physical", "method: logical", "method: logical, databases: [a, 'b c']",
      "method: logical, databases: []", "method: logical, format: plain",
      "format: custom, method: logical", "method: logical, format: directory",
      "method: logical, format: directory, jobs: 1", "method: logical, format: directory, jobs: 64",
      "method: logical, format: directory, scratch: /srv/scratch, jobs: '${X:-3}'",
      "system_user: postgres", "bin_directory: /usr/bin", "bin_directory: ~/bin", "read: auto",
      "read: direct", "method: physical, read: stream"},
     {"connection: ''",
      "read: ''",
      "read: local",
      "read: [stream]",
      "method: logical, read: auto",
      "connection: 5",
      "connection: []",
      "method: dump",
      "method: ",
      "method: []",
      "databases: [a]",
      "method: physical, databases: [a]",
      "method: logical, databases: a",
      "method: logical, databases: [5]",
      "method: logical, databases: ['']",
      "format: plain",
      "method: physical, format: custom",
      "method: logical, format: tar",
      "method: logical, jobs: 2",
      "method: logical, format: custom, scratch: /srv/scratch",
      "method: logical, format: directory, jobs: 0",
      "method: logical, format: directory, jobs: 65",
      "method: logical, format: directory, jobs: '2'",
      "method: logical, format: directory, scratch: scratch",
      "format: directory",
      "jobs: 2",
      "system_user: 5",
      "bin_directory: bin",
      "port: 5432",
      "password: x"}},
    {"sources: [{name: a, class: database, mariadb: {@}}]",
     {"defaults_file: /etc/my.cnf", "socket: /run/m.sock", "host: db.example.com", "port: 3306",
      "port: 1", "port: 65535", "port: '${X:-3306}'", "user: backup", "method: logical",
      "method: logical, databases: [a]", "system_user: mysql", "bin_directory: /opt/bin"},
     {"defaults_file: my.cnf", "socket: m.sock", "host: ''", "port: 0", "port: 65536", "port: '1'",
      "port: ", "user: []", "method: x", "databases: [a]", "method: physical, databases: [a]",
      "format: plain", "connection: x", "bin_directory: bin"}},
    {"sources: [{name: a, class: database, postgresql: {}, assertions: @}]",
     {"[]", "[{query: select 1, expect: '1'}]", "[{query: '${unset}', expect: '> 0', database: d}]",
      "[{query: a, expect: b}, {query: c, expect: within 1h}]"},
     {"", "{}", "x", "[x]", "[{}]", "[{query: select 1}]", "[{expect: '1'}]",
      "[{query: '', expect: '1'}]", "[{query: x, expect: ''}]", "[{query: x, expect: 1}]",
      "[{query: 5, expect: '1'}]", "[{query: x, expect: '1', database: ''}]",
      "[{query: x, expect: '1', sql: y}]"}},
    {"sources: [{class: config, name: a, @}]",
     {"etc: true", "exclude: []", "paths: []"},
     {"keep_last: 1", "path: [/a]", "name: b"}},
    {"sources: [{name: a, class: files, @}]",
     {"paths: [/a]", "paths: [/a, ~/b]", "paths: [/a], exclude: [x, '*.y']"},
     {"paths: []", "paths: /a", "paths: [a]", "paths: ['']", "paths: [5]", "paths: ", "schedule: x",
      "paths: [/a], etc: true", "paths: [/a], applications: []", "paths: [/a], environment: [/a]",
      "paths: [/a], infrastructure: [/a]", "paths: [/a], compose: [/a]",
      "paths: [/a], repositories: [/a]", "paths: [/a], exclude: x", "paths: [/a], exclude: [5]",
      "paths: [/a], exclude: ['']"}},
    {"sources: [{name: a, class: config, etc: false, @}]",
     {"paths: [/a]", "applications: [/a]", "environment: [/a]", "infrastructure: [/a]",
      "compose: [/a]", "repositories: [/a]", "paths: [], compose: [/a]"},
     {"paths: []", "exclude: [x]", "applications: [], environment: []"}},
    {"sources: [{name: a, class: config, etc: @}]",
     {"true", "True", "TRUE", "'${X:-true}'"},
     {"yes", "no", "'true'", "1", "", "[]", "tRUE"}},
    {"sources: [{name: a, class: config, one_file_system: @}]", {"true", "false"}, {"yes", "0"}},
    {"sources: [{name: a, class: config, skip_cache_directories: @}]", {"true", "False"}, {"x"}},
    {"sources: [{name: a, class: config, rpo: @}]", {"1h", "'${X:-1h}'"}, and_no_text({"0s", "x"})},
    {"sources: [{name: a, class: config, schedule: @}]",
     {"'0 3 * * *'", "' */5  * * * mon-fri '", "'@daily'", "'@Weekly'", "every 4h", "Every 1H30M",
      "'${X:-@daily}'"},
     and_no_text({"'* * * *'", "'* * * * * *'", "'@reboot'", "every", "every day", "daily"})},
    {"sources: [{name: a, class: config, retention: @}]",
     {"{}", "{keep_daily: 1}"},
     {"", "[]", "{default: {}}", "{keep_daily: 0}"}},
    {"sources: [{name: a, class: config, restore: @}]",
     {"{}", "{before: [x], after: [{command: y, timeout: 5m}], on_failure: []}"},
     {"", "[]", "x", "{stop: [x]}", "{before: x}"}},
    {"sources: [{name: a, class: config, format: @}]",
     {"vault", "archive", "both", "'${X:-both}'"},
     and_no_text({"Vault", "tar"})},
    {"sources: [{name: a, class: config, format: both, archive: @}]",
     {"{}", "{compress: zstd, level: 19}", "{compress: gzip, level: 9}", "{level: 1}",
      "{identity_file: /k, retention: {keep_daily: 1}}", "{recipients: []}",
      "{recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}"},
     {"", "[]", "x", "{compress: lz4}", "{level: 10}", "{level: 0}", "{compress: zstd, level: 20}",
      "{recipients: x}", "{recipients: [age1x]}", "{identity_file: k}", "{keep_daily: 1}"}},
    {"sources: [{name: a, class: config, @}]",
     {"format: archive, archive: {}", "format: both, archive: {}"},
     {"archive: {}", "format: vault, archive: {}"}},
    {"sources: [{name: a, class: database, format: archive, @}]",
     {"postgresql: {method: logical}", "postgresql: {method: logical, format: plain}",
      "mariadb: {method: logical}", "mariadb: {method: logical}, archive: {compress: zstd}"},
     {"postgresql: {}", "postgresql: {method: physical}", "mariadb: {}",
      "postgresql: {method: logical, format: custom}",
      "postgresql: {method: logical, format: directory}"}},
    {"sources: [{name: a, class: config, hooks: @}]",
     {"{}", "{before: [], after: [x], on_failure: [x, {command: y}]}"},
     {"", "[]", "x", "{befor: []}", "{before: x}", "{before: {command: x}}"}},
    {"sources: [{name: a, class: config, hooks: {before: [@]}}]",
     {"x", "'echo ${UNSET_HERE}'", "{command: x}", "{command: x, timeout: 5m}"},
     {"5", "true", "''", "{}", "{timeout: 5m}", "{command: ''}", "{command: x, timeout: 5}",
      "{command: x, timeout: 0s}", "{command: x, time: 5m}", "[x]"}},
};

bool parser_accepts(const std::string& text) {
  const auto error = error_of([&] { parse_settings(text, "f.yaml"); });
  EXPECT_TRUE(!error || error->code() == Code::kInvalid) << text;
  return !error;
}

// A parse error is a refusal by whoever reads the file for the schema.
bool schema_accepts_text(const nlohmann::json& schema, const std::string& text) {
  nlohmann::json value;
  if (error_of([&] { value = to_json(parse_document(text, "f.yaml")); })) return false;
  return schema_accepts(schema, schema, value);
}

TEST(Agreement, SchemaAndParserAcceptTheSame) {
  const ScopedVariable home("HOME", "/home/me");
  const ScopedVariable unset("X", nullptr);
  const nlohmann::json schema = packaged_schema();
  for (const Place& place : kPlaces) {
    const std::string file = place.file;
    const auto check = [&](const char* value, bool expected) {
      std::string text = file;
      text.replace(file.find('@'), 1, value);
      EXPECT_EQ(parser_accepts(text), expected) << text;
      EXPECT_EQ(schema_accepts_text(schema, text), expected) << text;
    };
    for (const char* value : place.good) check(value, true);
    for (const char* value : place.bad) check(value, false);
  }
}

}  // namespace
}  // namespace holdfast
