// The parts of a probe about writes that must not happen: on a condition, with damage, unfinished.
#include <fmt/format.h>

#include <algorithm>

#include "base/human.h"
#include "store/s3/probe_bench.h"
#include "store/s3/xml.h"

namespace holdfast {
namespace {

constexpr std::size_t kFirstPart = 5u << 20;  // the least that S3 allows but for the last part
constexpr std::size_t kSecondPart = 64u << 10;
// Larger than what the client adds an MD5 of its own to.
constexpr std::size_t kWithoutMd5 = 100u << 10;
constexpr const char* kMd5OfNothing = "1B2M2Y8AsgTpgAmY7PhCfg==";
constexpr const char* kCrc32OfNothing = "AAAAAA==";

std::string create_condition(ProbeBench& bench) {
  S3Request first = bench.put("created", bench.small, {{"if-none-match", "*"}});
  first.expected = {400};
  const HttpResponse created = bench.bare().send(first).http;
  if (created.status == 400) throw missing_feature("refused: " + answer_text(created), created);
  S3Request second = bench.put("created", bench.other, {{"if-none-match", "*"}});
  second.expected = {400, 412};
  expect_failed_condition(bench.bare().send(second).http, "the second create replaced the first");
  expect_right(bench.store().get(bench.key("created")) == bench.small,
               "the object changed although it was refused");
  return "If-None-Match";
}

HttpResponse replace(ProbeBench& bench, ByteView data, const std::string& etag) {
  S3Request request = bench.put("replaced", data, {{"if-match", etag}});
  request.expected = {400, 404, 412};
  return bench.bare().send(request).http;
}

std::string replace_condition(ProbeBench& bench) {
  const HttpResponse first = bench.bare().send(bench.put("replaced", bench.small)).http;
  std::string stale(first.header("etag"));
  std::string how = "If-Match";
  HttpResponse replaced = replace(bench, bench.other, stale);
  if (replaced.status == 412) {
    // Some compare the quotes too; S3Store finds that out by itself.
    std::erase(stale, '"');
    replaced = replace(bench, bench.other, stale);
    how = "If-Match, with the ETag without its quotes";
  }
  if (replaced.status / 100 != 2) {
    throw missing_feature("refused: " + answer_text(replaced), replaced);
  }
  expect_failed_condition(replace(bench, bench.small, stale),
                          "an outdated writer replaced the object");
  expect_right(bench.store().get(bench.key("replaced")) == bench.other,
               "the object changed although it was refused");
  return how;
}

std::string upload_in_two_parts(ProbeBench& bench) {
  const Bytes content = random_bytes(kFirstPart + kSecondPart);
  const ByteView view(content);
  const std::string upload = bench.begin_upload("parts");
  const std::vector<std::string> etags = {
      bench.send_part("parts", upload, 1, view.first(kFirstPart)),
      bench.send_part("parts", upload, 2, view.subspan(kFirstPart))};
  const std::string body = complete_upload_body(etags);
  const HttpResponse answer =
      bench.bare().send(bench.completion("parts", upload, as_bytes(body))).http;
  if (!parse_error_body(answer.body).code.empty()) {
    throw missing_feature(answer_text(answer), answer);
  }
  bench.completed(bench.full("parts"), upload);
  Bytes around(1000);
  constexpr std::size_t kFrom = kFirstPart - 500;
  bench.store().read(bench.key("parts"), kFrom, around);
  expect_right(std::equal(around.begin(), around.end(), content.begin() + kFrom),
               "other bytes came back than were written");
  return fmt::format("{} and {}", format_size(kFirstPart), format_size(kSecondPart));
}

std::string condition_of_completion(ProbeBench& bench) {
  bench.store().put(bench.key("taken"), bench.small);
  const std::string upload = bench.begin_upload("taken");
  const std::string body = complete_upload_body({bench.send_part("taken", upload, 1, bench.other)});
  S3Request complete = bench.completion("taken", upload, as_bytes(body));
  complete.headers = {{"if-none-match", "*"}};
  complete.expected = {400, 412};
  const HttpResponse answer = bench.bare().send(complete).http;
  if (answer.status / 100 == 2) bench.completed(bench.full("taken"), upload);
  expect_failed_condition(answer, "the upload replaced the object");
  bench.abort_upload(bench.full("taken"), upload);
  return {};
}

std::string abort_and_list(ProbeBench& bench) {
  const std::string upload = bench.begin_upload("aborted");
  const auto listed = [&] {
    S3Request list;
    list.query = {{"uploads", ""}, {"prefix", bench.full("aborted")}, {"encoding-type", "url"}};
    const HttpResponse answer = bench.bare().send(list).http;
    const UploadPage page = reading(answer, [&] { return parse_uploads(answer.body); });
    return std::any_of(page.uploads.begin(), page.uploads.end(),
                       [&](const PendingUpload& pending) { return pending.upload_id == upload; });
  };
  expect_right(listed(), "an unfinished upload is not in the list");
  bench.abort_upload(bench.full("aborted"), upload);
  expect_right(!listed(), "an aborted upload is still in the list");
  return {};
}

// Sends what arrives with a checksum that is of other bytes.
std::string refuse_damage(ProbeBench& bench, S3Request damaged) {
  damaged.expected = {400, 403};
  const HttpResponse answer = bench.bare().send(damaged).http;
  if (answer.status / 100 == 2) throw missing_feature("ignored: a wrong one was accepted", answer);
  const std::string code = parse_error_body(answer.body).code;
  if (code == "AccessDenied")
    throw Error(Code::kDenied, answer_text(answer) + request_note(answer));
  return answer_text(answer);
}

std::string refuse_damaged_part(ProbeBench& bench) {
  const std::string upload = bench.begin_upload("damaged-part");
  S3Request damaged = bench.put("damaged-part", bench.small);
  damaged.query = {{"partNumber", "1"}, {"uploadId", upload}};
  damaged.body_sha256 = sha256_hex(bench.other);
  std::string how = refuse_damage(bench, damaged);
  bench.abort_upload(bench.full("damaged-part"), upload);
  return how;
}

void probe_conditions(ProbeBench& bench) {
  const bool emulated = bench.client().options().emulate_conditions;
  const std::string weaker =
      emulated ? "accepted by 'conditional_writes: emulated': two programs that create the same "
                 "object at one instant defeat each other"
               : "two programs at one instant defeat each other; 'conditional_writes: emulated' "
                 "accepts that, see docs/S3.md";
  bench.feature("create only if absent", !emulated, weaker,
                [&] { return create_condition(bench); });
  bench.feature("replace only if unchanged", !emulated, weaker,
                [&] { return replace_condition(bench); });
}

void probe_uploads(ProbeBench& bench) {
  bench.feature("upload in parts", true, "packs larger than 16 MiB cannot be written",
                [&] { return upload_in_two_parts(bench); });
  bench.feature("create only if absent, in parts", false,
                "no harm: large objects are named by their hash, so the other one is the same",
                [&] { return condition_of_completion(bench); });
  bench.feature("abort uploads, list unfinished ones", false,
                "an operator's prune ends uploads that were left a day ago; without it, a "
                "lifecycle rule has to",
                [&] { return abort_and_list(bench); });
}

void probe_checksums(ProbeBench& bench) {
  const S3Checksum used = bench.client().options().checksum;
  const char* const late = "bytes that change on the way are only noticed when they are read";
  bench.feature("wrong SHA-256 refused", used == S3Checksum::kSha256, late, [&] {
    S3Request damaged = bench.put("damaged", bench.small);
    damaged.body_sha256 = sha256_hex(bench.other);
    return refuse_damage(bench, damaged);
  });
  bench.feature("wrong SHA-256 of a part refused", used == S3Checksum::kSha256, late,
                [&] { return refuse_damaged_part(bench); });
  const Bytes body = random_bytes(kWithoutMd5);
  bench.feature("wrong Content-MD5 refused", used == S3Checksum::kMd5, late, [&] {
    return refuse_damage(bench, bench.put("damaged", body, {{"content-md5", kMd5OfNothing}}));
  });
  if (used != S3Checksum::kCrc32) return;
  bench.feature("wrong CRC32 refused", true, late, [&] {
    return refuse_damage(bench,
                         bench.put("damaged", body, {{"x-amz-checksum-crc32", kCrc32OfNothing}}));
  });
}

}  // namespace

void probe_writes(ProbeBench& bench) {
  probe_conditions(bench);
  probe_uploads(bench);
  probe_checksums(bench);
}

}  // namespace holdfast
