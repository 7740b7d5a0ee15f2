// Objects, and settings of the bucket, that are read as a whole: small, and not all of them named
// by their hash.
#pragma once

#include "store/s3/client.h"

namespace holdfast {

// The answer to a GET. Its body is compared with the ETag, which for most objects of most
// stores is the MD5 of the content, and read again when it differs. Two readings that agree are
// taken as they are: then it is another kind of ETag, or the store itself has other bytes, which
// whoever opens the object finds out. Over plain HTTP small objects without such an ETag are read
// until two readings agree. An answer of another status than 200 is given as it is. Throws what
// S3Client::send throws, and kCorrupt when no two agree.
HttpResponse get_whole(S3Client& client, const S3Request& request);

}  // namespace holdfast
