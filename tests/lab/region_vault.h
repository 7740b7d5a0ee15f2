// A vault of small packs in the lab's east, the program at work on it, and the question that ends
// every disaster: does all that was committed come back?
#pragma once

#include <future>
#include <string>
#include <vector>

#include "cli/support.h"
#include "protect/world.h"
#include "support/lab.h"

namespace holdfast::test {

class RegionVault {
 public:
  // In a bucket that the store replicates to the west; with a tree of some 2 MiB to back up.
  RegionVault();

  // The program reaches the regions there, and gives up after `retry_for`. The copy "west" is in a
  // bucket of its own.
  void configure(const std::string& east, const std::string& west,
                 const std::string& retry_for = "5m") const;
  // Runs the program.
  Outcome run(std::vector<std::string> words) const;
  std::future<Outcome> start(std::vector<std::string> words) const;
  Outcome back_up() const { return run(backup_words()); }
  // Of the newest backup, to the directory `name` of the shop.
  std::vector<std::string> restore_words(const std::string& name) const;

  // The newest backup is committed, and holds the tree as it is now.
  void keep_newest();
  void change_tree();
  std::uint64_t tree_bytes() const;
  // Why the directory `name` is not the newest kept backup; "" when it is.
  std::string restored_trouble(const std::string& name) const;

  // Why a vault in that region is not whole, or has other backups than those kept; "" when it is.
  std::string vault_trouble_in(Region region, const std::string& bucket) const;
  // Why a kept backup does not come back from there; the rest of the vault may be on its way.
  std::string backup_trouble_in(Region region, const std::string& bucket) const;
  // These fail the test unless everything is there. In the east's bucket:
  void expect_everything() const;
  // In the west's bucket that the program copies to:
  void expect_copy() const;
  // In the east's bucket, and in what the store made of it in the west. Both must run; after an
  // outage Ceph takes up to a minute to notice what it missed.
  void expect_everything_in_both_regions() const;

  const std::string& bucket() const { return bucket_; }
  const std::string& copy() const { return copy_; }
  const Workshop& shop() const { return shop_; }

 private:
  std::vector<std::string> backup_words() const;
  void expect_in(Region region, const std::string& bucket) const;

  std::mt19937_64 random_{20251110};
  const KeyRing ring_ = new_key_ring();
  const std::string bucket_;
  const std::string copy_;
  const Workshop shop_;
  Expectations expected_;
};

}  // namespace holdfast::test
