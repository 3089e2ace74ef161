/* SPDX-License-Identifier: MIT */
/*
 * The secret of a token: tq_w_<64 hexadecimal digits>_<8 of a checksum>. The prefix lets scanners of source code know one when they see
 * it, the letter says the role to people, 256 bits come from the system, and the checksum (CRC-32 of all that stands before it) tells a
 * typing mistake from a token that is not known. What is kept is its SHA-256: with so many random bits, no slower hash is needed.
 */
#ifndef TASKQ_SERVER_SECRET_H
#define TASKQ_SERVER_SECRET_H

#include <taskq/job.h>
#include <taskq/tokens.h>

enum { TASKQ__SECRET_SIZE = TASKQ_TOKEN_SECRET_BYTES - 2, TASKQ__SECRET_HASH_BYTES = 32 };

typedef struct taskq__secret_hash {
    unsigned char bytes[TASKQ__SECRET_HASH_BYTES];
} taskq__secret_hash;

/* EUNAVAIL: the system gives no random bits. */
taskq_status taskq__secret_make(taskq_role role, char out[TASKQ_TOKEN_SECRET_BYTES], taskq_error *err);

/* Is it a secret of ours by its form, checksum and all? */
bool taskq__secret_is_whole(taskq_text text);

bool taskq__secret_hash_of(taskq_text text, taskq__secret_hash *out);

/* Takes the same time wherever they differ. */
bool taskq__secret_hash_equal(const taskq__secret_hash *a, const taskq__secret_hash *b);

/* Hexadecimal, small letters, and back. `hex` has room for two digits a byte and a NUL. */
void taskq__hex_write(const unsigned char *bytes, size_t count, char *hex);
bool taskq__hex_read(taskq_text hex, unsigned char *bytes, size_t count);

#endif
