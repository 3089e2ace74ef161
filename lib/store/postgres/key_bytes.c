/* SPDX-License-Identifier: MIT */
/*
 * What is stored with an idempotency key: for each job of the request eight bytes, little-endian, id * 2 + made.
 */
#include "store/postgres/ops_enqueue.h"

#include <string.h>

enum { BYTES_A_JOB = 8 };

bool taskq__pg_key_replays(const taskq__pg_enqueuing *e)
{
    return e->key_valid && e->key_digest == e->in->digest && e->key_jobs.size == (size_t)e->in->count * BYTES_A_JOB;
}

static uint64_t load(const taskq__pg_enqueuing *e, uint32_t i)
{
    const unsigned char *bytes = (const unsigned char *)e->key_jobs.data + (size_t)i * BYTES_A_JOB;
    uint64_t value = 0;
    for (int k = BYTES_A_JOB - 1; k >= 0; k--) {
        value = value << 8 | bytes[k];
    }
    return value;
}

int64_t taskq__pg_key_job(const taskq__pg_enqueuing *e, uint32_t i)
{
    return (int64_t)(load(e, i) >> 1);
}

bool taskq__pg_key_made(const taskq__pg_enqueuing *e, uint32_t i)
{
    return (load(e, i) & 1) != 0;
}

bool taskq__pg_key_fill(taskq__pg_unit *unit, taskq__pg_enqueuing *e)
{
    size_t size = (size_t)e->in->count * BYTES_A_JOB;
    unsigned char *bytes = taskq_arena_alloc(unit->arena, size);
    if (bytes == NULL) {
        return false;
    }
    e->key_bytes = (taskq_text){(const char *)bytes, size};
    for (uint32_t i = 0; i < e->in->count; i++) {
        uint64_t value = (uint64_t)e->in->results[i]->id * 2 + (e->in->results[i]->existing ? 0 : 1);
        for (int k = 0; k < BYTES_A_JOB; k++, value >>= 8) {
            *bytes++ = (unsigned char)(value & 0xff);
        }
    }
    return true;
}

int taskq__pg_text_order(taskq_text a, taskq_text b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}
