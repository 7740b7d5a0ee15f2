// holdfast stream: a service that keeps the log of a server in the vault as it is written.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/copies.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "os/file.h"
#include "protect/binlog_receiver.h"
#include "protect/log_patience.h"
#include "protect/log_receiver.h"
#include "source/postgres/replication.h"

namespace holdfast {
namespace {

struct StreamOptions {
  std::string source;
  std::string slot;
  std::string name;
  std::string interval = "200ms";
  std::vector<std::string> also;
  std::vector<std::string> follow;
  bool new_cluster = false;
  bool skip_gap = false;
};

const SourceSettings& source_of(const Settings& settings, const std::string& name) {
  const SourceSettings& source = find_source(settings, name);
  if (source.postgresql || source.mariadb) return source;
  throw Error(Code::kUsage, "source '" + name + "' is no database server",
              "name a source with 'postgresql' or 'mariadb'");
}

// What the command line says goes before what the configuration says.
LogPlaces places_of(Context& context, const StreamOptions& options, const SourceSettings& source) {
  LogPlaces places = source.log_places;
  if (!options.also.empty()) places.also = options.also;
  if (!options.follow.empty()) places.follow = options.follow;
  for (const std::string& name : places.follow) {
    find_copy(context, name);  // a name that is wrong is no place that is away
    if (std::find(places.also.begin(), places.also.end(), name) == places.also.end()) continue;
    throw Error(Code::kUsage, "'" + name + "' is a place of both --also and --follow",
                "commits wait for a place of --also, and for none of --follow: choose one");
  }
  return places;
}

using Notify = std::function<void(const std::string&)>;

// Its thread opens it: nothing waits for that.
LogFollowerPlace follower_of(Context& context, const std::string& name, const KeyRing& ring) {
  return {name, [&context, &ring, name, place = find_copy(context, name)] {
            const auto opened = std::make_shared<OpenedVault>(open_copy(context, place, ring));
            return std::shared_ptr<const Vault>(opened, opened->vault.get());
          }};
}

// The first copy makes the vault there: 'init' would make another one.
OpenedVault open_made_copy(Context& context, const CopyPlace& place, const KeyRing& ring) {
  try {
    return open_copy(context, place, ring);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    throw Error(Code::kNotFound, error.message(),
                "when nothing was copied there yet, do that first: holdfast copy --to " +
                    place.settings.name + "; else check its address, and that it is mounted");
  }
}

// A service may be back from a reboot before its store is. Who gives an option that is for once
// stands by, and is told at once.
OpenedVault open_patiently(Context& context, const StreamOptions& options, const Notify& notify,
                           const std::function<OpenedVault()>& open) {
  if (options.skip_gap || options.new_cluster) return open();
  OpenedVault opened;
  bool said = false;
  keep_connected(
      context.clock, context.stop, [&] { opened = open(); }, [] { return false; },
      [&](const std::string& text) {
        if (!std::exchange(said, true)) notify(text);
      });
  if (!opened.vault) throw Error(Code::kCancelled, "interrupted");
  return opened;
}

Json moment_json(Timestamp time) {
  return time == Timestamp{} ? Json() : Json(format_rfc3339(time));
}

void add_uploads(Json& json, const LogUploadStats& uploads) {
  json["pieces"] = uploads.pieces;
  json["segments"] = uploads.files;
  json["errors"] = uploads.errors;
  json["last_upload_seconds"] = std::chrono::duration<double>(uploads.last_upload).count();
}

Json followers_json(const std::vector<LogFollowerStatus>& followers) {
  Json list = Json::array();
  for (const LogFollowerStatus& one : followers) {
    list.push_back({{"place", one.place},
                    {"even", one.even},
                    {"behind_bytes", one.behind},
                    {"behind_seconds", std::chrono::duration<double>(one.behind_for).count()},
                    {"objects", one.objects},
                    {"overflows", one.overflows},
                    {"error", one.error.empty() ? Json() : Json(one.error)}});
  }
  return list;
}

Json status_json(const LogReceiverStatus& status) {
  Json json{{"connected", status.connected},
            {"timeline", status.timeline},
            {"received", format_lsn(status.received)},
            {"durable", format_lsn(status.durable)},
            {"server", format_lsn(status.server_end)},
            {"behind_bytes", status.server_end - std::min(status.server_end, status.durable)},
            {"heard", moment_json(status.heard)}};
  add_uploads(json, status.uploads);
  json["followers"] = followers_json(status.followers);
  return json;
}

std::string place_text(const std::string& file, std::uint64_t offset) {
  return file.empty() ? "" : fmt::format("{}:{}", file, offset);
}

Json status_json(const BinlogReceiverStatus& status) {
  Json json{{"connected", status.connected},
            {"stream", status.stream},
            {"received", place_text(status.received_file, status.received_offset)},
            {"durable", place_text(status.durable.file, status.durable.offset)},
            {"durable_gtid", status.durable.gtid},
            {"durable_commit", moment_json(status.durable.committed)},
            {"behind_bytes", status.behind},
            {"heard", moment_json(status.heard)}};
  add_uploads(json, status.uploads);
  json["followers"] = followers_json(status.followers);
  return json;
}

// Once a second while `receiver` is at work. A full disk, say, keeps nobody from receiving;
// `notify` hears of it once until it can be written again.
template <typename Receiver>
void run_reporting(Context& context, const std::string& file, Receiver& receiver,
                   const Notify& notify) {
  std::jthread reporter([&](std::stop_token stop) {
    bool said = false;
    do {
      try {
        write_file_atomic(file, as_bytes(status_json(receiver.status()).dump() + "\n"));
        said = false;
      } catch (const std::exception& error) {
        if (!std::exchange(said, true)) {
          notify(
              fmt::format("{} cannot be written and is out of date; the log is received all the "
                          "same: {}",
                          file, error.what()));
        }
      }
    } while (context.clock.sleep_for(std::chrono::seconds{1}, stop));
  });
  receiver.run(context.stop);
}

LogReceiverOptions wal_options(const StreamOptions& options, const SourceSettings& source) {
  LogReceiverOptions receive;
  receive.source = source.name;
  receive.server = *source.postgresql;
  receive.slot = options.slot.empty() ? pg_slot_of(source.name) : options.slot;
  receive.name = options.name.empty() ? "holdfast" : options.name;
  receive.interval = parse_duration(options.interval);
  receive.new_cluster = options.new_cluster;
  receive.skip_gap = options.skip_gap;
  return receive;
}

BinlogReceiverOptions binlog_options(const StreamOptions& options, const SourceSettings& source) {
  if (!options.slot.empty() || !options.name.empty() || options.new_cluster) {
    throw Error(Code::kUsage,
                "--slot, --name and --new-cluster are for PostgreSQL, " + source.name +
                    " is a MariaDB or MySQL server",
                "leave them out");
  }
  BinlogReceiverOptions receive;
  receive.source = source.name;
  receive.server = *source.mariadb;
  receive.interval = parse_duration(options.interval);
  receive.skip_gap = options.skip_gap;
  return receive;
}

int run(Context& context, const StreamOptions& options) {
  const SourceSettings& source = source_of(context.settings(), options.source);
  const LogPlaces places = places_of(context, options, source);
  RunLog log(context, "backup", "stream-" + source.name);
  const std::string directory = context.settings().state_directory + "/stream";
  const std::string file = directory + "/" + source.name + ".json";
  make_directories(directory, 0700);
  const Notify notify = [&](const std::string& text) {
    log.info(text);
    try {
      context.output.note(fmt::format("{} {}\n", format_rfc3339(context.clock.now()), text));
    } catch (const Error&) {
      // Where that goes may be full, too: what is received is worth more.
    }
  };
  const OpenedVault opened =
      open_patiently(context, options, notify, [&] { return open_vault(context, Access::kWrite); });
  std::vector<OpenedVault> copies;
  std::vector<const Vault*> others;
  for (const std::string& name : places.also) {
    copies.push_back(open_patiently(context, options, notify, [&] {
      return open_made_copy(context, find_copy(context, name), opened.vault->ring());
    }));
    others.push_back(copies.back().vault.get());
  }
  std::vector<LogFollowerPlace> followers;
  for (const std::string& name : places.follow) {
    followers.push_back(follower_of(context, name, opened.vault->ring()));
  }
  if (source.postgresql) {
    LogReceiverOptions receive = wal_options(options, source);
    receive.others = others;
    receive.followers = followers;
    LogReceiver receiver(*opened.vault, receive, notify);
    run_reporting(context, file, receiver, notify);
  } else {
    BinlogReceiverOptions receive = binlog_options(options, source);
    receive.others = others;
    receive.followers = followers;
    BinlogReceiver receiver(*opened.vault, receive, notify);
    run_reporting(context, file, receiver, notify);
  }
  notify("stopped");
  return kExitSuccess;
}

}  // namespace

void add_stream_command(Command& root) {
  const auto o = std::make_shared<StreamOptions>();
  root.subcommand("stream", "Keep the log of a database server in the vault as it is written")
      .argument("SOURCE", o->source, true, "A source of class database")
      .text("--slot", o->slot,
            "PostgreSQL: replication slot, made if needed (default: holdfast_SOURCE)")
      .text("--name", o->name,
            "PostgreSQL: name for synchronous_standby_names, then commits wait for the vault "
            "(default: holdfast)")
      .text("--interval", o->interval,
            "Between two uploads of a segment in the making (default: 200ms)")
      .texts("--also", o->also,
             "A copy of the configuration that gets the log at the same time; what it does not "
             "have is not acknowledged")
      .texts("--follow", o->follow,
             "A copy that gets the log as soon as it can, and that nothing waits for")
      .flag("--new-cluster", o->new_cluster,
            "Take a server with another system identifier than the log's, too")
      .flag("--skip-gap", o->skip_gap, "Go on although the server has lost what comes next")
      .examples({"holdfast stream appdb", "holdfast stream appdb --also west --interval 50ms",
                 "holdfast stream appdb --follow west"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
