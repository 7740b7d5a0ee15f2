#include "source/postgres/check.h"

#include <unistd.h>

#include "base/error.h"
#include "base/human.h"
#include "source/postgres/dump_check.h"
#include "source/postgres/physical.h"
#include "source/postgres/replication.h"
#include "source/postgres/tools.h"
#include "source/postgres/wal_hold.h"

namespace holdfast {
namespace {

class Check {
 public:
  Check(const PostgresSettings& settings, const std::string& source, const PgDumpedGlobals& globals,
        std::stop_token stop)
      : settings_(settings), source_(source), globals_(globals), stop_(std::move(stop)) {}

  std::vector<SetupFinding> run(const std::optional<PgBackedUp>& before) {
    try {
      PgConnection connection(settings_, "", stop_);
      good("connected to " + connection.name());
      const PgCluster cluster = read_cluster(connection);
      good("PostgreSQL " + cluster.version + ", system " + cluster.system_identifier +
           (cluster.in_recovery ? ", a standby" : ""));
      if (settings_.method == DatabaseMethod::kPhysical) {
        if (before) check_cluster(cluster, *before);
        check_replication(connection);
        if (reads_files(cluster)) {
          check_backup_functions(connection, cluster);
        } else {
          check_stream(connection);
        }
        check_pages(cluster);
        check_log(connection, cluster);
      } else {
        check_tools(cluster);
        check_dumps(connection, cluster);
      }
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      bad(error.message(), error.hint());
    }
    return std::move(findings_);
  }

 private:
  void good(std::string what) { findings_.push_back({Verdict::kGood, std::move(what), ""}); }
  void advise(std::string what, std::string hint) {
    findings_.push_back({Verdict::kAdvice, std::move(what), std::move(hint)});
  }
  void bad(std::string what, std::string hint) {
    findings_.push_back({Verdict::kBad, std::move(what), std::move(hint)});
  }

  void check_cluster(const PgCluster& cluster, const PgBackedUp& before) {
    try {
      require_same_cluster(cluster, before, source_);
      good("it is the cluster that " + before.backup + " is of");
    } catch (const Error& error) {
      bad(error.message(), error.hint());
    }
  }

  void check_replication(PgConnection& connection) {
    const PgRow role = connection
                           .query(
                               "select rolsuper, rolreplication, rolname "
                               "from pg_roles where rolname = current_user")
                           .at(0);
    role_ = role[2].value_or("");
    may_replicate_ = role[0] == "t" || role[1] == "t";
    if (may_replicate_) return;
    bad("the role " + role_ + " has no right to replicate",
        "ALTER ROLE " + role_ + " REPLICATION;");
  }

  void check_backup_functions(PgConnection& connection, const PgCluster& cluster) {
    const std::string functions = pg_backup_functions(cluster.version_number);
    const bool starts =
        connection.value(
            "select bool_and(has_function_privilege(f::regprocedure::oid, 'execute')) "
            "from regexp_split_to_table($1, '(?<=[)]), ') f",
            {functions}) == "t";
    if (!starts) {
      bad("the role " + role_ + " may not start a backup",
          "GRANT EXECUTE ON FUNCTION " + functions + " TO " + role_ + ";");
    } else if (may_replicate_) {
      good("the role " + role_ + " may back up");
    }
  }

  // As a backup decides it; what keeps the slot for that from being made is found elsewhere.
  bool files_are_here(const PgCluster& cluster) {
    try {
      PgWalHold hold(settings_, stop_);
      const bool here = hold.files_are_here();
      hold.release();  // or it might still be counted among those in use
      return here;
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
    }
    return !cluster.data_directory.empty() &&
           ::access((cluster.data_directory + "/PG_VERSION").c_str(), R_OK) == 0;
  }

  // True when a backup would read the files themselves.
  bool reads_files(const PgCluster& cluster) {
    if (settings_.read == PgRead::kStream) return false;
    const std::string directory = cluster.data_directory.empty()
                                      ? "the data directory (this role may not see where)"
                                      : "the data directory " + printable(cluster.data_directory);
    if (files_are_here(cluster)) {
      good(directory + " is readable");
      return true;
    }
    if (settings_.read == PgRead::kAuto) {
      good(directory + " is not readable on this host: backups come as a stream from the server");
      return false;
    }
    bad(directory + " is not readable on this host",
        "run Holdfast on the database host, as root or as the server's user, or leave 'read: "
        "direct' out");
    return true;
  }

  // A real connection in replication mode says more than settings: pg_hba.conf has lines of its own
  // for these.
  void check_stream(PgConnection& connection) {
    const std::string free = connection.value(
        "select current_setting('max_wal_senders')::int - count(*) from pg_stat_replication");
    if (!may_replicate_) return;
    try {
      PgReplication(settings_, "holdfast_check").identify();
      good("the role " + role_ + " may back up over the network, " + free +
           " WAL senders are free");
    } catch (const Error& error) {
      bad("no connection for replication: " + error.message(), error.hint());
    }
  }

  void check_pages(const PgCluster& cluster) {
    if (cluster.checksums) {
      good("data pages have checksums");
    } else {
      advise("data pages have no checksums: damage on the disk goes into backups unseen",
             "stop the server once and run: pg_checksums --enable");
    }
  }

