#include "store/descriptor_cache.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::size_t kOpenDescriptors = 32;

}  // namespace

DescriptorCache::Shared DescriptorCache::find(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = position(key);
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->second;
}

std::uint64_t DescriptorCache::epoch() {
  const std::lock_guard lock(mutex_);
  return epoch_;
}

void DescriptorCache::insert(std::string_view key, Shared fd, std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return;
  if (const auto found = position(key); found != entries_.end()) entries_.erase(found);
  entries_.emplace_front(key, std::move(fd));
  if (entries_.size() > kOpenDescriptors) entries_.pop_back();
}

void DescriptorCache::forget(std::string_view key) {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  if (const auto found = position(key); found != entries_.end()) entries_.erase(found);
}

DescriptorCache::Entries::iterator DescriptorCache::position(std::string_view key) {
  return std::find_if(entries_.begin(), entries_.end(),
                      [&](const auto& entry) { return entry.first == key; });
}

}  // namespace holdfast
