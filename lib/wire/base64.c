/* SPDX-License-Identifier: MIT */
/*
 * Bytes that are no text travel in JSON as base64: what a file holds, what an HTTP service answers. Decoding is strict, so that a
 * content that was cut or mangled on its way is an error and not a shorter file.
 */
#include "wire/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void taskq__base64_encode(taskq__buf *buf, taskq_text bytes)
{
    if (!taskq__buf_reserve(buf, bytes.size / 3 * 4 + 4)) {
        return;
    }
    const unsigned char *in = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t group = (uint32_t)in[i] << 16;
        group |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)in[i + 2] : 0;
        char out[4] = {
            alphabet[group >> 18],
            alphabet[group >> 12 & 63],
            left > 1 ? alphabet[group >> 6 & 63] : '=',
            left > 2 ? alphabet[group & 63] : '=',
        };
        taskq__buf_add(buf, out, sizeof(out));
    }
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

taskq_status taskq__base64_decode(taskq__buf *buf, taskq_text text)
{
    if (text.size % 4 != 0) {
        return TASKQ_ESYNTAX;
    }
    for (size_t i = 0; i < text.size; i += 4) {
        const char *in = text.data + i;
        bool last = i + 4 == text.size;
        size_t padding = !last || in[3] != '=' ? 0 : in[2] != '=' ? 1 : 2;
        uint32_t group = 0;
        for (size_t k = 0; k < 4 - padding; k++) {
            int value = value_of(in[k]);
            if (value < 0) {
                return TASKQ_ESYNTAX;
            }
            group |= (uint32_t)value << (18 - 6 * k);
        }
        if ((padding == 1 && (group & 0xff) != 0) || (padding == 2 && (group & 0xffff) != 0)) {
            return TASKQ_ESYNTAX;
        }
        char out[3] = {(char)(group >> 16), (char)(group >> 8 & 0xff), (char)(group & 0xff)};
        taskq__buf_add(buf, out, 3 - padding);
    }
    return buf->failed ? TASKQ_ENOMEM : TASKQ_OK;
}
