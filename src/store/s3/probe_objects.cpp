// The parts of a probe about single objects and lists of them.
#include <fmt/format.h>

#include <algorithm>

#include "base/human.h"
#include "os/parallel.h"
#include "store/s3/probe_bench.h"
#include "store/s3/xml.h"

namespace holdfast {
namespace {

using std::chrono::seconds;

constexpr unsigned kAtOnce = 16;
constexpr unsigned kSmallObjects = 32;  // each is written and read
constexpr std::size_t kLarge = 8u << 20;
constexpr int kListed = 5;
constexpr Duration kSkewWorthATell = std::chrono::minutes{1};
constexpr const char* kOtherBytes = "other bytes came back than were written";

std::string rate(std::uint64_t bytes, Duration duration) {
  const double time = std::max(1e-6, std::chrono::duration<double>(duration).count());
  return format_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / time)) + "/s";
}

std::string first_answer(ProbeBench& bench) {
  S3Client& client = bench.client();
  S3Request list;
  list.query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", bench.store().prefix()}};
  const Duration begin = client.clock().monotonic();
  const HttpResponse answer = client.send(list).http;
  const Duration took = client.clock().monotonic() - begin;
  const auto date = parse_http_date(answer.header("date"));
  if (date) bench.skew = *date - client.clock().now();
  return fmt::format("{}, first answer after {}", client.endpoint(), milliseconds_of(took));
}

std::string compare_clocks(const ProbeBench& bench) {
  const bool ahead = bench.skew > Duration{0};
  // The store's date has whole seconds.
  const Duration off = std::chrono::floor<seconds>(ahead ? bench.skew : -bench.skew);
  if (off < seconds{2}) return "agrees with the store's";
  const std::string text =
      fmt::format("the store's is {} {}", format_duration(off), ahead ? "ahead" : "behind");
  if (off >= kSkewWorthATell) throw wrong_answer(text);
  return text;
}

std::string read_past_end(ProbeBench& bench) {
  Bytes part(100);
  try {
    bench.store().read(bench.key("a"), bench.other.size() - 50, part);
  } catch (const Error& error) {
    if (error.code() == Code::kCorrupt) return "is an error, as it should be";
    throw;
  }
  throw wrong_answer("bytes came that are not there");
}

std::string size_and_time(ProbeBench& bench) {
  const auto info = bench.store().stat(bench.key("a"));
  expect_right(info.has_value() && info->size == bench.other.size(), "the size is another one");
  expect_right(!info->etag.empty(), "there is no ETag");
  expect_right(!bench.store().stat(bench.key("absent")), "an absent object has a size");
  return {};
}

std::string list_after_write(ProbeBench& bench) {
  for (int i = 0; i < kListed; ++i) {
    const std::string key = bench.key(fmt::format("list/{}", i));
    bench.store().put(key, bench.small);
    expect_right(bench.store().get(key) == bench.small, kOtherBytes);
    const auto listed = list_objects(bench.store(), bench.key("list/"));
    expect_right(!listed.empty() && listed.back().key == key, "the newest is not in the list");
  }
  return {};
}

std::string list_in_pages(ProbeBench& bench) {
  std::vector<std::string> keys;
  ListPage page;
  int pages = 0;
  do {
    S3Request list;
    list.query = {{"list-type", "2"},
                  {"prefix", bench.full("list/")},
                  {"max-keys", "2"},
                  {"encoding-type", "url"}};
    if (page.truncated) list.query.emplace_back("continuation-token", page.next);
    const HttpResponse answer = bench.client().send(list).http;
    page = reading(answer, [&] { return parse_list(answer.body); });
    for (const ObjectInfo& object : page.objects) keys.push_back(object.key);
  } while (++pages < 2 * kListed && page.truncated);
  expect_right(std::is_sorted(keys.begin(), keys.end()), "the order is another one");
  expect_right(keys.size() == kListed, "the pages together are not the list");
  return fmt::format("{} objects in {}", kListed, plural(static_cast<unsigned>(pages), "page"));
}

