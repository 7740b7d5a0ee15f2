// The program's operator new: large memory begins at a cache line.
//
// malloc's begins 16 bytes into a page. What the kernel copies from the beginning of one of its
// pages (a file's, a pipe's) to there goes at a quarter of the speed on AMD's processors: their
// `rep movsb` is slow when the destination lies less than 32 bytes behind the source within a page
// (docs/decisions/0010). Vectors and strings are what we read into, so this is their one place.
//
// Not in builds with a sanitizer: each has an operator new of its own.
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kLarge = std::size_t{16} << 10;  // less is not worth aligned_alloc's search

void* memory_of(std::size_t size) {
  if (size < kLarge) return std::malloc(size == 0 ? 1 : size);
  const std::size_t lines = size / kCacheLine + 1;
  return lines > ~std::size_t{0} / kCacheLine ? nullptr
                                              : std::aligned_alloc(kCacheLine, lines * kCacheLine);
}

}  // namespace

// All other forms without an alignment come down to these.
void* operator new(std::size_t size) {
  for (;;) {
    if (void* const memory = memory_of(size)) return memory;
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) throw std::bad_alloc();
    handler();
  }
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
