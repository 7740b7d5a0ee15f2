// C libraries that are loaded when one of their functions is first called. libcurl and libpq bring
// some forty others with them: loading those takes half of a short run's time, and a call of
// `wal-push` needs neither.
#pragma once

#include <atomic>

// Declares a function of a library, within namespace holdfast.
// NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared takes none.
#define HOLDFAST_LIBRARY_FUNCTION(library, name) \
  inline constinit const LibraryFunction<decltype(::name)> name { library, #name }
// NOLINTEND(bugprone-macro-parentheses)

namespace holdfast {

// Thread-safe. Never unloaded: libraries leave threads and handlers behind.
class SharedLibrary {
 public:
  // `name` as the loader knows it ("libpq.so.5"), and the Debian package that has it.
  constexpr SharedLibrary(const char* name, const char* package) : name_(name), package_(package) {}

  // Never null. Throws Error(kUnsupported).
  void* function(const char* name) const;

 private:
  const char* name_;
  const char* package_;
};

// Called as the function of that name and signature is. Declared within namespace holdfast, it
// stands before the global one.
template <typename Signature>
class LibraryFunction;

namespace detail {

template <typename Function>
class LazyPointer {
 public:
  constexpr LazyPointer(const SharedLibrary& library, const char* name)
      : library_(library), name_(name) {}

  Function get() const {
    void* found = found_.load(std::memory_order_acquire);
    if (found == nullptr) {
      found = library_.function(name_);  // two threads may both look, and find the same
      found_.store(found, std::memory_order_release);
    }
    return reinterpret_cast<Function>(found);
  }

 private:
  const SharedLibrary& library_;
  const char* name_;
  mutable std::atomic<void*> found_ = nullptr;
};

}  // namespace detail

template <typename Result, typename... Values>
class LibraryFunction<Result(Values...)> : detail::LazyPointer<Result (*)(Values...)> {
 public:
  using detail::LazyPointer<Result (*)(Values...)>::LazyPointer;
  Result operator()(Values... values) const { return this->get()(values...); }
};

template <typename Result, typename... Values>
class LibraryFunction<Result(Values..., ...)> : detail::LazyPointer<Result (*)(Values..., ...)> {
 public:
  using detail::LazyPointer<Result (*)(Values..., ...)>::LazyPointer;
  template <typename... More>
  Result operator()(Values... values, More... more) const {
    return this->get()(values..., more...);
  }
};

}  // namespace holdfast
