#include "support/mini_s3.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <charconv>

#include "base/bytes.h"

namespace holdfast {
namespace {

using Reply = ScriptedServer::Reply;

Bytes digest(std::string_view data, const EVP_MD* kind) {
  Bytes out(static_cast<std::size_t>(EVP_MD_get_size(kind)));
  EVP_Digest(data.data(), data.size(), out.data(), nullptr, kind, nullptr);
  return out;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(from_hex(text.substr(i + 1, 2)).at(0));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::map<std::string, std::string> query_of(std::string_view target) {
  std::map<std::string, std::string> query;
  const std::size_t mark = target.find('?');
  if (mark == target.npos) return query;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    const std::size_t equals = pair.find('=');
    query[decoded(pair.substr(0, equals))] =
        equals == pair.npos ? "" : decoded(pair.substr(equals + 1));
    rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
  }
  return query;
}

// "/bucket/a/b?x" -> "a/b"; empty for the bucket.
std::string key_of(std::string_view target) {
  const std::string_view path = target.substr(0, target.find('?'));
  const std::size_t slash = path.find('/', 1);
  return slash == path.npos ? std::string() : decoded(path.substr(slash + 1));
}

Reply error(int status, std::string_view code) {
  Reply reply;
  reply.status = status;
  reply.headers = {{"x-amz-request-id", "mini-1"}};
  reply.body = fmt::format("<Error><Code>{}</Code><Message></Message></Error>", code);
  return reply;
}

constexpr std::string_view kDate = "Mon, 10 Nov 2025 12:00:00 GMT";

}  // namespace

std::string MiniS3::etag_of(const std::string& content) const {
  std::string hash = to_hex(digest(content, EVP_md5()));
  if (!behaviour_.etags_are_hashes) hash.assign(hash.rbegin(), hash.rend());
  return "\"" + hash + "\"";
}

MiniS3::MiniS3(const Behaviour& behaviour)
    : behaviour_(behaviour),
      server_([this](const Received& received) { return handle(received); }) {}

void MiniS3::set_plan(Plan plan) {
  MutexLock lock(mutex_);
  plan_ = std::move(plan);
  number_ = 0;
}

unsigned MiniS3::requests() const {
  MutexLock lock(mutex_);
  return number_;
}

std::size_t MiniS3::pending_uploads() const {
  MutexLock lock(mutex_);
  return uploads_.size();
}

std::vector<std::string> MiniS3::keys() const {
  MutexLock lock(mutex_);
  std::vector<std::string> keys;
  for (const auto& [key, content] : objects_) keys.push_back(key);
  return keys;
}

void MiniS3::archive(const std::string& part) {
  MutexLock lock(mutex_);
  for (const auto& [key, content] : objects_) {
    if (key.find(part) != key.npos) archived_[key] = false;
  }
}

std::vector<std::string> MiniS3::asked_for() const {
  MutexLock lock(mutex_);
  return asked_for_;
}

void MiniS3::damage(const std::string& key) {
  MutexLock lock(mutex_);
  std::string& content = objects_.at(key);
  content.at(content.size() / 2) = static_cast<char>(content.at(content.size() / 2) ^ 1);
}

Reply MiniS3::handle(const Received& received) {
  Plan plan;
  unsigned number = 0;
  {
    MutexLock lock(mutex_);
    plan = plan_;
    number = ++number_;
  }
  if (plan) {
    if (const auto fault = plan(received, number)) {
      if (fault->change_byte) {
        Reply reply = carry_out(received);
        if (!reply.body.empty())
          reply.body[*fault->change_byte % reply.body.size()] ^= fault->change_bits;
        return reply;
      }
      if (!fault->takes_effect) return fault->reply;
      const Reply honest = carry_out(received);
      Reply reply = fault->reply;
      // A body that is cut is the real one.
      if (reply.cut_body_after) {
        reply.status = honest.status;
        reply.headers = honest.headers;
        reply.body = honest.body;
      }
      return reply;
    }
  }
  return carry_out(received);
}

Reply MiniS3::carry_out(const Received& received) {
  const std::string hash = received.header("x-amz-content-sha256");
  if (hash != "UNSIGNED-PAYLOAD" && hash != to_hex(digest(received.body, EVP_sha256()))) {
    return error(400, "XAmzContentSHA256Mismatch");
  }
  const std::string key = key_of(received.target);
  const Query query = query_of(received.target);
  MutexLock lock(mutex_);
  if (query.contains("uploads") || query.contains("uploadId")) {
    return multipart(received, key, query);
  }
  if (key.empty()) return received.method == "GET" ? list(query) : Reply{};
  if (query.contains("restore")) return bring_back(key);
  if (received.method == "PUT") return put(received, key);
  if (received.method == "DELETE") {
    if (behaviour_.denies_removal) return error(403, "AccessDenied");
    objects_.erase(key);
    archived_.erase(key);
    Reply reply;
    reply.status = 204;
    return reply;
  }
  return get(received, key);
}

Reply MiniS3::put(const Received& received, const std::string& key) {
  const auto found = objects_.find(key);
  if (behaviour_.honours_conditions) {
    if (received.header("if-none-match") == "*" && found != objects_.end()) {
      return error(412, "PreconditionFailed");
    }
    std::string match = received.header("if-match");
    if (behaviour_.wants_bare_etags && !match.empty()) match = "\"" + match + "\"";
    if (!match.empty() && found == objects_.end()) return error(404, "NoSuchKey");
    if (!match.empty() && etag_of(found->second) != match) return error(412, "PreconditionFailed");
  }
  objects_[key] = received.body;
  archived_.erase(key);
  encrypted_.erase(key);
  const std::string how = received.header("x-amz-server-side-encryption");
  if (behaviour_.encrypts && !how.empty()) encrypted_[key] = how;
  Reply reply;
  reply.headers = {{"ETag", etag_of(received.body)}};
  return reply;
}

Reply MiniS3::bring_back(const std::string& key) {
  const auto archived = archived_.find(key);
  if (archived == archived_.end()) return error(403, "InvalidObjectState");
  asked_for_.push_back(key);
  archived->second = true;
  Reply reply;
  reply.status = 202;
  return reply;
}

Reply MiniS3::get(const Received& received, const std::string& key) {
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    Reply reply = error(404, "NoSuchKey");
    if (received.method == "HEAD") reply.body.clear();
    return reply;
  }
  const std::string& content = found->second;
  Reply reply;
  reply.headers = {{"ETag", etag_of(content)}, {"Last-Modified", std::string(kDate)}};
  const auto encrypted = encrypted_.find(key);
  if (encrypted != encrypted_.end()) {
    reply.headers.emplace_back("x-amz-server-side-encryption", encrypted->second);
  }
  const auto archived = archived_.find(key);
  if (archived != archived_.end()) {
    reply.headers.emplace_back("x-amz-storage-class", "GLACIER");
    if (archived->second) reply.headers.emplace_back("x-amz-restore", "ongoing-request=\"false\"");
    if (received.method == "GET" && !archived->second) return error(403, "InvalidObjectState");
  }
  if (received.method == "HEAD") {
    reply.headers.emplace_back("Content-Length", std::to_string(content.size()));
    return reply;
  }
  const std::string range = received.header("range");  // bytes=A-B
  if (range.empty()) {
    reply.body = content;
    return reply;
  }
  std::size_t from = 0, to = 0;
  const std::size_t dash = range.find('-');
  std::from_chars(range.data() + 6, range.data() + dash, from);
  std::from_chars(range.data() + dash + 1, range.data() + range.size(), to);
  if (from >= content.size()) return error(416, "InvalidRange");
  reply.status = 206;
  reply.body = content.substr(from, to - from + 1);
  return reply;
}

