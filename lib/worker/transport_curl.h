/* SPDX-License-Identifier: MIT */
/* What the two forms of the transport share; the only place that includes curl's header. */
#ifndef TASKQ_WORKER_TRANSPORT_CURL_H
#define TASKQ_WORKER_TRANSPORT_CURL_H

#include "worker/transport.h"

#include <curl/curl.h>

typedef struct taskq__curl_identity {
    const taskq_allocator *allocator;
    char *authorization; /* the whole header; NULL: none */
    char *ca_file, *cert_file, *key_file;
} taskq__curl_identity;

/* EINVAL: a token that cannot stand in a header; ENOMEM. `from` may be NULL. */
taskq_status taskq__curl_identity_copy(const taskq_allocator *a, const taskq__http_identity *from,
                                       taskq__curl_identity *to, taskq_error *err);
void taskq__curl_identity_clear(taskq__curl_identity *id);

taskq_status taskq__curl_begin(taskq_error *err); /* each success needs a curl_global_cleanup */
void taskq__curl_set_rules(CURL *easy, const taskq__curl_identity *id);
void taskq__curl_set_method(CURL *easy, const char *method, taskq_text body); /* the body is borrowed */
bool taskq__curl_append(struct curl_slist **list, const char *line); /* false: no memory, the list is as it was */
taskq__http_class taskq__curl_class(CURLcode code);
int64_t taskq__curl_now_ms(void); /* any origin, never back */

#endif
