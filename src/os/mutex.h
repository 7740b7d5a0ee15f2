// A mutex that clang's thread-safety analysis understands (-Wthread-safety).
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define HOLDFAST_CAPABILITY __attribute__((capability("mutex")))
#define HOLDFAST_SCOPED __attribute__((scoped_lockable))
#define GUARDED_BY(x) __attribute__((guarded_by(x)))
#define REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define HOLDFAST_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define HOLDFAST_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define HOLDFAST_UNCHECKED __attribute__((no_thread_safety_analysis))
#else
#define HOLDFAST_CAPABILITY
#define HOLDFAST_SCOPED
#define GUARDED_BY(x)
#define REQUIRES(...)
#define EXCLUDES(...)
#define HOLDFAST_ACQUIRE(...)
#define HOLDFAST_RELEASE(...)
#define HOLDFAST_UNCHECKED
#endif

namespace holdfast {

class HOLDFAST_CAPABILITY Mutex {
 public:
  void lock() HOLDFAST_ACQUIRE() { mutex_.lock(); }
  void unlock() HOLDFAST_RELEASE() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

// Holds a mutex for a scope; `wait` lets go of it until notified. Wait in a loop that tests the
// condition: `while (!ready_) lock.wait(changed_);`
class HOLDFAST_SCOPED MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) HOLDFAST_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() HOLDFAST_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void wait(std::condition_variable_any& condition) HOLDFAST_UNCHECKED { condition.wait(mutex_); }

 private:
  Mutex& mutex_;
};

}  // namespace holdfast
