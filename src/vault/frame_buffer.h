// Memory of a frame in the making.
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include "base/bytes.h"

namespace holdfast {

// Unlike a vector it has room behind its content that one can read into, and clears nothing.
class FrameBuffer {
 public:
  FrameBuffer() = default;
  explicit FrameBuffer(std::size_t capacity)
      : memory_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity)), capacity_(capacity) {}
  FrameBuffer(FrameBuffer&& other) noexcept { swap(other); }
  FrameBuffer& operator=(FrameBuffer&& other) noexcept {
    FrameBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }

  std::size_t capacity() const { return capacity_; }
  std::size_t size() const { return size_; }
  ByteView view() const { return {memory_.get(), size_}; }
  // What lies behind the content; its bytes are any.
  MutableBytes room() { return {memory_.get() + size_, capacity_ - size_}; }

  // `content` may lie in room(), then it moves to its beginning, and what is there is overwritten.
  void append(ByteView content) {
    if (content.size() > capacity_ - size_) grow(size_ + content.size());
    if (content.data() != memory_.get() + size_ && !content.empty()) {
      std::memmove(memory_.get() + size_, content.data(), content.size());
    }
    size_ += content.size();
  }
  void clear() { size_ = 0; }

 private:
  void swap(FrameBuffer& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(capacity_, other.capacity_);
    std::swap(size_, other.size_);
  }
  void grow(std::size_t capacity) {
    FrameBuffer larger(capacity);
    larger.append(view());
    *this = std::move(larger);
  }

  std::unique_ptr<std::uint8_t[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace holdfast
