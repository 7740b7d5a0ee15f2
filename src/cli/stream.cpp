// holdfast stream: a service that keeps the log of a server in the vault as it is written.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/copies.h"
#include "cli/run_log.h"
#include "cli/session.h"
#include "os/file.h"
#include "protect/log_receiver.h"

namespace holdfast {
namespace {

struct StreamOptions {
  std::string source;
  std::string slot;
  std::string name = "holdfast";
  std::string interval = "200ms";
  std::vector<std::string> also;
  bool new_cluster = false;
  bool skip_gap = false;
};

const SourceSettings& source_of(const Settings& settings, const std::string& name) {
  const SourceSettings& source = find_source(settings, name);
  if (source.postgresql) return source;
  throw Error(Code::kUsage, "source '" + name + "' is no PostgreSQL server",
              "name a source with 'postgresql'");
}

// "appdb-1" -> "holdfast_appdb_1"
std::string slot_of(const std::string& source) {
  std::string slot = "holdfast_";
  for (const char c : source) slot += c == '-' || c == '.' ? '_' : c;
  return slot;
}

OpenedVault open_copy(Context& context, const std::string& name, const KeyRing& ring) {
  const CopyPlace place = find_copy(context, name);
  OpenedVault copy;
  copy.store = open_store(place.settings.url, place.options);
  copy.vault = Vault::open(*copy.store, context.clock, ring, "");
  return copy;
}

void write_status(const std::string& file, const LogReceiverStatus& status) {
  const Json json{
      {"connected", status.connected},
      {"timeline", status.timeline},
      {"received", format_lsn(status.received)},
      {"durable", format_lsn(status.durable)},
      {"server", format_lsn(status.server_end)},
      {"behind_bytes", status.server_end - std::min(status.server_end, status.durable)},
      {"heard", status.heard == Timestamp{} ? Json() : Json(format_rfc3339(status.heard))},
      {"pieces", status.uploads.pieces},
      {"segments", status.uploads.segments},
      {"errors", status.uploads.errors},
      {"last_upload_seconds", std::chrono::duration<double>(status.uploads.last_upload).count()}};
  write_file_atomic(file, as_bytes(json.dump() + "\n"));
}

int run(Context& context, const StreamOptions& options) {
  const SourceSettings& source = source_of(context.settings(), options.source);
  const OpenedVault opened = open_vault(context, Access::kWrite);
  LogReceiverOptions receive;
  receive.source = source.name;
  receive.server = *source.postgresql;
  receive.slot = options.slot.empty() ? slot_of(source.name) : options.slot;
  receive.name = options.name;
  receive.interval = parse_duration(options.interval);
  receive.new_cluster = options.new_cluster;
  receive.skip_gap = options.skip_gap;
  std::vector<OpenedVault> copies;
  for (const std::string& name : options.also) {
    copies.push_back(open_copy(context, name, opened.vault->ring()));
    receive.others.push_back(copies.back().vault.get());
  }
  RunLog log(context, "backup", "stream-" + source.name);
  const std::string directory = context.settings().state_directory + "/stream";
  make_directories(directory, 0700);
  const auto notify = [&](const std::string& text) {
    log.info(text);
    context.output.note(fmt::format("{} {}\n", format_rfc3339(context.clock.now()), text));
  };
  LogReceiver receiver(*opened.vault, receive, notify);
  std::jthread reporter([&](std::stop_token stop) {
    do {
      write_status(directory + "/" + source.name + ".json", receiver.status());
    } while (context.clock.sleep_for(std::chrono::seconds{1}, stop));
  });
  receiver.run(context.stop);
  notify("stopped");
  return kExitSuccess;
}

}  // namespace

void add_stream_command(Command& root) {
  const auto o = std::make_shared<StreamOptions>();
  root.subcommand("stream", "Keep the log of a PostgreSQL server in the vault as it is written")
      .argument("SOURCE", o->source, true, "A source of class database")
      .text("--slot", o->slot, "Replication slot, made if needed (default: holdfast_SOURCE)")
      .text("--name", o->name,
            "Name for synchronous_standby_names, then commits wait for the vault "
            "(default: holdfast)")
      .text("--interval", o->interval,
            "Between two uploads of a segment in the making (default: 200ms)")
      .texts("--also", o->also, "A copy of the configuration that gets the log as well, at once")
      .flag("--new-cluster", o->new_cluster,
            "Take a server with another system identifier than the log's, too")
      .flag("--skip-gap", o->skip_gap, "Go on although the server has lost what comes next")
      .examples({"holdfast stream appdb", "holdfast stream appdb --also west --interval 50ms"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
