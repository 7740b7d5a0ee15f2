// Writes a golden vault into a new directory: see tests/golden/CMakeLists.txt. Its keys protect
// nothing and are public.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "codec/random_data.h"
#include "golden/golden_listing.h"
#include "protect/backup.h"
#include "protect/validate.h"
#include "store/file_store.h"
#include "vault/held_clock.h"

namespace holdfast {
namespace {

// A fixed place, because backups know where their files were.
const std::string kSource = "/tmp/holdfast-golden-source";

void require(bool success, const char* what) {
  if (!success) throw system_error(errno, what);
}

void write_file(const std::string& name, ByteView content, unsigned mode = 0644) {
  write_file_atomic(kSource + "/" + name, content, mode);
}

void write_sparse_file(const std::string& name) {
  const std::string path = kSource + "/" + name;
  const Fd fd = open_file(path, O_WRONLY | O_CREAT, 0600);
  pwrite_full(fd.get(), lcg_bytes(4096, 1), 65536, path);
  pwrite_full(fd.get(), lcg_bytes(4096, 2), 1 << 20, path);
  require(::ftruncate(fd.get(), 4 << 20) == 0, "ftruncate");
}

// Oldest date first; directories after what is in them.
void set_times(const std::string& path, std::int64_t second) {
  const struct timespec times[2] = {{second, 1}, {second, 123456789}};
  require(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, "utimensat");
}

void make_source() {
  std::filesystem::remove_all(kSource);
  make_directories(kSource + "/deep/er");
  write_file("random.bin", lcg_bytes(kGoldenSize, kGoldenSeed), 0640);
  write_file("empty", {});
  write_file("text", as_bytes(std::string(5000, 'a') + std::string(5000, 'b')), 04755);
  write_file("caf\xe9 \n", as_bytes("a name that is no UTF-8"));
  write_file("deep/er/small", as_bytes("hello"), 0);
  write_file("xattr", as_bytes("with attributes"));
  write_sparse_file("sparse");
  require(::setxattr((kSource + "/xattr").c_str(), "user.golden", "\0\xff", 2, 0) == 0, "setxattr");
  require(::link((kSource + "/text").c_str(), (kSource + "/text-again").c_str()) == 0, "link");
  require(::symlink("../no/where\xfe", (kSource + "/symlink").c_str()) == 0, "symlink");
  require(::mkfifo((kSource + "/fifo").c_str(), 0620) == 0, "mkfifo");
  for (int i = 0; i < 40; ++i) {
    write_file("deep/file" + std::to_string(i), lcg_bytes(static_cast<std::size_t>(i), 5));
  }
  std::int64_t second = 1'000'000'000;
  for (const auto& file : std::filesystem::recursive_directory_iterator(kSource)) {
    set_times(file.path(), ++second);
  }
  set_times(kSource + "/empty", -1);
  set_times(kSource + "/deep/er", 7);
  set_times(kSource + "/deep", 8);
  set_times(kSource, 9);
}

void back_up(const Vault& vault) {
  BackupJob job;
  job.backup_class = "files";
  job.source = "golden";
  job.walk.roots = {kSource.substr(1)};
  job.threads = 1;
  BackupProgress progress;
  Warnings warnings;
  run_backup(vault, job, progress, warnings, {});
  for (const std::string& text : warnings.first()) throw Error(Code::kInternal, text);
}

void write_keys(const std::string& directory, ObjectStore& store, const KeyRing& ring,
                Clock& clock) {
  const KeyFileSecret file{lcg_array<32>(3)};
  const KeyFileSecret writer_file{lcg_array<32>(4)};
  store_key(store, wrap_key_ring(ring, file, "key file", clock.now()));
  store_key(store, wrap_key_ring(ring, Passphrase{kGoldenPassphrase}, "passphrase", clock.now()));
  store_key(store,
            wrap_key_ring(ring.restricted_to(Role::kWriter), writer_file, "writer", clock.now()));
  const auto save = [&](const char* name, const std::string& text) {
    write_file_atomic(directory + "/" + name, as_bytes(text));
  };
  save("key-file.txt", key_file_text(file));
  save("writer-key-file.txt", key_file_text(writer_file));
  save("operator-ring.txt", key_ring_text(ring.restricted_to(Role::kOperator)));
  save("recovery-code.txt", recovery_code(ring) + "\n");
}

void make_golden(const std::string& directory) {
  make_directories(directory + "/vault");
  HeldClock clock;
  FileStore store(directory + "/vault");
  const KeyRing ring = KeyRing::from_master(lcg_array<16>(1), lcg_array<32>(2));
  VaultParameters parameters;
  parameters.chunks = {1024, 4096, 16384};
  parameters.frame_bytes = 16384;
  parameters.pack_bytes = 32768;
  const auto vault = Vault::create(store, clock, ring, parameters, {});
  write_keys(directory, store, ring, clock);
  make_source();
  back_up(*vault);
  clock.jump(std::chrono::hours(24));
  write_file("added later", lcg_bytes(3000, 6));
  set_times(kSource + "/added later", 10);
  set_times(kSource, 11);
  back_up(*vault);
  write_doom(store, ring, {DoomReason::kPrune, {lcg_array<32>(8)}, {{lcg_array<24>(9)}}});
  ValidateJob job;
  job.backups = list_backups(store);
  job.read_percent = 100;
  ValidateProgress progress;
  validate(*vault, job, progress, {});
  for (const BackupName& name : job.backups) {
    write_file_atomic(directory + "/" + name.id() + ".txt", as_bytes(golden_listing(*vault, name)));
  }
  std::filesystem::remove_all(kSource);
  std::filesystem::remove_all(directory + "/vault/.tmp");
}

}  // namespace
}  // namespace holdfast

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: make_golden DIRECTORY\n";
    return 2;
  }
  try {
    holdfast::make_golden(arguments[1]);
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
