#include "store/s3/listing.h"

#include <charconv>
#include <future>
#include <utility>

#include "base/error.h"
#include "os/grace.h"
#include "store/s3/xml.h"

namespace holdfast {
namespace {

constexpr int kReadings = 3;

Timestamp whole_seconds(Timestamp time) {
  return Timestamp{std::chrono::floor<std::chrono::seconds>(time.time_since_epoch())};
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string unquoted(std::string_view etag) {
  if (etag.size() >= 2 && etag.front() == '"') etag = etag.substr(1, etag.size() - 2);
  return std::string(etag);
}

bool is_key(const std::string& key) {
  try {
    check_key(key);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The objects below a prefix, a page at a time.
class ListReader {
 public:
  ListReader(S3Client& client, std::string full_prefix)
      : client_(client), prefix_(std::move(full_prefix)) {}

  bool needs_page() const { return at_ == page_.objects.size() && (!begun_ || page_.truncated); }
  void fetch();
  bool at_end() const { return at_ == page_.objects.size(); }
  const std::string& key() const { return page_.objects[at_].key; }
  BucketObject take();

 private:
  ListPage read_page();
  void check(const ListPage& page) const;

  S3Client& client_;
  const std::string prefix_;
  bool begun_ = false;
  ListPage page_;
  std::size_t at_ = 0;
  std::string last_;  // key
  std::string note_;  // the request of the page
};

void ListReader::fetch() {
  while (needs_page()) {
    const std::string last = page_.next;
    page_ = read_page();
    require_progress(page_.truncated, last, page_.next, note_);
    begun_ = true;
    at_ = 0;
    if (!page_.objects.empty()) last_ = page_.objects.back().key;
  }
}

ListPage ListReader::read_page() {
  QueryParameters query = {{"list-type", "2"}, {"prefix", prefix_}, {"encoding-type", "url"}};
  if (begun_) query.emplace_back("continuation-token", page_.next);
  for (int left = kReadings;; --left) {
    try {
      const HttpResponse answer = client_.send({.query = query}).http;
      note_ = request_note(answer);
      return reading(answer, [&] {
        ListPage page = parse_list(answer.body);
        check(page);
        return page;
      });
    } catch (const Error& error) {
      const bool may_pass = error.code() == Code::kCorrupt || error.code() == Code::kUnsupported;
      if (!may_pass || left == 1) throw;
    }
  }
}

void ListReader::check(const ListPage& page) const {
  const std::string* last = &last_;
  for (const ObjectInfo& object : page.objects) {
    if (!object.key.starts_with(prefix_)) {
      throw Error(Code::kCorrupt, "the store lists objects that were not asked for",
                  "check that no proxy answers for the store and that bytes arrive unchanged");
    }
    if (object.key <= *last && !last->empty()) {
      throw Error(Code::kUnsupported, "the store does not list its objects in order",
                  "use an ordinary bucket (AWS: a general purpose one); over plain HTTP bytes may "
                  "have changed on the way: run the command again");
    }
    last = &object.key;
  }
}

BucketObject ListReader::take() {
  BucketObject object{std::move(page_.objects[at_]), std::move(page_.storage_classes[at_])};
  ++at_;
  object.info.modified = whole_seconds(object.info.modified);
  return object;
}

}  // namespace

void require_progress(bool truncated, const std::string& last, const std::string& next,
                      const std::string& request) {
  if (!truncated || next != last) return;
  throw Error(Code::kUnsupported,
              "the store's list does not go on: it names the same page again" + request,
              "`holdfast store check` tells what else it lacks");
}

namespace {

bool same(const BucketObject& a, const BucketObject& b) {
  return a.info.size == b.info.size && a.info.modified == b.info.modified &&
         a.info.etag == b.info.etag && a.storage_class == b.storage_class;
}

// Two readings of one list that are made side by side.
class DoubleReader {
 public:
  DoubleReader(S3Client& client, const std::string& full_prefix)
      : client_(client), first_(client, full_prefix), second_(client, full_prefix) {}

  void each(const std::function<void(const BucketObject&)>& visit) {
    for (fetch(); !first_.at_end() || !second_.at_end(); fetch()) {
      const int order = compare();
      const BucketObject object = order <= 0 ? first_.take() : second_.take();
      if (order == 0 && same(object, second_.take())) {
        visit(object);
      } else if (is_key(object.info.key)) {
        if (const auto found = look_at(client_, object.info.key)) visit(*found);
      }
    }
  }

 private:
  void fetch() {
    if (!first_.needs_page()) return second_.fetch();
    if (!second_.needs_page()) return first_.fetch();
    auto other = std::async(std::launch::async, [this, given = Grace::is_given()] {
      const Grace grace(given);
      second_.fetch();
    });
    first_.fetch();
    other.get();
  }
  // Below zero: the next object is of the first reading only.
  int compare() const {
    if (first_.at_end()) return 1;
    if (second_.at_end()) return -1;
    return first_.key().compare(second_.key());
  }

  S3Client& client_;
  ListReader first_, second_;
};

}  // namespace

void list_bucket(S3Client& client, const std::string& full_prefix,
                 const std::function<void(const BucketObject&)>& visit) {
  if (client.over_plain_http()) return DoubleReader(client, full_prefix).each(visit);
  ListReader reader(client, full_prefix);
  for (reader.fetch(); !reader.at_end(); reader.fetch()) visit(reader.take());
}

std::optional<BucketObject> look_at(S3Client& client, const std::string& full_key) {
  const HttpResponse head =
      client.send({.method = "HEAD", .key = full_key, .expected = {404}}).http;
  if (head.status == 404) return std::nullopt;
  const auto modified = parse_http_date(head.header("last-modified"));
  if (!modified) {
    throw Error(Code::kUnsupported,
                "the store does not say when " + full_key + " was written" + request_note(head));
  }
  std::string storage_class(head.header("x-amz-storage-class"));
  if (storage_class == "STANDARD") storage_class.clear();
  return BucketObject{{full_key, number_of(head.header("content-length")), *modified,
                       unquoted(head.header("etag"))},
                      std::move(storage_class)};
}

}  // namespace holdfast
