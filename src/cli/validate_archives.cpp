#include "cli/validate_archives.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/archive_run.h"
#include "cli/progress.h"
#include "protect/verdict.h"

namespace holdfast {
namespace {

std::vector<Key> identities_of(Context& context, const StoredArchive& archive,
                               const std::string& identity) {
  if (!archive.name.sealed) return {};
  return archive_identities(source_of_archive(context.settings(), archive.name), identity);
}

ValidatedArchive validate_one(Context& context, ObjectStore& store, const StoredArchive& archive,
                              const std::string& identity, std::atomic<std::uint64_t>& bytes) {
  ValidatedArchive result{archive, false, "", 0};
  const std::vector<Key> identities = identities_of(context, archive, identity);
  if (archive.name.sealed && identities.empty()) return result;
  result.read = true;
  try {
    const CheckedArchive checked =
        check_archive(store, archive.name, identities, context.stop,
                      [&bytes](ByteView plain) { bytes += plain.size(); });
    result.bytes = checked.content.bytes;
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kDenied) throw;
    // Sealed for somebody else: nobody can say here whether it is whole.
    if (error.code() == Code::kDenied) {
      result.read = false;
    } else {
      result.problem = error.message();
    }
  }
  return result;
}

void note_in_vault(Context& context, ObjectStore& store, const ValidatedArchive& one) {
  const std::string result = one.problem.empty() ? "content" : "failed";
  try {
    note_verdict(store, one.archive.name.file(), context.clock.now(), result);
  } catch (const Error& error) {
    context.output.warning("the result could not be noted in the vault: " + error.message());
  }
}

}  // namespace

std::vector<ValidatedArchive> validate_archives(Context& context, ObjectStore& store,
                                                const std::vector<StoredArchive>& archives,
                                                const std::string& identity, bool record,
                                                RunLog& log) {
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> done{0};
  const ProgressDisplay display(context, "validate", "archive", [&] {
    ProgressSample sample;
    sample.bytes = bytes;
    sample.items = done;
    sample.total_items = archives.size();
    return sample;
  });
  const bool notes = record && vault_id_of(store);
  std::vector<ValidatedArchive> results;
  for (const StoredArchive& archive : archives) {
    results.push_back(validate_one(context, store, archive, identity, bytes));
    const ValidatedArchive& one = results.back();
    ++done;
    if (!one.problem.empty()) log.failure("validation of " + archive.name.file(), one.problem);
    if (one.read && notes) note_in_vault(context, store, one);
  }
  return results;
}

void print_validated(Output& output, const std::vector<ValidatedArchive>& archives) {
  std::uint64_t whole = 0;
  std::uint64_t bytes = 0;
  for (const ValidatedArchive& one : archives) {
    const std::string file = one.archive.name.file();
    if (!one.problem.empty()) {
      output.print(file + ": " + printable(one.problem) + "\n");
    } else if (!one.read) {
      output.warning(file + ": is sealed, and no identity here opens it (--identity FILE)");
    } else {
      ++whole;
      bytes += one.bytes;
    }
  }
  if (whole == 0) return;
  output.note(
      fmt::format("{} read to the end: {}\n", plural(whole, "archive"), format_size(bytes)));
}

Json validated_json(const std::vector<ValidatedArchive>& archives) {
  Json rows = Json::array();
  for (const ValidatedArchive& one : archives) {
    Json row = archive_json(one.archive);
    row["read"] = one.read;
    row["sound"] = one.read ? Json(one.problem.empty()) : Json();
    row["problem"] = one.problem;
    row["bytes"] = one.bytes;
    rows.push_back(std::move(row));
  }
  return rows;
}

int code_of(const std::vector<ValidatedArchive>& archives) {
  const auto damaged = [](const ValidatedArchive& one) { return !one.problem.empty(); };
  const auto unread = [](const ValidatedArchive& one) { return !one.read; };
  if (std::any_of(archives.begin(), archives.end(), damaged)) return exit_code(Code::kCorrupt);
  return std::any_of(archives.begin(), archives.end(), unread) ? kExitWarnings : kExitSuccess;
}

}  // namespace holdfast
