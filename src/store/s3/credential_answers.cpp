#include "store/s3/credential_answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <pugixml.hpp>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestMessage = 300;

Json parse_object(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) throw Error(Code::kInvalid, "the answer is not a JSON object");
  return json;
}

std::string text_of(const Json& json, const char* name) {
  const auto at = json.find(name);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::optional<Timestamp> expiry_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  try {
    return parse_rfc3339(text);
  } catch (const Error&) {
    throw Error(Code::kInvalid, "the answer's Expiration is no time in RFC 3339");
  }
}

S3Credentials from_json(const Json& json, const char* token) {
  S3Credentials credentials{text_of(json, "AccessKeyId"), text_of(json, "SecretAccessKey"),
                            text_of(json, token), expiry_of(text_of(json, "Expiration"))};
  check_credentials(credentials, "the answer");
  return credentials;
}

pugi::xml_node find(const pugi::xml_document& document, std::string_view name) {
  return document.find_node([&](const pugi::xml_node& node) { return name == node.name(); });
}

std::string short_text(const char* text) {
  return printable(std::string_view(text).substr(0, kLongestMessage));
}

// Keys and tokens are visible ASCII.
bool visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

void check_credentials(const S3Credentials& credentials, std::string_view where) {
  const auto check = [&](const std::string& value, std::string_view what, bool needed) {
    if (needed && value.empty()) {
      throw Error(Code::kInvalid, fmt::format("{} has no {}", where, what));
    }
    if (!visible(value)) {
      throw Error(Code::kInvalid,
                  fmt::format("{} has a space, a line break or another impossible character in "
                              "the {}",
                              where, what));
    }
  };
  check(credentials.access_key, "access key", true);
  check(credentials.secret_key, "secret access key", true);
  check(credentials.session_token, "session token", false);
}

S3Credentials parse_process_answer(std::string_view json) {
  const Json answer = parse_object(json);
  const auto version = answer.find("Version");
  if (version == answer.end() || *version != 1) {
    throw Error(Code::kInvalid, "the answer is not of Version 1");
  }
  return from_json(answer, "SessionToken");
}

S3Credentials parse_metadata_answer(std::string_view json) {
  const Json answer = parse_object(json);
  for (const char* name : {"Code", "code"}) {
    const std::string code = text_of(answer, name);
    if (code.empty() || code == "Success") continue;
    throw Error(Code::kDenied, fmt::format("the service says '{}'", short_text(code.c_str())));
  }
  return from_json(answer, "Token");
}

S3Credentials parse_token_answer(ByteView xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) {
    throw Error(Code::kInvalid, "the answer is not XML");
  }
  const pugi::xml_node node = find(document, "Credentials");
  S3Credentials credentials{node.child_value("AccessKeyId"), node.child_value("SecretAccessKey"),
                            node.child_value("SessionToken"),
                            expiry_of(node.child_value("Expiration"))};
  check_credentials(credentials, "the answer");
  return credentials;
}

TokenServiceError parse_token_error(ByteView xml) {
  pugi::xml_document document;
  if (!document.load_buffer(xml.data(), xml.size())) return {};
  return {short_text(find(document, "Code").child_value()),
          short_text(find(document, "Message").child_value())};
}

}  // namespace holdfast
