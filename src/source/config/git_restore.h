// From a bundle back to a repository.
#pragma once

#include <stop_token>
#include <string>

namespace holdfast {

// Makes `directory` the repository that `bundle` was made of: all branches, tags and other
// references under their own names. The metadata that was backed up with it (repository_metadata:
// config, HEAD, hooks) is taken over when it has been restored to its place before; it also tells
// whether the repository is bare. Without it, HEAD is a branch at the bundle's HEAD (main or master
// first), or detached, and the repository has a work tree.
//
// Files are checked out unless the work tree holds files already: then they stay as they are, and
// "git status" shows how they differ. Nothing of the repository is executed: no hooks, no filters,
// so that LFS files are pointers until "git lfs checkout". Everything gets the owner of
// `directory`.
//
// Throws Error: kConflict when there is a repository with objects already; kCorrupt for a damaged
// bundle; kUnsupported without git; kCancelled. After an error the metadata
// is back in its place and the restore can be tried again.
void restore_bundle(const std::string& bundle, const std::string& directory,
                    std::stop_token stop = {});

}  // namespace holdfast
