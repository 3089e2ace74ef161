/* SPDX-License-Identifier: MIT */
/*
 * A cursor is the id below which the list goes on, in base64url. Its form is ours to change: hence a check byte, so that what is no
 * cursor of this form is refused and not taken for another place in the list.
 */
#include "server/cursor.h"

#include <string.h>

enum { CURSOR_RAW_BYTES = 9, CURSOR_CHARS = 12 }; /* a check byte and eight of the id: twelve characters, no padding */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static unsigned char check_byte(const unsigned char *id)
{
    unsigned sum = 0x5a;
    for (int i = 0; i < 8; i++) {
        sum = (sum * 31 + id[i]) & 0xff;
    }
    return (unsigned char)sum;
}

void taskq__cursor_write(int64_t before_id, char out[TASKQ__CURSOR_BYTES])
{
    unsigned char raw[CURSOR_RAW_BYTES];
    for (int i = 0; i < 8; i++) {
        raw[1 + i] = (unsigned char)((uint64_t)before_id >> (56 - 8 * i));
    }
    raw[0] = check_byte(raw + 1);
    for (int i = 0; i < 3; i++) {
        uint32_t three = (uint32_t)raw[3 * i] << 16 | (uint32_t)raw[3 * i + 1] << 8 | raw[3 * i + 2];
        for (int k = 0; k < 4; k++) {
            out[4 * i + k] = alphabet[(three >> (18 - 6 * k)) & 63];
        }
    }
    out[CURSOR_CHARS] = '\0';
}

bool taskq__cursor_read(taskq_text text, int64_t *before_id)
{
    unsigned char raw[CURSOR_RAW_BYTES];
    if (text.size != CURSOR_CHARS) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        uint32_t three = 0;
        for (int k = 0; k < 4; k++) {
            char c = text.data[4 * i + k];
            const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
            if (at == NULL) {
                return false;
            }
            three = three << 6 | (uint32_t)(at - alphabet);
        }
        raw[3 * i] = (unsigned char)(three >> 16);
        raw[3 * i + 1] = (unsigned char)(three >> 8);
        raw[3 * i + 2] = (unsigned char)three;
    }
    uint64_t id = 0;
    for (int i = 0; i < 8; i++) {
        id = id << 8 | raw[1 + i];
    }
    if (raw[0] != check_byte(raw + 1) || id == 0 || id > INT64_MAX) {
        return false;
    }
    *before_id = (int64_t)id;
    return true;
}