  void check_log(PgConnection& connection, const PgCluster& cluster) {
    if (cluster.wal_level == "minimal") {
      bad("wal_level is minimal", "set wal_level = replica and restart the server");
    } else {
      good("wal_level is " + cluster.wal_level);
    }
    const std::string free = connection.value(
        "select current_setting('max_replication_slots')::int - count(*) "
        "from pg_replication_slots");
    if (std::stol(free) < 1) {
      bad("no replication slot is free",
          "raise max_replication_slots, or drop a slot that nobody uses");
    } else {
      good(free + (free == "1" ? " replication slot is free" : " replication slots are free"));
    }
    if (connection.value("select current_setting('max_slot_wal_keep_size')") == "-1") {
      advise("max_slot_wal_keep_size is not set: a slot that nobody reads can fill the disk",
             "set it to what the disk can spare, 20GB say");
    }
    const bool streamed = check_slot(connection);
    const std::string mode = connection.value("select current_setting('archive_mode')");
    if (mode != "off") {
      check_archive_command(connection);
    } else if (!streamed) {
      advise("archive_mode is off: restores reach the backups, and no moment between them",
             "set archive_mode = on and archive_command = 'holdfast wal-push --source " + source_ +
                 " %p', or run holdfast stream " + source_);
    }
  }

  // The slot of this source's stream; true when one is at work.
  bool check_slot(PgConnection& connection) {
    const std::string slot = pg_slot_of(source_);
    const std::vector<PgRow> rows = connection.query(
        "select active, coalesce(wal_status, ''), "
        "coalesce(safe_wal_size < pg_size_bytes(current_setting('max_slot_wal_keep_size')) / 5, "
        "false), pg_size_pretty(safe_wal_size), "
        // From 17 on, and from 18 on with that limit.
        "to_jsonb(s) ->> 'invalidation_reason' = 'idle_timeout', "
        "current_setting('idle_replication_slot_timeout', true) "
        "from pg_replication_slots s where slot_name = $1 and not temporary",
        {slot});
    if (rows.empty()) return false;
    const bool active = rows[0][0] == "t";
    const std::string status = rows[0][1].value_or("");
    const std::string run = "holdfast stream " + source_;
    const std::string drop = "SELECT pg_drop_replication_slot('" + slot + "');";
    if (rows[0][4] == "t") {
      bad("the server gave the slot " + slot + " up: nobody read it for " +
              rows[0][5].value_or("") + " (idle_replication_slot_timeout)",
          drop + " then run " + run + ": it goes on if the server still has that WAL");
    } else if (status == "lost") {
      bad("the slot " + slot + " has lost WAL that the stream had not taken yet",
          drop + " then take a backup, and run " + run);
    } else if (status == "unreserved") {
      bad("the slot " + slot +
              " is behind max_slot_wal_keep_size: the next checkpoint may remove "
              "WAL that the stream has not taken yet",
          active ? "see what holds up " + run : "run " + run + " now");
    } else if (rows[0][2] == "t") {
      bad("the slot " + slot + " loses WAL that the stream has not taken yet after " +
              rows[0][3].value_or("") + " more",
          active ? "see what holds up " + run : "run " + run + " now");
    } else if (!active) {
      bad("nobody reads the slot " + slot + ": the log is not streamed, and the server keeps it",
          "run " + run + ", or give the slot up: " + drop);
    } else {
      good("the log is streamed");
    }
    return active;
  }

  void check_archive_command(PgConnection& connection) {
    // A role without pg_read_all_settings may not see it.
    const std::vector<PgRow> rows =
        connection.query("select setting from pg_settings where name = 'archive_command'");
    const std::string ours = "archive_command = 'holdfast wal-push --source " + source_ + " %p'";
    const std::string command = rows.empty() ? "" : rows[0][0].value_or("");
    if (!rows.empty() && command.find_first_not_of(' ') == std::string::npos) {
      const std::string library = connection.value(
          "select setting from pg_settings where name = 'archive_library' and setting <> ''");
      if (library.empty()) {
        bad("archive_mode is on and archive_command is empty: no WAL is archived, and the server "
            "keeps all of it",
            ours + ", and reload the server");
      } else {
        advise("WAL is archived by the library " + printable(library) + ", not by Holdfast", ours);
      }
    } else if (!command.empty() && command.find("wal-push") == std::string::npos) {
      advise("archive_command is not Holdfast's: " + printable(command), ours);
    } else {
      check_archiver(connection);
    }
  }

  void check_archiver(PgConnection& connection) {
    const PgRow row =
        connection
            .query(
                "select failed_count, last_failed_wal, last_archived_wal, "
                "coalesce(last_failed_time > last_archived_time, last_failed_time is not null) "
                "from pg_stat_archiver")
            .at(0);
    if (row[3] == "t") {
      bad("the last WAL file could not be archived: " + row[1].value_or(""),
          "read the server's log: it has what wal-push said");
    } else if (row[2]) {
      good("WAL is archived, last " + *row[2]);
    } else {
      good("archive_mode is on; no WAL file was full yet");
    }
  }

  void check_tools(const PgCluster& cluster) {
    try {
      require_pg_dump(settings_, cluster.version_number, globals_.roles, stop_);
      good("dumps are made by " + pg_command(settings_, "pg_dump", cluster.version_number).back());
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled) throw;
      bad(error.message(), error.hint());
    }
  }

  void check_dumps(PgConnection& connection, const PgCluster& cluster) {
    const auto findings =
        check_pg_dumps(settings_, connection, globals_, cluster.version_number, stop_);
    findings_.insert(findings_.end(), findings.begin(), findings.end());
  }

  const PostgresSettings& settings_;
  const std::string& source_;
  const PgDumpedGlobals globals_;
  std::stop_token stop_;
  std::string role_;
  bool may_replicate_ = false;
  std::vector<SetupFinding> findings_;
};

}  // namespace

std::vector<SetupFinding> check_postgres(const PostgresSettings& settings,
                                         const std::string& source,
                                         const std::optional<PgBackedUp>& before,
                                         const PgDumpedGlobals& globals, std::stop_token stop) {
  return Check(settings, source, globals, std::move(stop)).run(before);
}

}  // namespace holdfast
