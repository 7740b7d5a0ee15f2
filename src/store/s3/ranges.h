// Parts of large objects.
#pragma once

#include <functional>

#include "store/s3/client.h"

namespace holdfast {

// `request` names the object; its headers are replaced. Both throw what S3Client::send throws,
// kUnsupported for a store that does not answer requests for a range, and kCorrupt for an object
// that ends before.

// Fills `out` from `offset`; at least one byte.
void read_range(S3Client& client, S3Request request, std::uint64_t offset, MutableBytes out);

// Gives the first `size` bytes to `visit`, in order, each byte once whatever is tried again, and
// without a buffer for them. Also throws what `visit` does.
void stream_ranges(S3Client& client, S3Request request, std::uint64_t size,
                   const std::function<void(ByteView)>& visit);

}  // namespace holdfast
