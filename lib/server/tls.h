/* SPDX-License-Identifier: MIT */
/*
 * The certificate, the key and the client authorities of a server, checked before they are used, and exchanged while it runs. OpenSSL's
 * types stay in the files that need them.
 */
#ifndef TASKQ_SERVER_TLS_H
#define TASKQ_SERVER_TLS_H

#include <taskq/alloc.h>
#include <taskq/status.h>

typedef struct taskq__tls taskq__tls;
struct ssl_st;
struct ssl_ctx_st;

typedef struct taskq__tls_options {
    const char *cert_path, *key_path, *client_ca_path;
    const taskq_allocator *allocator; /* borrowed until it is closed */
} taskq__tls_options;

/* EINVAL: they do not go together, are over, or not valid yet; EUNAVAIL: cannot be read, or this build has no TLS. Paths are copied. */
taskq_status taskq__tls_open(const taskq__tls_options *options, taskq__tls **out, taskq_error *err);
void taskq__tls_close(taskq__tls *tls); /* NULL is fine */
/* The files again. A failure leaves what there is. Connections keep what they began with. */
taskq_status taskq__tls_reload(taskq__tls *tls, taskq_error *err);

/* A connection that has still to be agreed, by the newest files; NULL: no memory. Any thread. */
struct ssl_st *taskq__tls_connection(taskq__tls *tls);
/* What a front needs to have before the first connection. */
struct ssl_ctx_st *taskq__tls_context(taskq__tls *tls);

enum { TASKQ__TLS_NAME_BYTES = 129 };
/* The common name of the certificate that the client showed and that was verified; "": none, or not one name. */
void taskq__tls_client_name(struct ssl_st *connection, char out[TASKQ__TLS_NAME_BYTES]);

#endif
