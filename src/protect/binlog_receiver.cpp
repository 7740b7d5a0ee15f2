#include "protect/binlog_receiver.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "codec/hash.h"
#include "protect/binlog_upload.h"
#include "protect/log_catch_up.h"
#include "protect/log_patience.h"
#include "source/mariadb/server.h"

namespace holdfast {
namespace {

// Above what people give to their servers, and the same for every run.
std::uint32_t replica_id(const Vault& vault, const std::string& source) {
  const Digest digest = sha256(as_bytes(to_hex(vault.ring().vault) + "/" + source));
  std::uint32_t id = 0;
  for (std::size_t i = 0; i < sizeof id; ++i) id = id << 8 | digest[i];
  return id | 0x80000000u;
}

BinlogReach reach_of(const BinlogChunkFacts& facts) {
  BinlogReach reach{facts.file, facts.to.offset, facts.to.position.text(), {}};
  if (facts.last) reach.committed = Timestamp(std::chrono::seconds{facts.last->time});
  return reach;
}

}  // namespace

struct BinlogReceiver::State {
  State(const Vault& the_vault, const BinlogReceiverOptions& the_options,
        std::function<void(const std::string&)> the_notify)
      : vault(the_vault),
        options(the_options),
        notify(std::move(the_notify)),
        skip_gap(the_options.skip_gap),
        followers(the_vault, the_options.followers, follower_options()) {}

  void run(const std::stop_token& stop);
  void connect_and_stream(const std::stop_token& stop);
  void catch_up(const std::stop_token& stop) const;
  void use_stream(const std::string& name);
  void heard(const BinlogUpload& upload);
  void made_durable(const BinlogChunkFacts& facts);

  LogFollowerOptions follower_options() const {
    LogFollowerOptions follow;
    follow.source = options.source;
    follow.notify = notify;
    return follow;
  }

  template <typename Change>
  void update(Change change) {
    MutexLock lock(mutex);
    change(status);
  }

  const Vault& vault;
  const BinlogReceiverOptions options;
  std::function<void(const std::string&)> notify;
  // Until log behind the gap has come, which the next connection goes on from.
  bool skip_gap;
  LogFollowers followers;
  std::string stream;

  mutable Mutex mutex;
  BinlogReceiverStatus status GUARDED_BY(mutex);
  // The first to go: its thread still uploads then, and tells of it.
  std::unique_ptr<LogUploader> uploader;
};

void BinlogReceiver::State::use_stream(const std::string& name) {
  if (uploader && stream == name) return;
  uploader.reset();
  stream = name;
  LogUploadOptions upload;
  upload.source = options.source;
  upload.stream = stream;
  upload.interval = options.interval;
  upload.others = options.others;
  upload.followers = &followers;
  uploader = std::make_unique<LogUploader>(
      vault, upload, [this](const Error& error) { notify("the log waits: " + error.message()); },
      [] {});
}

// All places have the newest history as far as one of them: from there on what comes is stored.
void BinlogReceiver::State::catch_up(const std::stop_token& stop) const {
  std::vector<const Vault*> places{&vault};
  places.insert(places.end(), options.others.begin(), options.others.end());
  if (places.size() == 1) return;
  std::string newest;
  for (const Vault* place : places) {
    const auto logs = list_binlogs(*place, options.source);
    if (!logs.empty()) newest = std::max(newest, logs.back().stream);
  }
  if (!newest.empty()) catch_up_log(places, options.source, newest, notify, stop);
}

void BinlogReceiver::State::made_durable(const BinlogChunkFacts& facts) {
  update([&](BinlogReceiverStatus& s) {
    const Timestamp before = s.durable.committed;
    s.durable = reach_of(facts);
    if (!facts.last) s.durable.committed = before;
  });
}

void BinlogReceiver::State::heard(const BinlogUpload& upload) {
  const Timestamp now = vault.clock().now();
  const std::uint64_t added = uploader->added();
  const std::uint64_t durable = uploader->durable();
  const LogUploadStats stats = uploader->stats();
  update([&](BinlogReceiverStatus& s) {
    s.received_file = upload.current_file();
    s.received_offset = upload.offset();
    s.behind = added - std::min(added, durable);
    s.heard = now;
    s.uploads = stats;
  });
}

void BinlogReceiver::State::connect_and_stream(const std::stop_token& stop) {
  if (uploader) uploader->drain(stop);
  BinlogPlaceQuestion question{options.source, options.server, replica_id(vault, options.source),
                               skip_gap};
  BinlogWriter writer;
  const BinlogPlace place = [&] {
    MariadbConnection connection(options.server, stop);
    const MariadbServer server = read_mariadb_server(connection);
    require_log(server);
    writer = {server.engine, server.uid};
    catch_up(stop);
    return find_binlog_place(vault, question, connection, notify, stop);
  }();
  use_stream(place.stream);
  followers.even_out(place.stream);
  BinlogUpload upload(
      *uploader, place, writer, [this](const BinlogChunkFacts& facts) { made_durable(facts); },
      notify);
  notify(fmt::format("receiving from {}:{} on", place.start.file, place.start.offset));
  update([&](BinlogReceiverStatus& s) {
    s.connected = true;
    s.stream = place.stream;
    if (s.durable.file.empty() && place.durable.offset > 0) {
      s.durable = {place.start.file, place.durable.offset, place.durable.position.text(), {}};
    }
  });
  BinlogHandler handler;
  handler.file = [&](const std::string& file, std::uint64_t offset) {
    upload.file(file, offset);
    heard(upload);
  };
  handler.event = [&](const BinlogEvent& event, std::uint64_t offset) {
    upload.event(event, offset, stop);
    skip_gap = false;
    heard(upload);
  };
  handler.idle = [&] { heard(upload); };
  BinlogStreamOptions how;
  how.server_id = question.server_id;
  stream_binlog(options.server, place.start, how, handler, stop);
}

void BinlogReceiver::State::run(const std::stop_token& stop) {
  keep_connected(
      vault.clock(), stop, [&] { connect_and_stream(stop); },
      [this] {
        bool was_connected = false;
        update([&](BinlogReceiverStatus& s) { was_connected = std::exchange(s.connected, false); });
        return was_connected;
      },
      notify);
  uploader.reset();
}

BinlogReceiver::BinlogReceiver(const Vault& vault, const BinlogReceiverOptions& options,
                               std::function<void(const std::string&)> notify)
    : state_(std::make_unique<State>(vault, options, std::move(notify))) {}

BinlogReceiver::~BinlogReceiver() = default;

void BinlogReceiver::run(std::stop_token stop) { state_->run(stop); }

BinlogReceiverStatus BinlogReceiver::status() const {
  BinlogReceiverStatus status;
  {
    MutexLock lock(state_->mutex);
    status = state_->status;
  }
  status.followers = state_->followers.status();
  return status;
}

}  // namespace holdfast
