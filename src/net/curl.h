// libcurl's objects with an owner, and its results as errors. For src/net only.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "net/libcurl.h"
#include "os/clock.h"

namespace holdfast {

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlHandle = std::unique_ptr<CURL, CurlDeleter>;
using CurlUrl = std::unique_ptr<CURLU, CurlDeleter>;
using CurlList = std::unique_ptr<curl_slist, CurlDeleter>;

// Prepares libcurl for all threads, the first time. Throws Error(kInternal).
void start_libcurl();

// Throws Error(kExhausted).
CurlHandle new_curl_handle();

Error no_memory_for_connection();

// Throws Error(kInternal) for an option or a value that this libcurl does not know.
template <typename Value>
void set_option(CURL* handle, CURLoption option, Value value) {
  static_assert(!std::is_same_v<Value, int> && !std::is_same_v<Value, bool>, "libcurl wants longs");
  const CURLcode result = curl_easy_setopt(handle, option, value);
  if (result == CURLE_OUT_OF_MEMORY) throw no_memory_for_connection();
  if (result != CURLE_OK) {
    throw Error(Code::kInternal, fmt::format("libcurl refuses option {}: {}",
                                             static_cast<int>(option), curl_easy_strerror(result)));
  }
}

// For libcurl's timeouts: rounded up, and never zero, which it takes for "never".
long curl_milliseconds(Duration duration);

// "host" or "host:port" of an http or https URL, for messages. Anything else is Error(kInvalid).
std::string host_of(const std::string& url);

// The error for a transfer with `host` that ended with `result`; `reason` is libcurl's text, which
// may be empty.
Error curl_error(CURLcode result, const std::string& host, std::string reason);

}  // namespace holdfast
