#include "lab/relay.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/bytes.h"
#include "base/error.h"

namespace holdfast {
namespace {

using std::chrono::minutes;

// These belong to one connection, not to the request.
bool is_of_connection(const std::string& name) {
  constexpr std::array kNames = {"connection", "content-length", "expect", "keep-alive",
                                 "transfer-encoding"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

HttpOptions options_with(const std::string& ca_file) {
  HttpOptions options;
  options.ca_file = ca_file;
  return options;
}

}  // namespace

std::string key_in(const std::string& target) {
  const std::string path = target.substr(0, target.find('?'));
  const std::size_t slash = path.find('/', 1);
  return slash == std::string::npos ? std::string() : path.substr(slash + 1);
}

Relay::Relay(const std::string& to, const std::string& ca_file)
    : to_(to),
      http_(options_with(ca_file)),
      server_([this](const Received& received) { return handle(received); }) {}

void Relay::set_hooks(OnRequest on_request, OnAnswer on_answer) {
  const std::lock_guard lock(mutex_);
  on_request_ = std::move(on_request);
  on_answer_ = std::move(on_answer);
}

std::vector<Relay::Passed> Relay::passed() const {
  const std::lock_guard lock(mutex_);
  return passed_;
}

void Relay::forget() {
  const std::lock_guard lock(mutex_);
  passed_.clear();
  away_ = 0;
}

bool Relay::wait_until_away(unsigned times) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, minutes{1}, [&] { return away_ >= times; });
}

Relay::Reply Relay::handle(Received received) {
  if (const auto host = received.target.find("://"); host != std::string::npos) {
    received.target.erase(0, received.target.find('/', host + 3));  // as proxies are asked
  }
  OnRequest on_request;
  OnAnswer on_answer;
  {
    const std::lock_guard lock(mutex_);
    on_request = on_request_;
    on_answer = on_answer_;
  }
  if (on_request) {
    if (auto reply = on_request(received)) return *reply;
  }
  Reply reply = ask(received);
  note(received, reply);
  if (on_answer) on_answer(received, reply);
  return reply;
}

// The host goes on as it was signed.
Relay::Reply Relay::ask(const Received& received) {
  HttpRequest request;
  request.method = received.method;
  request.url = to_ + received.target;
  for (const auto& [name, value] : received.headers) {
    if (!is_of_connection(name)) request.headers.emplace_back(name, value);
  }
  request.body = body_of(as_bytes(received.body));
  try {
    const HttpResponse answer = http_.send(request);
    Reply reply;
    reply.status = answer.status;
    for (const auto& [name, value] : answer.headers) {
      // The answer to HEAD has the length of what it does not send.
      if (!is_of_connection(name) || (name == "content-length" && received.method == "HEAD")) {
        reply.headers.emplace_back(name, value);
      }
    }
    reply.body = std::string(as_text(answer.body));
    return reply;
  } catch (const Error&) {
    return {.status = 0, .close_before_answer = true};
  }
}

void Relay::note(const Received& received, const Reply& reply) {
  {
    const std::lock_guard lock(mutex_);
    passed_.push_back({received.method, key_in(received.target), received.body.size(),
                       reply.body.size(), reply.status});
    if (reply.status == 0) ++away_;
  }
  changed_.notify_all();
}

void Gate::hold() {
  std::unique_lock lock(mutex_);
  arrived_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, minutes{1}, [&] { return open_; });
}

bool Gate::wait_for_arrival() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, minutes{1}, [&] { return arrived_; });
}

void Gate::open() {
  {
    const std::lock_guard lock(mutex_);
    open_ = true;
  }
  changed_.notify_all();
}

}  // namespace holdfast
