// The files that a physical backup of a PostgreSQL cluster consists of.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "source/postgres/cluster.h"

namespace holdfast {

// Where a backup keeps what is not at its place in the data directory: it comes last in the order
// of the tree, since it is known last.
inline constexpr std::string_view kPgExtras = "~holdfast";
// A file in it: the path of the data directory that the backup was made of.
inline constexpr std::string_view kPgOrigin = "data_directory";
// Before the names of configuration files that lay outside.
inline constexpr std::string_view kPgConfigPrefix = "config-";

struct PgFile {
  std::string file;         // absolute
  std::string stored_path;  // in the data directory; "" is that directory itself
  bool pages = false;       // consists of data pages
};

// All files and directories of the cluster but for those that a server makes anew (as
// pg_basebackup leaves them out: temporary and unlogged relations, process state, WAL) and
// global/pg_control, which comes last. Tablespaces are below pg_tblspc/OID. Throws what makes the
// list incomplete; what vanishes meanwhile was dropped.
std::vector<PgFile> pg_data_files(const PgCluster& cluster, std::stop_token stop);

// True for names such as "16384", "16384.1", "16384_vm": a relation's fork and segment.
bool is_relation_file(std::string_view name);
// True for the path of a relation file where the data directory has them.
bool is_page_file(std::string_view stored_path);
// True for what no backup keeps: process state, caches, what tells a server how to start.
bool is_left_out(std::string_view stored_path);
// The number of the 1 GiB segment in the name of a relation file.
std::uint32_t relation_segment(std::string_view name);

}  // namespace holdfast