Reply MiniS3::list(const Query& query) {
  const auto value = [&](const char* name) {
    const auto found = query.find(name);
    return found == query.end() ? std::string() : found->second;
  };
  const std::string prefix = value("prefix");
  std::string xml = "<ListBucketResult>";
  std::size_t count = 0;
  std::string last;
  bool truncated = false;
  for (auto at = objects_.upper_bound(value("continuation-token")); at != objects_.end(); ++at) {
    if (!at->first.starts_with(prefix)) continue;
    if (count == behaviour_.page) {
      truncated = true;
      break;
    }
    ++count;
    last = at->first;
    xml += fmt::format(
        "<Contents><Key>{}</Key><LastModified>2025-11-10T12:00:00.250Z</LastModified>"
        "<ETag>{}</ETag><Size>{}</Size><StorageClass>{}</StorageClass></Contents>",
        at->first, etag_of(at->second), at->second.size(),
        archived_.contains(at->first) ? "GLACIER" : "STANDARD");
  }
  xml += fmt::format("<IsTruncated>{}</IsTruncated>", truncated);
  if (truncated) xml += fmt::format("<NextContinuationToken>{}</NextContinuationToken>", last);
  Reply reply;
  reply.body = xml + "</ListBucketResult>";
  return reply;
}

Reply MiniS3::multipart(const Received& received, const std::string& key, const Query& query) {
  Reply reply;
  if (query.contains("uploads") && received.method == "GET") {
    std::string xml = "<ListMultipartUploadsResult>";
    for (const auto& [id, upload] : uploads_) {
      xml += fmt::format(
          "<Upload><Key>{}</Key><UploadId>{}</UploadId>"
          "<Initiated>2025-11-01T00:00:00.000Z</Initiated></Upload>",
          upload.key, id);
    }
    reply.body = xml + "<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>";
    return reply;
  }
  if (query.contains("uploads")) {
    const std::string id = "upload-" + std::to_string(++next_upload_);
    uploads_[id] = {key, {}};
    reply.body = fmt::format(
        "<InitiateMultipartUploadResult><UploadId>{}</UploadId></InitiateMultipartUploadResult>",
        id);
    return reply;
  }
  const std::string& id = query.at("uploadId");
  const auto found = uploads_.find(id);
  if (found == uploads_.end()) return error(404, "NoSuchUpload");
  if (received.method == "DELETE") {
    uploads_.erase(found);
    reply.status = 204;
    return reply;
  }
  if (received.method == "PUT") {
    found->second.parts[std::stoi(query.at("partNumber"))] = received.body;
    reply.headers = {{"ETag", etag_of(received.body)}};
    return reply;
  }
  return complete(key, id, !received.header("if-none-match").empty());
}

Reply MiniS3::complete(const std::string& key, const std::string& id, bool only_new) {
  if (behaviour_.completes_with_error && !failed_completion_) {
    failed_completion_ = true;
    Reply reply = error(500, "InternalError");
    reply.status = 200;
    return reply;
  }
  if (only_new && behaviour_.honours_conditions && objects_.contains(key)) {
    return error(412, "PreconditionFailed");
  }
  std::string content;
  for (const auto& [number, part] : uploads_.at(id).parts) content += part;
  uploads_.erase(id);
  objects_[key] = content;
  Reply reply;
  reply.body = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>";
  return reply;
}

}  // namespace holdfast
