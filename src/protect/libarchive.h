// The functions of libarchive that are used here. For tar_writer.cpp only.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "os/shared_library.h"

namespace holdfast {

inline constexpr SharedLibrary kLibarchive{"libarchive.so.13", "libarchive13"};

#define HOLDFAST_ARCHIVE(function) HOLDFAST_LIBRARY_FUNCTION(kLibarchive, function)

HOLDFAST_ARCHIVE(archive_entry_free);
HOLDFAST_ARCHIVE(archive_entry_new);
HOLDFAST_ARCHIVE(archive_entry_set_gid);
HOLDFAST_ARCHIVE(archive_entry_set_gname);
HOLDFAST_ARCHIVE(archive_entry_set_hardlink);
HOLDFAST_ARCHIVE(archive_entry_set_mode);
HOLDFAST_ARCHIVE(archive_entry_set_mtime);
HOLDFAST_ARCHIVE(archive_entry_set_pathname);
HOLDFAST_ARCHIVE(archive_entry_set_rdev);
HOLDFAST_ARCHIVE(archive_entry_set_size);
HOLDFAST_ARCHIVE(archive_entry_set_symlink);
HOLDFAST_ARCHIVE(archive_entry_set_uid);
HOLDFAST_ARCHIVE(archive_entry_set_uname);
HOLDFAST_ARCHIVE(archive_entry_sparse_add_entry);
HOLDFAST_ARCHIVE(archive_entry_xattr_add_entry);
HOLDFAST_ARCHIVE(archive_error_string);
HOLDFAST_ARCHIVE(archive_write_close);
HOLDFAST_ARCHIVE(archive_write_data);
HOLDFAST_ARCHIVE(archive_write_fail);
HOLDFAST_ARCHIVE(archive_write_finish_entry);
HOLDFAST_ARCHIVE(archive_write_free);
HOLDFAST_ARCHIVE(archive_write_header);
HOLDFAST_ARCHIVE(archive_write_new);
HOLDFAST_ARCHIVE(archive_write_open);
HOLDFAST_ARCHIVE(archive_write_set_bytes_per_block);
HOLDFAST_ARCHIVE(archive_write_set_format_pax);
HOLDFAST_ARCHIVE(archive_write_set_options);

#undef HOLDFAST_ARCHIVE

// Its declaration has attributes, which a template's argument cannot.
inline constinit const LibraryFunction<void(archive*, int, const char*, ...)> archive_set_error{
    kLibarchive, "archive_set_error"};

}  // namespace holdfast
