#include "store/s3/whole_object.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr int kReadings = 4;
// What is larger is a segment of the index or log in parts, named by its hash or sealed in pieces.
constexpr std::size_t kSmall = 1u << 20;

// What the ETag says the MD5 of the content is, in hex; nothing for the ETags of uploads in parts
// and of what is encrypted with keys that the store does not have by itself.
std::optional<std::string> md5_in_etag(const HttpResponse& answer) {
  std::string_view etag = answer.header("etag");
  if (etag.size() == 34 && etag.front() == '"') etag = etag.substr(1, 32);
  const bool is_hex = std::all_of(etag.begin(), etag.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  const bool other_key = answer.header("x-amz-server-side-encryption").starts_with("aws:kms") ||
                         !answer.header("x-amz-server-side-encryption-customer-algorithm").empty();
  if (etag.size() != 32 || !is_hex || other_key) return std::nullopt;
  return std::string(etag);
}

std::string md5_of(ByteView content) {
  Bytes digest(16);
  unsigned size = 0;
  if (EVP_Digest(content.data(), content.size(), digest.data(), &size, EVP_md5(), nullptr) != 1) {
    return {};  // some systems forbid MD5: then two readings have to do
  }
  return to_hex(digest);
}

}  // namespace

HttpResponse get_whole(S3Client& client, const S3Request& request) {
  std::optional<Bytes> before;
  std::string note;
  for (int left = kReadings; left > 0; --left) {
    HttpResponse answer = client.send(request).http;
    if (answer.status != 200) return answer;
    note = request_note(answer);
    const auto expected =
        client.etags_are_hashes() ? md5_in_etag(answer) : std::optional<std::string>();
    if (expected && md5_of(answer.body) == *expected) return answer;
    const bool trusted = !client.over_plain_http() || answer.body.size() > kSmall;
    if (!expected && trusted) return answer;
    if (before && *before == answer.body) {
      if (expected) client.use_no_etags_as_hashes();
      return answer;
    }
    before = std::move(answer.body);
  }
  throw Error(
      Code::kCorrupt,
      fmt::format("s3://{}/{} arrived with other bytes each of {} times{}", client.bucket(),
                  request.key, kReadings, note),
      "bytes change on the way: look at the network, proxies and this machine's memory, and "
      "use https:// for the endpoint");
}

}  // namespace holdfast
