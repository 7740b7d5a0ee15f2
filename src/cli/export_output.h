// Where an exported archive goes: a file, the standard output, or an object of a store.
#pragma once

#include <memory>
#include <string>

#include "cli/context.h"
#include "store/object_store.h"

namespace holdfast {

struct ExportPlace {
  enum class Kind { kFile, kStandardOutput, kObject };
  Kind kind = Kind::kFile;
  std::string directory;     // of a file: "." or a path; of an object: the address of its store
  std::string name;          // the last part; empty: the default name is to be used
  std::string text() const;  // for people: the path, "-", or the whole address
};

// What --output means: "" the current directory, "-" the standard output, a directory (that exists,
// or ends in '/'), a file, s3://BUCKET[/PREFIX/] or s3://BUCKET/[PREFIX/]NAME. file:/// is a path.
ExportPlace parse_export_place(const std::string& output);

// What is written becomes visible at commit(), whole or not at all; destroyed before, it leaves
// nothing. The standard output is written at once. One thread.
class ExportOutput {
 public:
  virtual ~ExportOutput() = default;
  virtual void write(ByteView data) = 0;
  virtual void commit() = 0;
};

// Throws Error(kConflict) when something is there and `force` was not given; for a dry run too,
// which opens nothing else (nothing is returned then).
std::unique_ptr<ExportOutput> open_export_output(Context& context, const ExportPlace& place,
                                                 bool force, bool dry_run);

}  // namespace holdfast
