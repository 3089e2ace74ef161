/* SPDX-License-Identifier: MIT */
/* Tests about addresses write them as people do. */
#include "support/address.h"

#include <arpa/inet.h>
#include <check.h>
#include <string.h>

socklen_t address_of(const char *text, any_address *out)
{
    memset(out, 0, sizeof(*out));
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        return sizeof(out->v4);
    }
    ck_assert_msg(inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1, "%s is no address", text);
    out->v6.sin6_family = AF_INET6;
    return sizeof(out->v6);
}
