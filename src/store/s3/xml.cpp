#include "store/s3/xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <pugixml.hpp>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

// No DOCTYPE, comments or processing instructions: nothing is expanded or fetched.
constexpr unsigned kParsing =
    pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol | pugi::parse_ws_pcdata_single;

bool load(pugi::xml_document& document, ByteView body) {
  return document.load_buffer(body.data(), body.size(), kParsing, pugi::encoding_utf8);
}

// The prefix of a namespace is the sender's choice; the name behind it is S3's.
std::string_view local_name(const pugi::xml_node& node) {
  const std::string_view name = node.name();
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node child(const pugi::xml_node& parent, std::string_view name) {
  for (const pugi::xml_node& node : parent.children()) {
    if (local_name(node) == name) return node;
  }
  return {};
}

// All of it, whatever comments and CDATA sections divide it; elements have no value.
std::string text_of(const pugi::xml_node& node) {
  std::string text;
  for (const pugi::xml_node& part : node.children()) text += part.value();
  return text;
}

std::string text_of(const pugi::xml_node& parent, std::string_view name) {
  return text_of(child(parent, name));
}

std::string trimmed(const std::string& text) {
  static constexpr const char* kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::string without_quotes(const std::string& etag) {
  if (etag.size() < 2 || !etag.starts_with('"') || !etag.ends_with('"')) return etag;
  return etag.substr(1, etag.size() - 2);
}

// Nothing when a '%' has no two hexadecimal digits behind it.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      const std::string_view digits = text.substr(at + 1, 2);
      unsigned value = 0;
      const char* end = digits.data() + digits.size();
      const auto [stop, failed] = std::from_chars(digits.data(), end, value, 16);
      if (digits.size() != 2 || failed != std::errc{} || stop != end) return std::nullopt;
      out += static_cast<char>(value);
      at += 2;
    } else {
      out += plus_is_space && text[at] == '+' ? ' ' : text[at];
    }
  }
  return out;
}

// An answer whose root is the element that was asked for. Everything throws Error(kCorrupt).
class Answer {
 public:
  Answer(ByteView body, std::string_view root) : name_(root) {
    if (!load(document_, body)) fail("it is not XML, or not all of it");
    root_ = document_.document_element();
    if (local_name(root_) != root) {
      fail(fmt::format("it is a <{}>", printable(std::string_view(root_.name()).substr(0, 100))));
    }
    encoded_ = is_url(text_of(root_, "EncodingType"));
  }

  const pugi::xml_node& root() const { return root_; }
  bool encoded() const { return encoded_; }

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(Code::kCorrupt,
                fmt::format("the store's answer should be a {}: {}", name_, problem),
                "check that the endpoint is that of an S3 store and that no proxy answers for it");
  }

  std::string required(const pugi::xml_node& parent, std::string_view name) const {
    std::string text = text_of(parent, name);
    if (text.empty()) fail(fmt::format("{} is missing", name));
    return text;
  }

  bool truth(const pugi::xml_node& parent, std::string_view name) const {
    const std::string text = required(parent, name);
    if (text == "true") return true;
    if (text != "false") fail(fmt::format("{} is neither true nor false", name));
    return false;
  }

  std::uint64_t size(const pugi::xml_node& parent) const {
    const std::string text = required(parent, "Size");
    const char* end = text.data() + text.size();
    std::uint64_t size = 0;
    const auto [stop, failed] = std::from_chars(text.data(), end, size);
    if (failed != std::errc{} || stop != end) fail("Size is not a number");
    return size;
  }

  Timestamp time(const pugi::xml_node& parent, std::string_view name) const {
    try {
      return parse_rfc3339(required(parent, name));
    } catch (const Error& error) {
      if (error.code() != Code::kInvalid) throw;
      fail(fmt::format("{} is not a time", name));
    }
  }

  std::string key(const pugi::xml_node& parent) const {
    return decoded(required(parent, "Key"), "Key");
  }

  // The key behind which the next page begins. Ceph encodes the keys of a page, but not this one
  // (until release 18); decoding would make another key of one with a '+'.
  std::string next_key(const std::string& last) const {
    std::string text = required(root_, "NextKeyMarker");
    return text == last ? text : decoded(text, "NextKeyMarker");
  }

 private:
  static bool is_url(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text == "url";
  }

  // A store that ignores encoding-type says so by leaving EncodingType out.
  std::string decoded(const std::string& text, std::string_view name) const {
    if (!encoded_) return text;
    auto key = percent_decoded(text, true);
    if (!key) fail(fmt::format("{} is not URL-encoded", name));
    return *std::move(key);
  }

  std::string_view name_;
  pugi::xml_document document_;
  pugi::xml_node root_;
  bool encoded_ = false;
};

