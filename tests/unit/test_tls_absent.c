/* SPDX-License-Identifier: MIT */
/* A build on the system's civetweb, which cannot do TLS: asking for it is refused in words, not by a crash at the first handshake. */
#if !defined(TASKQ_CIVETWEB_SYSTEM)
#define TASKQ_CIVETWEB_SYSTEM
#endif
#include "../../lib/server/tls.c"
#include "support/check_main.h"

START_TEST(tls_is_refused_with_a_way_out)
{
    taskq__tls_options options = {"cert.pem", "key.pem", NULL};
    taskq__tls *tls = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__tls_open(&options, &tls, &err), TASKQ_EUNAVAIL);
    ck_assert_ptr_null(tls);
    ck_assert_msg(strstr(err.text, "no TLS") != NULL && strstr(err.text, "./dev setup") != NULL, "%s", err.text);
    taskq__tls_close(NULL);
    ck_assert_int_eq(taskq__tls_reload(NULL, NULL), TASKQ_OK);
}
END_TEST

TASKQ_TESTS(tls_is_refused_with_a_way_out)
