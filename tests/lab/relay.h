// A server between a program and its store that sees whole requests: it can hold one, change it or
// its answer, and tell when the store is away. For bytes and time there is support/tcp_proxy.h.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/http.h"
#include "support/scripted_server.h"

namespace holdfast {

// Speaks HTTP itself, and HTTP or HTTPS with the store. Serves as an HTTP proxy, too, which leads
// to that store whatever the host is. Thread-safe.
class Relay {
 public:
  using Received = ScriptedServer::Received;
  using Reply = ScriptedServer::Reply;
  // May change the request, or answer in place of the store; may wait. Several at once.
  using OnRequest = std::function<std::optional<Reply>(Received&)>;
  // May change what the store answered.
  using OnAnswer = std::function<void(const Received&, Reply&)>;

  struct Passed {
    std::string method;
    std::string key;  // "" for the bucket
    std::uint64_t sent = 0;
    std::uint64_t answered = 0;  // bytes of the body
    int status = 0;              // 0: the store was away
  };

  explicit Relay(const std::string& to, const std::string& ca_file = {});

  std::string url() const { return server_.url(); }
  void set_hooks(OnRequest on_request, OnAnswer on_answer = {});
  // What has passed since the last forget(), in the order of the answers.
  std::vector<Passed> passed() const;
  void forget();
  // Returns when the store was found away so often since the last forget(); false after a minute.
  bool wait_until_away(unsigned times);

 private:
  Reply handle(Received received);
  Reply ask(const Received& received);
  void note(const Received& received, const Reply& reply);

  const std::string to_;
  HttpClient http_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  OnRequest on_request_;
  OnAnswer on_answer_;
  std::vector<Passed> passed_;
  unsigned away_ = 0;
  ScriptedServer server_;  // last: its threads use the rest
};

// The key in "/bucket/KEY?query", as it was sent.
std::string key_in(const std::string& target);

// Holds what comes until it is opened for good.
class Gate {
 public:
  // Returns after open(), or after a minute.
  void hold();
  // Returns when something is held; false after a minute.
  bool wait_for_arrival();
  void open();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool arrived_ = false;
  bool open_ = false;
};

}  // namespace holdfast
