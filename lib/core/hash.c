/* SPDX-License-Identifier: MIT */
/*
 * The digest by which the same request or report is known again. It is stored, and compared with what
 * another version on another machine computes, so its bytes are read in a fixed order and its constants
 * never change. Not cryptographic: who makes two bodies collide fools only their own idempotency key.
 */
#include <taskq/job.h>

#define MULTIPLIER_A UINT64_C(0x87c37b91114253d5)
#define MULTIPLIER_B UINT64_C(0x4cf5ad432745937f)

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static uint64_t read_word(const unsigned char *data)
{
    return (uint64_t)data[0] | (uint64_t)data[1] << 8 | (uint64_t)data[2] << 16 | (uint64_t)data[3] << 24 |
           (uint64_t)data[4] << 32 | (uint64_t)data[5] << 40 | (uint64_t)data[6] << 48 | (uint64_t)data[7] << 56;
}

static uint64_t absorb(uint64_t hash, uint64_t word)
{
    hash ^= rotate(word * MULTIPLIER_A, 31) * MULTIPLIER_B;
    return rotate(hash, 27) * 5 + UINT64_C(0x52dce729);
}

uint64_t taskq_digest(const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t hash = UINT64_C(0x7461736b71313233) ^ (uint64_t)size;
    size_t left = size;
    for (; left >= 8; left -= 8, at += 8) {
        hash = absorb(hash, read_word(at));
    }
    if (left > 0) {
        uint64_t word = 0;
        for (size_t i = 0; i < left; i++) {
            word |= (uint64_t)at[i] << (8 * i);
        }
        hash = absorb(hash, word);
    }
    hash ^= (uint64_t)size;
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}
