/* SPDX-License-Identifier: MIT */
/*
 * The one place of the worker half that calls OpenSSL: a checksum is no reason to write SHA-256 once more, and libcrypto is in the
 * process already, behind libcurl.
 */
#include "worker/handlers/sha256.h"

#include "core/alloc.h"

#include <openssl/evp.h>

struct taskq__sha256 {
    const taskq_allocator *allocator;
    EVP_MD_CTX *context;
    bool failed;
};

taskq__sha256 *taskq__sha256_new(const taskq_allocator *a)
{
    taskq__sha256 *sum = taskq__alloc(a, sizeof(*sum));
    if (sum == NULL) {
        return NULL;
    }
    sum->context = EVP_MD_CTX_new();
    if (sum->context == NULL || EVP_DigestInit_ex(sum->context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(sum->context);
        taskq__free(a, sum);
        return NULL;
    }
    sum->allocator = a;
    return sum;
}

void taskq__sha256_add(taskq__sha256 *sum, const void *data, size_t size)
{
    sum->failed = EVP_DigestUpdate(sum->context, data, size) != 1 || sum->failed;
}

bool taskq__sha256_end(taskq__sha256 *sum, char hex[TASKQ__SHA256_HEX_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (sum == NULL) {
        return false;
    }
    bool done =
        !sum->failed && EVP_DigestFinal_ex(sum->context, digest, &size) == 1 && size * 2 == TASKQ__SHA256_HEX_BYTES;
    EVP_MD_CTX_free(sum->context);
    taskq__free(sum->allocator, sum);
    for (unsigned i = 0; done && i < size; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[done ? TASKQ__SHA256_HEX_BYTES : 0] = '\0';
    return done;
}
