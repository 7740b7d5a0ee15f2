#include "store/s3/upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "os/grace.h"
#include "os/parallel.h"
#include "store/s3/listing.h"
#include "store/s3/retention.h"
#include "store/s3/xml.h"

namespace holdfast {
namespace {

constexpr unsigned kPartsAtOnce = 4;
constexpr std::uint64_t kPackLike = 1u << 20;
constexpr int kCompletions = 3;
constexpr unsigned kWholeTries = 3;

std::string quoted(std::string_view etag) { return fmt::format("\"{}\"", etag); }

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

bool exists(S3Client& client, const std::string& full_key) {
  return client.send({.method = "HEAD", .key = full_key, .expected = {404}}).http.status != 404;
}

std::string begin_upload(S3Client& client, const std::string& full_key, const HeaderList& headers) {
  const S3Answer answer = client.send(
      {.method = "POST", .key = full_key, .query = {{"uploads", ""}}, .headers = headers});
  return reading(answer.http, [&] { return parse_upload_id(answer.http.body); });
}

std::string send_part(S3Client& client, const std::string& full_key, const std::string& upload,
                      const Spool& spool, std::size_t index) {
  const S3Answer answer =
      client.send({.method = "PUT",
                   .key = full_key,
                   .query = {{"partNumber", std::to_string(index + 1)}, {"uploadId", upload}},
                   .body = spool.part(index),
                   // What refuses the first refuses all; the others need not wait for a yes.
                   .expect_continue = index == 0});
  std::string etag = unquoted(answer.http.header("etag"));
  if (etag.empty()) {
    throw Error(Code::kUnavailable,
                "the store named no ETag for a part of " + full_key + request_note(answer.http),
                "`holdfast store check` tells what else it lacks");
  }
  return etag;
}

// The first error ends all.
std::vector<std::string> send_parts(S3Client& client, const std::string& full_key,
                                    const std::string& upload, const Spool& spool) {
  std::vector<std::string> etags(spool.parts());
  in_parallel(kPartsAtOnce, etags.size(), {},
              [&](std::size_t i) { etags[i] = send_part(client, full_key, upload, spool, i); });
  return etags;
}

// The failure in the body of a 200, which is sent before the store knows how it ends.
std::optional<Error> late_failure(const HttpResponse& answer, const std::string& full_key) {
  if (parse_error_body(answer.body).code.empty()) return std::nullopt;
  HttpResponse failed = answer;
  failed.status = 500;
  return judge(failed, "write " + full_key).error;
}

bool finish_upload(S3Client& client, const std::string& full_key, const std::string& upload,
                   const std::vector<std::string>& etags, const HttpBody& content, bool over) {
  const std::string body = complete_upload_body(etags);
  // Stores that do not know the condition here ignore it; who names objects by their hash loses
  // nothing by that.
  S3Request request{.method = "POST",
                    .key = full_key,
                    .query = {{"uploadId", upload}},
                    .body = body_of(as_bytes(body)),
                    .expected = {404, 412}};
  if (!over) request.headers = {{"if-none-match", "*"}};
  bool repeated = false;
  for (int left = kCompletions;; --left) {
    const S3Answer answer = client.send(request);
    repeated |= answer.repeated;
    if (answer.http.status == 412) return repeated && has_content(client, full_key, content);
    // The upload is gone: an earlier try has finished it, or somebody ended it.
    if (answer.http.status == 404) {
      if (repeated && has_content(client, full_key, content)) return true;
      throw judge(answer.http, "write " + full_key).error;
    }
    auto failure = late_failure(answer.http, full_key);
    if (!failure) return true;
    if (left == 1) throw std::move(*failure);
    repeated = true;
  }
}

}  // namespace

HeaderList object_headers(const S3Client& client, std::string_view key, std::uint64_t size) {
  const S3Options& options = client.options();
  HeaderList headers;
  if (!options.storage_class.empty() && size >= kPackLike) {
    headers.emplace_back("x-amz-storage-class", options.storage_class);
  }
  if (options.encryption != S3Encryption::kNone) {
    const bool kms = options.encryption == S3Encryption::kSseKms;
    headers.emplace_back("x-amz-server-side-encryption", kms ? "aws:kms" : "AES256");
    if (kms && !options.kms_key.empty()) {
      headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", options.kms_key);
    }
  }
  const bool spared = std::any_of(options.never_locked.begin(), options.never_locked.end(),
                                  [&](const std::string& p) { return key.starts_with(p); });
  if (options.lock != LockMode::kNone && !spared) {
    const bool governance = options.lock == LockMode::kGovernance;
    headers.emplace_back("x-amz-object-lock-mode", governance ? "GOVERNANCE" : "COMPLIANCE");
    headers.emplace_back("x-amz-object-lock-retain-until-date",
                         format_rfc3339(client.store_time() + options.lock_period));
  }
  return headers;
}

bool has_content(S3Client& client, const std::string& full_key, const HttpBody& body) {
  const S3Answer head = client.send({.method = "HEAD", .key = full_key, .expected = {404}});
  if (head.http.status == 404 || head.http.header("content-length") != std::to_string(body.size)) {
    return false;
  }
  Bytes stored, wanted;
  for (std::uint64_t at = 0; at < body.size; at += stored.size()) {
    stored.resize(std::min<std::uint64_t>(4u << 20, body.size - at));
    wanted.resize(stored.size());
    body.read(at, wanted);
    client.send({.key = full_key,
                 .headers = {{"range", fmt::format("bytes={}-{}", at, at + stored.size() - 1)}},
                 .into = stored});
    if (stored != wanted) return false;
  }
  return true;
}

namespace {

// The store's word for "as it was": nothing for an absent object.
std::string current_etag(S3Client& client, const std::string& full_key) {
  const S3Answer head = client.send({.method = "HEAD", .key = full_key, .expected = {404}});
  return head.http.status == 404 ? std::string() : unquoted(head.http.header("etag"));
}

bool replace_if(S3Client& client, S3Request request, std::string_view etag) {
  request.headers.emplace_back("if-match", client.bare_etags() ? std::string(etag) : quoted(etag));
  request.expected = {404, 412};
  S3Answer answer = client.send(request);
  if (answer.http.status / 100 == 2) return true;
  if (answer.repeated && has_content(client, request.key, request.body)) return true;
  if (client.bare_etags() || current_etag(client, request.key) != etag) return false;
  // The condition holds and was refused all the same: Ceph compares the quotes too.
  request.headers.back().second = etag;
  answer = client.send(request);
  if (answer.http.status / 100 != 2) {
    return answer.repeated && has_content(client, request.key, request.body);
  }
  client.use_bare_etags();
  return true;
}

}  // namespace

bool put_if(S3Client& client, S3Request put, std::string_view etag) {
  if (client.options().emulate_conditions) {
    if (current_etag(client, put.key) != etag) return false;
    client.send(put);
    return true;
  }
  if (!etag.empty()) return replace_if(client, std::move(put), etag);
  put.headers.emplace_back("if-none-match", "*");
  put.expected = {412};
  const S3Answer answer = client.send(put);
  if (answer.http.status / 100 == 2) return true;
  return answer.repeated && has_content(client, put.key, put.body);
}

namespace {

// Ceph forgets the lock that the beginning of an upload in parts asked for.
void make_sure_of_lock(S3Client& client, const std::string& full_key, const HeaderList& headers) {
  const auto wanted = std::find_if(headers.begin(), headers.end(), [](const auto& header) {
    return header.first == "x-amz-object-lock-retain-until-date";
  });
  if (wanted == headers.end() || retention_of(client, full_key).until) return;
  extend_retention(client, full_key, parse_rfc3339(wanted->second));
}

// Several at once. Leaves no unfinished upload behind when it throws, as far as the store answers.
bool upload_in_parts(S3Client& client, const std::string& full_key, const Spool& spool,
                     const HeaderList& headers, bool over) {
  if (!over && exists(client, full_key)) return false;
  const std::string upload = begin_upload(client, full_key, headers);
  try {
    const auto etags = send_parts(client, full_key, upload, spool);
    if (!finish_upload(client, full_key, upload, etags, spool.whole(), over)) return false;
  } catch (const Error&) {
    const Grace grace;
    try {
      client.send({.method = "DELETE",
                   .key = full_key,
                   .query = {{"uploadId", upload}},
                   .expected = {404}});
    } catch (const Error&) {
      // Prune ends uploads that are a day old.
    }
    throw;
  }
  make_sure_of_lock(client, full_key, headers);
  return true;
}

bool send_whole(S3Client& client, const Upload& upload, const Spool& spool, unsigned tries) {
  S3Request put{.method = "PUT",
                .key = upload.key,
                .headers = upload.headers,
                .body = spool.whole(),
                .body_sha256 = upload.sha256,
                .tries = tries};
  if (!upload.over) return put_if(client, std::move(put), "");
  client.send(put);
  return true;
}

}  // namespace

bool send_upload(S3Client& client, const Upload& upload, const Spool& spool) {
  if (spool.parts() <= 1) return send_whole(client, upload, spool, 0);
  if (!upload.sha256.empty() && spool.size() <= client.options().upload_whole) {
    try {
      return send_whole(client, upload, spool, kWholeTries);
    } catch (const Error& error) {
      if (error.code() != Code::kUnavailable) throw;
    }
    // A network that cuts long transfers lets parts through; a lost answer may have been a yes.
    if (has_content(client, upload.key, spool.whole())) return true;
  }
  return upload_in_parts(client, upload.key, spool, upload.headers, upload.over);
}

std::uint64_t abort_uploads(S3Client& client, const std::string& prefix, Timestamp before) {
  std::uint64_t count = 0;
  UploadPage page;
  do {
    QueryParameters query = {{"uploads", ""}, {"prefix", prefix}, {"encoding-type", "url"}};
    if (page.truncated) {
      query.emplace_back("key-marker", page.next_key);
      query.emplace_back("upload-id-marker", page.next_upload);
    }
    const std::string last = page.next_key + "\n" + page.next_upload;
    const HttpResponse answer = client.send({.query = query}).http;
    page = reading(answer, [&] { return parse_uploads(answer.body); });
    require_progress(page.truncated, last, page.next_key + "\n" + page.next_upload,
                     request_note(answer));
    for (const PendingUpload& upload : page.uploads) {
      if (upload.initiated >= before) continue;
      client.send({.method = "DELETE",
                   .key = upload.key,
                   .query = {{"uploadId", upload.upload_id}},
                   .expected = {404}});
      ++count;
    }
  } while (page.truncated);
  return count;
}

}  // namespace holdfast
