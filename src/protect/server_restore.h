// What restores of whole servers have in common: the mark that stays until one could start, and
// what is done with the files that are in the way.
#pragma once

#include <string>

#include "protect/restore.h"

namespace holdfast {

// True when `target` holds a restore of a server that has not ended. A mark that was left behind
// where a server could start is none: see unfinished_restore().
bool is_unfinished_server_restore(const std::string& target);

// `given` as a part of a restore of a server, which leaves the mark to begin_server_restore(). What
// an old server has and the backup has not a server would take for part of the restored one: throws
// kConflict when that would stay, or files are there and shall not be overwritten, or the target
// holds an unfinished restore of another backup. A restore that goes on replaces what it left.
// Changes nothing.
RestoreJob without_mixture(const RestoreJob& given);

// Marks the target before the first change, and sees that no server starts there any more. True
// when an unfinished restore goes on.
bool begin_server_restore(const RestoreJob& job);
// Throws kCorrupt for damaged files, kConflict for what could not be made: a server would start on
// a directory that lacks something.
void require_whole(const RestoreResult& result);
// To be called once a server could start there.
void end_server_restore(const std::string& target);

}  // namespace holdfast
