#include "store/s3/sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

using Mac = std::array<std::uint8_t, 32>;

Mac hmac(ByteView key, std::string_view text) {
  Mac mac{};
  const ByteView data = as_bytes(text);
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), data.data(), data.size(),
           mac.data(), nullptr) == nullptr) {
    throw Error(Code::kInternal, "OpenSSL cannot compute an HMAC");
  }
  return mac;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

// Without spaces at the ends, and with one where there were several.
std::string folded(std::string_view value) {
  std::string out;
  bool gap = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out += c;
  }
  return out;
}

// By lower-case name; the values of a repeated header follow each other.
std::map<std::string, std::string> canonical_headers(const HeaderList& headers) {
  std::map<std::string, std::string> canonical;
  for (const auto& [name, value] : headers) {
    const std::string key = lower(name);
    if (key == "authorization") continue;
    const auto [at, is_new] = canonical.try_emplace(key, folded(value));
    if (!is_new) at->second += "," + folded(value);
  }
  return canonical;
}

std::string signed_headers(const std::map<std::string, std::string>& headers) {
  std::string names;
  for (const auto& [name, value] : headers) {
    if (!names.empty()) names += ';';
    names += name;
  }
  return names;
}

// RFC 3986, 5.2.4, and no empty segments.
std::string normalised(std::string_view path) {
  std::vector<std::string_view> segments;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    at = end + 1;
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (!segments.empty()) {
      segments.pop_back();
    }
  }
  std::string out;
  for (const std::string_view segment : segments) out.append("/").append(segment);
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

std::string canonical_path(const std::string& path, const SigningScope& scope) {
  if (path.empty()) return "/";
  if (!scope.encode_path_twice) return aws_encode(path, true);
  return aws_encode(aws_encode(normalised(path), true), true);
}

std::string amz_time(Timestamp when) {
  std::string time = format_compact(when) + "Z";
  time[8] = 'T';
  return time;
}

std::string scope_text(const SigningScope& scope, Timestamp when) {
  return format_compact_date(when) + "/" + scope.region + "/" + scope.service + "/aws4_request";
}

void set_header(HeaderList& headers, const std::string& name, std::string value) {
  std::erase_if(headers, [&](const auto& header) { return lower(header.first) == name; });
  if (!value.empty()) headers.emplace_back(name, std::move(value));
}

}  // namespace

std::string sha256_hex(ByteView data) {
  Mac digest{};
  if (EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    throw Error(Code::kInternal, "OpenSSL cannot compute a digest");
  }
  return to_hex(digest);
}

std::string aws_encode(std::string_view text, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~' || (keep_slash && c == '/');
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string canonical_query(const QueryParameters& query) {
  QueryParameters encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(aws_encode(name), aws_encode(value));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    if (!out.empty()) out += '&';
    out += name + "=" + value;
  }
  return out;
}

std::string canonical_request(const SignableRequest& request, const SigningScope& scope) {
  const auto headers = canonical_headers(request.headers);
  std::string out = request.method + "\n" + canonical_path(request.path, scope) + "\n" +
                    canonical_query(request.query) + "\n";
  for (const auto& [name, value] : headers) out += name + ":" + value + "\n";
  return out + "\n" + signed_headers(headers) + "\n" + request.payload_hash;
}

std::string string_to_sign(const std::string& canonical, const SigningScope& scope,
                           Timestamp when) {
  return std::string(kAlgorithm) + "\n" + amz_time(when) + "\n" + scope_text(scope, when) + "\n" +
         sha256_hex(as_bytes(canonical));
}

std::string signature(const std::string& string_to_sign, const std::string& secret_key,
                      const SigningScope& scope, Timestamp when) {
  const Mac date = hmac(as_bytes("AWS4" + secret_key), format_compact_date(when));
  const Mac region = hmac(date, scope.region);
  const Mac service = hmac(region, scope.service);
  const Mac key = hmac(service, "aws4_request");
  return to_hex(hmac(key, string_to_sign));
}

void sign(SignableRequest& request, const S3Credentials& credentials, const SigningScope& scope,
          Timestamp when) {
  set_header(request.headers, "authorization", {});
  set_header(request.headers, "x-amz-date", amz_time(when));
  set_header(request.headers, "x-amz-security-token", credentials.session_token);
  if (scope.service == "s3") {
    set_header(request.headers, "x-amz-content-sha256", request.payload_hash);
  }
  const std::string mac = signature(string_to_sign(canonical_request(request, scope), scope, when),
                                    credentials.secret_key, scope, when);
  set_header(request.headers, "authorization",
             std::string(kAlgorithm) + " Credential=" + credentials.access_key + "/" +
                 scope_text(scope, when) + ", SignedHeaders=" +
                 signed_headers(canonical_headers(request.headers)) + ", Signature=" + mac);
}

}  // namespace holdfast
