/* SPDX-License-Identifier: MIT */
/*
 * One form for all addresses, so that a client cannot be counted twice by another spelling, nor pass for a proxy by one.
 */
#include "server/address.h"

#include "core/fail.h"
#include "core/rng.h"
#include "core/text.h"
#include "server/front.h"

#include <arpa/inet.h>
#include <string.h>

enum { ADDRESS_TEXT_MAX = 64, V4_OFFSET = 12, BLOCK_BYTES = 8 };

static const unsigned char v4_prefix[V4_OFFSET] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const taskq__address *address)
{
    return memcmp(address->bytes, v4_prefix, V4_OFFSET) == 0;
}

bool taskq__address_parse(taskq_text text, taskq__address *out)
{
    char string[ADDRESS_TEXT_MAX];
    taskq__address address;
    if (text.size > 2 && text.data[0] == '[' && text.data[text.size - 1] == ']') {
        text = (taskq_text){text.data + 1, text.size - 2};
    }
    if (text.size == 0 || text.size >= sizeof(string)) {
        return false;
    }
    memcpy(string, text.data, text.size);
    string[text.size] = '\0';
    if (inet_pton(AF_INET, string, address.bytes + V4_OFFSET) == 1) {
        memcpy(address.bytes, v4_prefix, V4_OFFSET);
    } else if (inet_pton(AF_INET6, string, address.bytes) != 1) {
        return false;
    }
    *out = address;
    return true;
}

taskq__address taskq__address_block(taskq__address address)
{
    if (!is_v4(&address)) {
        memset(address.bytes + BLOCK_BYTES, 0, sizeof(address.bytes) - BLOCK_BYTES);
    }
    return address;
}

bool taskq__address_is_loopback(const taskq__address *address)
{
    static const taskq__address v6 = {{[15] = 1}};
    return is_v4(address) ? address->bytes[V4_OFFSET] == 127 : memcmp(address, &v6, sizeof(v6)) == 0;
}

uint64_t taskq__address_hash(const taskq__address *address, uint64_t seed)
{
    uint64_t halves[2];
    memcpy(halves, address->bytes, sizeof(halves));
    return taskq__mix64(taskq__mix64(halves[0] ^ seed) ^ halves[1]);
}

taskq_status taskq__network_parse(const char *text, taskq__network *out, taskq_error *err)
{
    const char *slash = strchr(text, '/');
    taskq_text address = {text, slash != NULL ? (size_t)(slash - text) : strlen(text)};
    taskq__network network;
    int64_t bits = 0;
    if (!taskq__address_parse(address, &network.address)) {
        return taskq__fail(err, TASKQ_EINVAL, "%.80s is no network such as 10.0.0.0/8 or ::1", text);
    }
    int64_t bits_max = is_v4(&network.address) && memchr(address.data, ':', address.size) == NULL ? 32 : 128;
    bits = bits_max;
    if (slash != NULL && taskq__parse_int64(taskq_text_of(slash + 1), 0, bits_max, &bits) != TASKQ_OK) {
        return taskq__fail(err, TASKQ_EINVAL, "%.80s: what stands behind the / must be from 0 to %d", text,
                           (int)bits_max);
    }
    network.bits = (unsigned)(bits + 128 - bits_max);
    *out = network;
    return TASKQ_OK;
}

static bool network_has(const taskq__network *network, const taskq__address *address)
{
    unsigned whole = network->bits / 8;
    unsigned rest = network->bits % 8;
    if (memcmp(network->address.bytes, address->bytes, whole) != 0) {
        return false;
    }
    return rest == 0 || ((network->address.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

bool taskq__networks_have(const taskq__network *networks, uint32_t count, const taskq__address *address)
{
    for (uint32_t i = 0; i < count; i++) {
        if (network_has(&networks[i], address)) {
            return true;
        }
    }
    return false;
}

taskq_text taskq__address_forwarded(taskq_text list, const taskq__network *trusted, uint32_t count)
{
    taskq_text found = {NULL, 0};
    taskq__address address;
    while (list.size > 0) {
        size_t from = list.size;
        while (from > 0 && list.data[from - 1] != ',') {
            from--;
        }
        taskq_text word = taskq__trimmed((taskq_text){list.data + from, list.size - from});
        if (!taskq__address_parse(word, &address)) {
            return found; /* nobody we trust writes that: what stands further left is worth nothing */
        }
        found = word;
        if (!taskq__networks_have(trusted, count, &address)) {
            return found;
        }
        list.size = from > 0 ? from - 1 : 0;
    }
    return found;
}
