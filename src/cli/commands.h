// All commands, one file each.
#pragma once

#include "cli/command.h"

namespace holdfast {

void add_init_command(Command& root);
void add_check_command(Command& root);
void add_backup_command(Command& root);
void add_list_command(Command& root);
void add_show_command(Command& root);
void add_diff_command(Command& root);
void add_find_command(Command& root);
void add_cat_command(Command& root);
void add_restore_command(Command& root);
void add_export_command(Command& root);
void add_recover_command(Command& root);
void add_validate_command(Command& root);
void add_validate_restore_command(Command& validate);
void add_copy_command(Command& root);
void add_sync_command(Command& root);
void add_region_command(Command& root);
void add_retention_command(Command& root);
void add_forget_command(Command& root);
void add_lock_command(Command& root);
void add_prune_command(Command& root);
void add_lifecycle_command(Command& root);
void add_repair_command(Command& root);
void add_stats_command(Command& root);
void add_stream_command(Command& root);
void add_store_command(Command& root);
void add_key_command(Command& root);
void add_wal_push_command(Command& root);
void add_wal_fetch_command(Command& root);
void add_version_command(Command& root);

}  // namespace holdfast