// Writes and reads one object; half of what that took.
Duration round_trip(ProbeBench& bench, const std::string& key) {
  const Clock& clock = bench.client().clock();
  const Duration begin = clock.monotonic();
  bench.store().put(key, bench.small);
  expect_right(bench.store().get(key) == bench.small, kOtherBytes);
  return (clock.monotonic() - begin) / 2;
}

std::string many_at_once(ProbeBench& bench) {
  std::vector<Duration> times(kSmallObjects);
  const Duration begin = bench.client().clock().monotonic();
  in_parallel(kAtOnce, kSmallObjects, {}, [&](std::size_t i) {
    times[i] = round_trip(bench, bench.key(fmt::format("many/{}", i)));
  });
  const Duration all = bench.client().clock().monotonic() - begin;
  std::nth_element(times.begin(), times.begin() + kSmallObjects / 2, times.end());
  return fmt::format("{} in {}, {} each", plural(std::uint64_t{2} * kSmallObjects, "request"),
                     milliseconds_of(all), milliseconds_of(times[kSmallObjects / 2]));
}

std::string up_and_down(ProbeBench& bench) {
  const Clock& clock = bench.client().clock();
  const Bytes content = random_bytes(kLarge);
  const Duration begin = clock.monotonic();
  bench.store().put(bench.key("large"), content);
  const Duration sent = clock.monotonic();
  expect_right(bench.store().get(bench.key("large")) == content, kOtherBytes);
  const Duration came = clock.monotonic();
  return fmt::format("{} up at {}, down at {}", format_size(kLarge), rate(kLarge, sent - begin),
                     rate(kLarge, came - sent));
}

}  // namespace

bool probe_reach(ProbeBench& bench) {
  if (!bench.feature("reach the bucket", true, "nothing else can be tried",
                     [&] { return first_answer(bench); })) {
    return false;
  }
  bench.feature("clock", false,
                "set it (timedatectl set-ntp true): a clock that is 15 minutes off is refused",
                [&] { return compare_clocks(bench); });
  return true;
}

void probe_objects(ProbeBench& bench) {
  const char* const basics = "nothing works without it";
  bench.feature("write, read back", true, basics, [&] {
    bench.store().put(bench.key("a"), bench.small);
    expect_right(bench.store().get(bench.key("a")) == bench.small, kOtherBytes);
    return std::string();
  });
  bench.feature("overwrite", true, "leases cannot be refreshed", [&] {
    bench.store().put(bench.key("a"), bench.other);
    expect_right(bench.store().get(bench.key("a")) == bench.other, "the old bytes came back");
    return std::string();
  });
  bench.feature("read a range", true, basics, [&] {
    Bytes part(100);
    bench.store().read(bench.key("a"), 450, part);
    expect_right(std::equal(part.begin(), part.end(), bench.other.begin() + 450),
                 "other bytes came than were asked for");
    return std::string();
  });
  bench.feature("read past the end", true, "truncated objects would not be noticed",
                [&] { return read_past_end(bench); });
  bench.feature("size, time, ETag", true, "the age of leases and marks cannot be told",
                [&] { return size_and_time(bench); });
  bench.feature("remove", true, "leases stay until they are ten minutes old", [&] {
    bench.store().put(bench.key("gone"), bench.small);
    bench.store().remove(bench.key("gone"));
    expect_right(!bench.store().stat(bench.key("gone")), "it is still there");
    bench.store().remove(bench.key("gone"));
    return std::string();
  });
  bench.feature("read and list after write", true, "backups could miss what was just written",
                [&] { return list_after_write(bench); });
  bench.feature("list in pages, in order", true, "a vault of many objects cannot be listed",
                [&] { return list_in_pages(bench); });
}

void probe_speed(ProbeBench& bench) {
  bench.feature(fmt::format("{} requests at once", kAtOnce), true,
                "set 'connections' of the store lower", [&] { return many_at_once(bench); });
  bench.feature("speed", false, "large objects may not get through",
                [&] { return up_and_down(bench); });
}

}  // namespace holdfast
