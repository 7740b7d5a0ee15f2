// What the tests of HttpClient share.
#pragma once

#include <random>
#include <string>

#include "net/http.h"
#include "support/scripted_server.h"

namespace holdfast {

using Received = ScriptedServer::Received;
using Reply = ScriptedServer::Reply;

inline Reply echo(const Received& received) { return {.body = received.body}; }

inline std::string noise(std::size_t size, unsigned seed = 1) {
  std::mt19937_64 engine(seed);
  std::string text(size, '\0');
  for (char& character : text) character = static_cast<char>(engine());
  return text;
}

inline HttpRequest get(std::string url) { return {.url = std::move(url)}; }

// `body` must outlive the request.
inline HttpRequest put(std::string url, std::string_view body) {
  return {.method = "PUT", .url = std::move(url), .body = body_of(as_bytes(body))};
}

}  // namespace holdfast
