// The functions of libcurl that are used here. For src/net only.
#pragma once

#define CURL_DISABLE_TYPECHECK  // its macros stand for the linked function
#include <curl/curl.h>
#undef curl_easy_setopt

#include "os/shared_library.h"

namespace holdfast {

inline constexpr SharedLibrary kLibcurl{"libcurl.so.4", "libcurl4"};

#define HOLDFAST_CURL(function) HOLDFAST_LIBRARY_FUNCTION(kLibcurl, function)

HOLDFAST_CURL(curl_easy_cleanup);
HOLDFAST_CURL(curl_easy_init);
HOLDFAST_CURL(curl_easy_perform);
HOLDFAST_CURL(curl_easy_reset);
HOLDFAST_CURL(curl_easy_setopt);
HOLDFAST_CURL(curl_easy_strerror);
HOLDFAST_CURL(curl_free);
HOLDFAST_CURL(curl_global_init);
HOLDFAST_CURL(curl_slist_append);
HOLDFAST_CURL(curl_slist_free_all);
HOLDFAST_CURL(curl_url);
HOLDFAST_CURL(curl_url_cleanup);
HOLDFAST_CURL(curl_url_get);
HOLDFAST_CURL(curl_url_set);
HOLDFAST_CURL(curl_url_strerror);

#undef HOLDFAST_CURL

}  // namespace holdfast