ObjectVersion read_version(const Answer& answer, const pugi::xml_node& node, bool delete_marker) {
  ObjectVersion version;
  version.key = answer.key(node);
  version.version = answer.required(node, "VersionId");
  version.modified = answer.time(node, "LastModified");
  version.latest = answer.truth(node, "IsLatest");
  version.delete_marker = delete_marker;
  if (delete_marker) return version;
  version.size = answer.size(node);
  version.etag = without_quotes(text_of(node, "ETag"));
  return version;
}

PendingUpload read_upload(const Answer& answer, const pugi::xml_node& node) {
  PendingUpload upload{answer.key(node), answer.required(node, "UploadId"),
                       answer.time(node, "Initiated")};
  // Ceph encodes these without saying so. No key of ours has a '%'.
  if (!answer.encoded()) {
    if (auto key = percent_decoded(upload.key, false)) upload.key = *std::move(key);
  }
  return upload;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace

S3ErrorBody parse_error_body(ByteView body) {
  pugi::xml_document document;
  if (!load(document, body)) return {};
  const pugi::xml_node root = document.document_element();
  // The token service wraps its errors.
  const pugi::xml_node error = local_name(root) == "ErrorResponse" ? child(root, "Error") : root;
  if (local_name(error) != "Error") return {};
  const auto text = [&](std::string_view name) { return trimmed(text_of(error, name)); };
  S3ErrorBody out{text("Code"), text("Message"), text("RequestId"), text("Region"),
                  text("Endpoint")};
  if (out.request_id.empty()) out.request_id = trimmed(text_of(root, "RequestId"));
  return out;
}

ListPage parse_list(ByteView body) {
  const Answer answer(body, "ListBucketResult");
  ListPage page;
  for (const pugi::xml_node& node : answer.root().children()) {
    if (local_name(node) != "Contents") continue;
    page.objects.push_back({answer.key(node), answer.size(node), answer.time(node, "LastModified"),
                            without_quotes(text_of(node, "ETag"))});
    std::string storage_class = text_of(node, "StorageClass");
    if (storage_class == "STANDARD") storage_class.clear();
    page.storage_classes.push_back(std::move(storage_class));
  }
  page.truncated = answer.truth(answer.root(), "IsTruncated");
  if (page.truncated) page.next = answer.required(answer.root(), "NextContinuationToken");
  return page;
}

VersionPage parse_versions(ByteView body) {
  const Answer answer(body, "ListVersionsResult");
  VersionPage page;
  for (const pugi::xml_node& node : answer.root().children()) {
    const std::string_view name = local_name(node);
    const bool delete_marker = name == "DeleteMarker";
    if (delete_marker || name == "Version") {
      page.versions.push_back(read_version(answer, node, delete_marker));
    }
  }
  page.truncated = answer.truth(answer.root(), "IsTruncated");
  if (page.truncated) {
    page.next_key = answer.next_key(page.versions.empty() ? "" : page.versions.back().key);
    page.next_version = text_of(answer.root(), "NextVersionIdMarker");
  }
  // For a store that sends all delete markers after all versions; within a key, its own order.
  std::stable_sort(page.versions.begin(), page.versions.end(),
                   [](const ObjectVersion& a, const ObjectVersion& b) {
                     return a.key != b.key ? a.key < b.key : a.latest && !b.latest;
                   });
  return page;
}

std::string parse_upload_id(ByteView body) {
  const Answer answer(body, "InitiateMultipartUploadResult");
  return answer.required(answer.root(), "UploadId");
}

UploadPage parse_uploads(ByteView body) {
  const Answer answer(body, "ListMultipartUploadsResult");
  UploadPage page;
  for (const pugi::xml_node& node : answer.root().children()) {
    if (local_name(node) == "Upload") page.uploads.push_back(read_upload(answer, node));
  }
  page.truncated = answer.truth(answer.root(), "IsTruncated");
  if (page.truncated) {
    page.next_key = answer.next_key(page.uploads.empty() ? "" : page.uploads.back().key);
    page.next_upload = text_of(answer.root(), "NextUploadIdMarker");
  }
  return page;
}

std::string complete_upload_body(const std::vector<std::string>& etags) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (std::size_t i = 0; i < etags.size(); ++i) {
    body += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag></Part>",
                        i + 1, escaped(without_quotes(etags[i])));
  }
  return body + "</CompleteMultipartUpload>";
}

}  // namespace holdfast
