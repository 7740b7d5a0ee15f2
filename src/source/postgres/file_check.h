// Whether a file is what the backup manifest says.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "source/postgres/backup_manifest.h"

namespace holdfast {

// Fed with the file's bytes in order. One thread.
class FileCheck {
 public:
  // The checksum of nothing yet; `file` must outlive the object.
  explicit FileCheck(const ManifestFile& file);

  void update(ByteView data);
  // What is wrong with the file, or nothing. The object must not be used afterwards.
  std::optional<std::string> finish();

 private:
  struct ContextDeleter {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };

  Bytes checksum();

  const ManifestFile& file_;
  std::uint64_t size_ = 0;
  std::uint32_t crc_ = 0;
  std::unique_ptr<EVP_MD_CTX, ContextDeleter> context_;
};

}  // namespace holdfast
