#include "protect/reachability.h"

#include "base/error.h"

namespace holdfast {

LiveSet reachable_from(const Vault& vault, const std::vector<BackupName>& backups,
                       std::shared_ptr<const Index> index, const DoomSet& doom,
                       std::stop_token stop) {
  LiveSet live(std::move(index), &doom);
  ChunkReader reader(vault);
  for (const BackupName& name : backups) {
    try {
      add_reachable(reader, read_backup(vault, name).summary.reach, live, stop);
    } catch (Error& error) {
      if (error.code() == Code::kNotFound && !vault.store().stat(name.key())) continue;
      throw error.add_context(name.id());
    }
  }
  if (live.missing().empty()) return live;
  throw Error(Code::kCorrupt,
              "backups need chunks that the index does not know (the first: " +
                  to_hex(live.missing()[0].id.bytes) + ")",
              "run 'holdfast validate all', then 'holdfast repair'");
}

}  // namespace holdfast
