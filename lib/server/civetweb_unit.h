/* SPDX-License-Identifier: MIT */
/*
 * civetweb, compiled into the one file that includes this header (front_civetweb.c), as static functions:
 * no symbol of it leaves the library, so a host program may have a civetweb of its own, and the file that
 * includes it reaches what civetweb.h hides, the socket above all (conn->client.sock).
 *
 * Include it after every other header. civetweb's source
 *   - lets go of a lot of warnings and never takes them up again: the push and pop here keep it from our
 *     own code in the same file, which stays under all of ours. That our code leaves many of its functions
 *     unused is silenced here too;
 *   - renames malloc, calloc, realloc, free, snprintf, vsnprintf, mg_get_option and mg_cry to names that do
 *     not exist, so that its own authors do not use them: undone at the end, so code after the include is
 *     ordinary C (memory of civetweb's own is still only for mg_free);
 *   - sets SIGPIPE to ignored, for the whole process, at the start of each of its threads. A library must
 *     not decide that for its host; it is turned into a mask of the thread itself, which has the same effect
 *     on the only threads that write to clients;
 *   - asks for a new connection again at once where there was no descriptor for it: it pauses first.
 *
 * Without the source (TASKQ_CIVETWEB_SYSTEM) the system's library stands in: without TLS and IPv6, with a
 * socket that is out of reach and with SIGPIPE as it likes it.
 */
#ifndef TASKQ_SERVER_CIVETWEB_UNIT_H
#define TASKQ_SERVER_CIVETWEB_UNIT_H

#if defined(TASKQ_CIVETWEB_SYSTEM)

#include <civetweb.h>

#else

/* Whatever says volatile in a header of the system has said it before the macro below. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

static int civetweb_unit_mask(int number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, number);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Where no descriptor is left its master thread would ask for the same connection again and again, on a core of its own. And at the end
 * something stands in for a listener that is no listener: what woke the thread for it is taken away. */
static int civetweb_unit_accept(int listener, struct sockaddr *address, socklen_t *size)
{
    enum { PAUSE_MS = 20 };
    char byte;
    int fd = accept(listener, address, size);
    if (fd < 0 && errno == EINVAL && recv(listener, &byte, 1, MSG_DONTWAIT) < 0) {
        errno = EINVAL;
    }
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        poll(NULL, 0, PAUSE_MS);
    }
    return fd;
}

/* TLS connections are made by the newest certificate, and agreed within a time and a number of ours: both are
 * functions of the file that includes this. */
#include <openssl/err.h>
#include <openssl/ssl.h>
static SSL *civetweb_unit_ssl_new(SSL_CTX *context);
static int civetweb_unit_ssl_accept(SSL *connection);

#pragma GCC diagnostic push
#if defined(__clang__)
#pragma GCC diagnostic ignored "-Weverything"
#else
#pragma GCC diagnostic ignored "-Wunused-function"
#endif

/* Its flags and queue indices that threads read without a lock are volatile, which C11 calls a data race and
 * ThreadSanitizer too. As atomics they cost nothing on a read. What it counts with the compiler's own atomic
 * functions (threads at their start, no request) goes through its lock then. */
#define volatile _Atomic
#define NO_ATOMICS
/* Its calls only: the struct of the same name has no parenthesis after it. */
#define sigaction(number, action, old) ((void)(action), civetweb_unit_mask(number))
#define accept(listener, address, size) civetweb_unit_accept(listener, address, size)
#define SSL_new civetweb_unit_ssl_new
#define SSL_accept civetweb_unit_ssl_accept
#define CIVETWEB_API static
#include "civetweb.c"
#undef CIVETWEB_API
#undef SSL_accept
#undef SSL_new
#undef accept
#undef sigaction
#undef volatile

/* Declared by civetweb.h in every configuration and left out of ours; gcc warns about that past the pragma. */
static int mg_websocket_write(struct mg_connection *conn, int opcode, const char *data, size_t length)
{
    (void)conn, (void)opcode, (void)data, (void)length;
    return -1;
}

static int mg_websocket_client_write(struct mg_connection *conn, int opcode, const char *data, size_t length)
{
    return mg_websocket_write(conn, opcode, data, length);
}

#undef malloc
#undef calloc
#undef realloc
#undef free
#undef snprintf
#undef vsnprintf
#undef mg_get_option
#undef mg_cry

#pragma GCC diagnostic pop

#endif

#endif
