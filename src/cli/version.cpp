// holdfast version.
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sodium.h>
#include <zstd.h>

#include <CLI/Version.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "vault/vault.h"

namespace holdfast {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

#if defined(__OPTIMIZE__)
constexpr const char* kBuild = "release";
#else
constexpr const char* kBuild = "debug";
#endif

Json libraries() {
  return {{"cli11", CLI11_VERSION},
          {"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100,
                              FMT_VERSION % 100)},
          {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR,
                                        NLOHMANN_JSON_VERSION_MINOR, NLOHMANN_JSON_VERSION_PATCH)},
          {"openssl", ::OpenSSL_version(OPENSSL_VERSION_STRING)},
          {"sodium", ::sodium_version_string()},
          {"zstd", ::ZSTD_versionString()}};
}

int run_version(Context& context) {
  const Json document{{"version", HOLDFAST_VERSION},
                      {"format", kFormatVersion},
                      {"build", {{"compiler", kCompiler}, {"type", kBuild}}},
                      {"libraries", libraries()}};
  context.output.print(fmt::format("holdfast {}\nvault format {}\n{} build, {}\n", HOLDFAST_VERSION,
                                   kFormatVersion, kBuild, kCompiler));
  std::string text;
  for (const auto& [name, version] : document["libraries"].items()) {
    text += fmt::format("{} {}\n", name, version.get<std::string>());
  }
  context.output.note(text);
  context.output.document(document);
  return kExitSuccess;
}

}  // namespace

void add_version_command(Command& root) {
  root.subcommand("version", "Print the version of the program and its libraries")
      .examples({"holdfast version", "holdfast version --json"})
      .run(run_version);
}

}  // namespace holdfast
