/* SPDX-License-Identifier: MIT */
/*
 * Secrets made, recognised and hashed: the one place of the scheduler half where OpenSSL's digests and random bits are asked for.
 */
#include "server/secret.h"

#include "core/fail.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

enum { RANDOM_BYTES = 32, PREFIX_SIZE = 5, BODY_SIZE = PREFIX_SIZE + 2 * RANDOM_BYTES, CHECKSUM_SIZE = 8 };

static const char letters[] = {
    [TASKQ_ROLE_VIEWER] = 'v', [TASKQ_ROLE_PRODUCER] = 'p', [TASKQ_ROLE_WORKER] = 'w', [TASKQ_ROLE_ADMIN] = 'a'};

void taskq__hex_write(const unsigned char *bytes, size_t count, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * count] = '\0';
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool taskq__hex_read(taskq_text hex, unsigned char *bytes, size_t count)
{
    if (hex.size != 2 * count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(hex.data[2 * i]);
        int low = hex_digit(hex.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (unsigned char)(high * 16 + low);
    }
    return true;
}

static uint32_t checksum(const char *text, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)text[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (UINT32_C(0xEDB88320) & (0U - (crc & 1U)));
        }
    }
    return ~crc;
}

taskq_status taskq__secret_make(taskq_role role, char out[TASKQ_TOKEN_SECRET_BYTES], taskq_error *err)
{
    unsigned char random[RANDOM_BYTES];
    if (RAND_priv_bytes(random, sizeof(random)) != 1) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "the system gives no random bits");
    }
    memcpy(out, "tq_?_", PREFIX_SIZE);
    out[3] = letters[role];
    taskq__hex_write(random, RANDOM_BYTES, out + PREFIX_SIZE);
    snprintf(out + BODY_SIZE, CHECKSUM_SIZE + 2, "_%08x", (unsigned)checksum(out, BODY_SIZE));
    OPENSSL_cleanse(random, sizeof(random));
    return TASKQ_OK;
}

bool taskq__secret_is_whole(taskq_text text)
{
    char sum[CHECKSUM_SIZE + 2];
    if (text.size != TASKQ__SECRET_SIZE || memcmp(text.data, "tq_", 3) != 0 ||
        memchr(letters + 1, text.data[3], sizeof(letters) - 1) == NULL || text.data[4] != '_') {
        return false;
    }
    for (size_t i = PREFIX_SIZE; i < BODY_SIZE; i++) {
        if (hex_digit(text.data[i]) < 0) {
            return false;
        }
    }
    snprintf(sum, sizeof(sum), "_%08x", (unsigned)checksum(text.data, BODY_SIZE));
    return memcmp(text.data + BODY_SIZE, sum, CHECKSUM_SIZE + 1) == 0;
}

bool taskq__secret_hash_of(taskq_text text, taskq__secret_hash *out)
{
    unsigned size = 0;
    return EVP_Digest(text.data, text.size, out->bytes, &size, EVP_sha256(), NULL) == 1 && size == sizeof(out->bytes);
}

bool taskq__secret_hash_equal(const taskq__secret_hash *a, const taskq__secret_hash *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
