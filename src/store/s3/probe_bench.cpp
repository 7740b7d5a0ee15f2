#include "store/s3/probe_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "base/human.h"
#include "os/grace.h"
#include "store/s3/versions.h"
#include "store/s3/xml.h"

namespace holdfast {
namespace {

S3Options bare_options(S3Options options) {
  options.checksum = S3Checksum::kSha256;
  options.lock = LockMode::kNone;
  options.emulate_conditions = false;
  return options;
}

Feature::State state_of(Code code) {
  if (code == Code::kUnsupported) return Feature::State::kMissing;
  return code == Code::kDenied ? Feature::State::kDenied : Feature::State::kFailed;
}

// The features told already what this key may not do.
template <typename Act>
void quietly(Act act) {
  try {
    act();
  } catch (const Error&) {
    return;
  }
}

}  // namespace

Bytes random_bytes(std::size_t size) {
  std::random_device device;
  std::mt19937_64 engine((std::uint64_t{device()} << 32) | device());
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(engine());
  return bytes;
}

std::string random_name() { return "probe-" + to_hex(random_bytes(8)); }

std::string milliseconds_of(Duration duration) {
  return fmt::format("{:.1f} ms", std::chrono::duration<double, std::milli>(duration).count());
}

std::string answer_text(const HttpResponse& answer) {
  const std::string code = parse_error_body(answer.body).code;
  return fmt::format("{}{}{}", answer.status, code.empty() ? "" : " ", printable(code));
}

Error missing_feature(const std::string& text) { return {Code::kUnsupported, text}; }
Error missing_feature(const std::string& text, const HttpResponse& answer) {
  return missing_feature(text + request_note(answer));
}
Error wrong_answer(const std::string& text) { return {Code::kCorrupt, text}; }

void expect_right(bool right, const char* text) {
  if (!right) throw wrong_answer(text);
}

void expect_failed_condition(const HttpResponse& answer, const char* ignored) {
  if (answer.status == 412) return;
  if (answer.status / 100 == 2) throw missing_feature(std::string("ignored: ") + ignored, answer);
  throw missing_feature("refused: " + answer_text(answer), answer);
}

ProbeBench::ProbeBench(S3Store& store, const std::function<void(const Feature&)>& seen)
    : store_(store),
      client_(store.client()),
      bare_(client_.bucket(), bare_options(client_.options()), client_.clock(), client_.stop()),
      seen_(seen),
      area_("lease/" + random_name() + "/") {}

bool ProbeBench::feature(const std::string& name, bool needed, const std::string& consequence,
                         const std::function<std::string()>& attempt) {
  Feature feature{name, Feature::State::kWorks, "", needed, consequence, Code::kInternal};
  try {
    feature.detail = attempt();
  } catch (const Error& error) {
    if (error.code() == Code::kCancelled) throw;
    feature.state = state_of(error.code());
    feature.detail = error.message();
    feature.code = error.code();
  }
  features_.push_back(feature);
  if (seen_) seen_(feature);
  return feature.state == Feature::State::kWorks;
}

S3Request ProbeBench::request(const char* method, const std::string& name) const {
  S3Request made;
  made.method = method;
  made.key = full(name);
  return made;
}

S3Request ProbeBench::put(const std::string& name, ByteView data, HeaderList more) const {
  S3Request made = request("PUT", name);
  made.headers = std::move(more);
  made.body = body_of(data);
  return made;
}

std::string ProbeBench::begin_upload(const S3Request& begin) {
  S3Request request = begin;
  request.query = {{"uploads", ""}};
  const HttpResponse answer = bare_.send(request).http;
  const std::string id = reading(answer, [&] { return parse_upload_id(answer.body); });
  uploads_.emplace_back(request.key, id);
  return id;
}

std::string ProbeBench::send_part(const std::string& name, const std::string& upload,
                                  unsigned number, ByteView data) {
  S3Request part = put(name, data);
  part.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload}};
  const HttpResponse answer = bare_.send(part).http;
  std::string etag(answer.header("etag"));
  std::erase(etag, '"');
  reading(answer, [&] { expect_right(!etag.empty(), "a part has no ETag"); });
  return etag;
}

S3Request ProbeBench::completion(const std::string& name, const std::string& upload,
                                 ByteView body) const {
  S3Request complete = request("POST", name);
  complete.query = {{"uploadId", upload}};
  complete.body = body_of(body);
  return complete;
}

void ProbeBench::completed(const std::string& full_key, const std::string& upload) {
  std::erase(uploads_, std::pair(full_key, upload));
}

void ProbeBench::abort_upload(const std::string& full_key, const std::string& upload) {
  S3Request request;
  request.method = "DELETE";
  request.key = full_key;
  request.query = {{"uploadId", upload}};
  request.expected = {404};
  bare_.send(request);
  completed(full_key, upload);
}

void ProbeBench::remove_versions() {
  std::vector<ObjectVersion> versions;
  list_versions(client_, full(""), [&](const ObjectVersion& v) { versions.push_back(v); });
  for (const ObjectVersion& version : versions) {
    S3Request remove;
    remove.method = "DELETE";
    remove.key = version.key;
    remove.query = {{"versionId", version.version}};
    remove.expected = {400, 404, 405, 409};
    if (version.key == full("locked")) {
      remove.headers = {{"x-amz-bypass-governance-retention", "true"}};
      remove.expected.push_back(403);
    }
    bare_.send(remove);
  }
}

void ProbeBench::clean_up() {
  const Grace grace;
  for (const auto& [upload_key, id] : std::vector(uploads_)) {
    quietly([&, &upload = upload_key, &upload_id = id] { abort_upload(upload, upload_id); });
  }
  quietly([&] {
    // One that stays does not keep the others.
    for (const ObjectInfo& object : list_objects(store_, area_)) {
      quietly([&] { store_.remove(object.key); });
    }
  });
  if (versioning != Versioning::kNever) quietly([&] { remove_versions(); });
  tell_remnants();
}

// A list that fails says nothing new: it is a feature of its own.
void ProbeBench::tell_remnants() {
  std::vector<ObjectInfo> left;
  quietly([&] { left = list_objects(store_, area_); });
  if (left.empty()) return;
  feature(kCleanUp, false,
          fmt::format("they do no harm; {} minutes from now the next `holdfast store check` or "
                      "`holdfast init` with a key that may removes them",
                      std::chrono::duration_cast<std::chrono::minutes>(kProbeAge).count()),
          [&]() -> std::string {
            throw wrong_answer(fmt::format("{} stayed, as {}", plural(left.size(), "object"),
                                           printable(left.front().key)));
          });
}

}  // namespace holdfast
