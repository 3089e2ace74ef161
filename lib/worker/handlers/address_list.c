/* SPDX-License-Identifier: MIT */
/*
 * Networks and hosts that an operator names. What could be meant in two ways is refused rather than guessed at: a network with bits
 * behind its mask, and a "host" that a resolver would read as a number, for a list that looks right and does nothing is worse than none.
 */
#include "worker/handlers/address_list.h"

#include "core/alloc.h"
#include "core/fail.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define MAPPED_BITS 96
#define ENTRY_BYTES_MAX 255

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static void map_v4(const void *v4, uint8_t out[16])
{
    memcpy(out, mapped_prefix, sizeof(mapped_prefix));
    memcpy(out + sizeof(mapped_prefix), v4, 4);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A mask's length: digits alone, `most` at most. */
static bool read_bits(const char *text, int most, int *out)
{
    int bits = 0;
    size_t size = strlen(text);
    if (size == 0 || size > 3 || (size > 1 && text[0] == '0')) {
        return false;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (!is_digit(*c)) {
            return false;
        }
        bits = bits * 10 + (*c - '0');
    }
    *out = bits;
    return bits <= most;
}

static bool has_bit(const uint8_t bytes[16], int bit)
{
    return (bytes[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

/* What is wrong with it; NULL: it was read. `*is_address` false: it is no address at all. */
static const char *read_network(const char *entry, taskq__network *out, bool *is_address)
{
    char address[ENTRY_BYTES_MAX + 1];
    const char *slash = strchr(entry, '/');
    size_t size = slash != NULL ? (size_t)(slash - entry) : strlen(entry);
    struct in_addr v4;
    memcpy(address, entry, size);
    address[size] = '\0';

    bool is_v4 = inet_pton(AF_INET, address, &v4) == 1;
    *is_address = is_v4 || inet_pton(AF_INET6, address, out->bytes) == 1;
    if (!*is_address) {
        return "it is neither an address, nor a network, nor the name of a host";
    }
    if (is_v4) {
        map_v4(&v4, out->bytes);
    }
    int offset = is_v4 ? MAPPED_BITS : 0, bits = 128 - offset;
    if (slash != NULL && !read_bits(slash + 1, bits, &bits)) {
        return "behind the '/' stands no length of a mask";
    }
    out->bits = offset + bits;
    for (int bit = out->bits; bit < 128; bit++) {
        if (has_bit(out->bytes, bit)) {
            return "bits are set behind the mask";
        }
    }
    return NULL;
}

/* Would a resolver read it as an IPv4 address ("127.1", "0x7f.1")? It does where the last label is a number. */
static bool ends_in_a_number(const char *host, size_t size)
{
    size_t start = size;
    while (start > 0 && host[start - 1] != '.') {
        start--;
    }
    size_t length = size - start;
    if (length > 1 && host[start] == '0' && (host[start + 1] | 0x20) == 'x') {
        return true;
    }
    for (size_t i = start; i < size; i++) {
        if (!is_digit(host[i])) {
            return false;
        }
    }
    return true;
}

static const char *check_host(const char *host, size_t size)
{
    if (size == 0 || size > TASKQ__ADDRESS_LIST_HOST_BYTES_MAX) {
        return "the name of a host has 1 to 253 characters";
    }
    for (size_t i = 0; i < size; i++) {
        bool plain = is_letter(host[i]) || is_digit(host[i]) || host[i] == '-' || host[i] == '_';
        bool dot = host[i] == '.' && i > 0 && host[i - 1] != '.';
        if (!plain && !dot) {
            return "the name of a host is of letters, digits, '-' and single dots (\"xn--...\" for others)";
        }
    }
    return ends_in_a_number(host, size) ? "it is neither an address nor the name of a host" : NULL;
}

/* "app.example" as it is, "*.app.example" as ".app.example"; NULL: no memory, or `wrong` says what. */
static char *read_host(const taskq_allocator *a, const char *entry, const char **wrong)
{
    bool below = entry[0] == '*' && entry[1] == '.';
    const char *name = below ? entry + 2 : entry;
    size_t size = strlen(name);
    size -= size > 0 && name[size - 1] == '.' ? 1 : 0;
    *wrong = check_host(name, size);
    return *wrong != NULL ? NULL : taskq__strndup(a, below ? entry + 1 : entry, size + (below ? 1 : 0));
}

static taskq_status add_entry(taskq__address_list *list, const char *entry, taskq_error *err)
{
    bool is_address = false;
    const char *wrong = "it is empty, or too long";
    size_t size = entry == NULL ? 0 : strlen(entry);
    if (size == 0 || size > ENTRY_BYTES_MAX) {
        goto refused;
    }
    wrong = read_network(entry, &list->networks[list->network_count], &is_address);
    if (wrong == NULL) {
        list->network_count++;
        return TASKQ_OK;
    }
    if (is_address || strchr(entry, '/') != NULL) {
        goto refused;
    }
    char *host = read_host(list->allocator, entry, &wrong);
    if (host != NULL) {
        list->hosts[list->host_count++] = host;
        return TASKQ_OK;
    }
    if (wrong == NULL) {
        return taskq__fail_memory(err);
    }
refused:
    return taskq__fail(err, TASKQ_EINVAL, "\"%.100s\" is no network and no host: %s", entry == NULL ? "" : entry, wrong);
}

taskq_status taskq__address_list_read(const taskq_allocator *a, const char *const *entries, uint32_t count,
                                      taskq__address_list *out, taskq_error *err)
{
    *out = (taskq__address_list){.allocator = a};
    if (count == 0) {
        return TASKQ_OK;
    }
    if (entries == NULL || count > TASKQ__ADDRESS_LIST_ENTRIES_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "a list of networks and hosts has %d entries at most",
                           TASKQ__ADDRESS_LIST_ENTRIES_MAX);
    }
    out->networks = taskq__alloc_array(a, count, sizeof(*out->networks));
    out->hosts = taskq__alloc_array(a, count, sizeof(*out->hosts));
    taskq_status status = out->networks == NULL || out->hosts == NULL ? taskq__fail_memory(err) : TASKQ_OK;
    for (uint32_t i = 0; i < count && status == TASKQ_OK; i++) {
        status = add_entry(out, entries[i], err);
    }
    if (status != TASKQ_OK) {
        taskq__address_list_clear(out);
    }
    return status;
}

void taskq__address_list_clear(taskq__address_list *list)
{
    for (size_t i = 0; i < list->host_count; i++) {
        taskq__free(list->allocator, list->hosts[i]);
    }
    taskq__free(list->allocator, list->hosts);
    taskq__free(list->allocator, list->networks);
    *list = (taskq__address_list){0};
}

static bool is_within(const uint8_t bytes[16], const taskq__network *network)
{
    int whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(bytes, network->bytes, (size_t)whole) != 0) {
        return false;
    }
    return rest == 0 || (bytes[whole] >> (8 - rest)) == (network->bytes[whole] >> (8 - rest));
}

static bool has_bytes(const taskq__address_list *list, const uint8_t bytes[16])
{
    for (size_t i = 0; i < list->network_count; i++) {
        if (is_within(bytes, &list->networks[i])) {
            return true;
        }
    }
    return false;
}

/* Where the IPv4 address stands in an IPv6 address that a gateway would lead to it; -1: there is none. */
static int embedded_at(const uint8_t bytes[16])
{
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (memcmp(bytes, nat64, sizeof(nat64)) == 0) {
        return 12;
    }
    return bytes[0] == 0x20 && bytes[1] == 0x02 ? 2 : -1; /* 6to4 */
}

bool taskq__address_list_has_address(const taskq__address_list *list, const struct sockaddr *address, socklen_t size,
                                     bool embedded)
{
    uint8_t bytes[16], inner[16];
    if (address->sa_family == AF_INET && size >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        map_v4(&v4.sin_addr, bytes);
    } else if (address->sa_family == AF_INET6 && size >= (socklen_t)sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        memcpy(bytes, v6.sin6_addr.s6_addr, sizeof(bytes));
    } else {
        return false;
    }
    if (has_bytes(list, bytes)) {
        return true;
    }
    int at = embedded ? embedded_at(bytes) : -1;
    if (at < 0) {
        return false;
    }
    map_v4(bytes + at, inner);
    return has_bytes(list, inner);
}

bool taskq__address_list_has_host(const taskq__address_list *list, const char *host)
{
    size_t size = strlen(host);
    size -= size > 0 && host[size - 1] == '.' ? 1 : 0;
    for (size_t i = 0; i < list->host_count; i++) {
        const char *name = list->hosts[i];
        size_t length = strlen(name);
        bool fits = name[0] == '.' ? size > length : size == length;
        if (fits && strncasecmp(host + size - length, name, length) == 0) {
            return true;
        }
    }
    return false;
}
