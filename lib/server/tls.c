/* SPDX-License-Identifier: MIT */
/*
 * TLS as it should be today: 1.2 and 1.3, forward secrecy and authenticated ciphers only, no compression, no renegotiation, no
 * resumption (a client whose certificate is not taken any more would resume past the new authorities). All that can be wrong with the
 * files is found when they are read, never at the first handshake.
 */
#include "server/tls.h"

#include "core/alloc.h"
#include "core/fail.h"

#include <stdlib.h>
#include <string.h>

#if defined(TASKQ_CIVETWEB_SYSTEM)

taskq_status taskq__tls_open(const taskq__tls_options *options, taskq__tls **out, taskq_error *err)
{
    (void)options, (void)out;
    return taskq__fail(err, TASKQ_EUNAVAIL,
                       "this build has no TLS (the system's civetweb cannot do it): build with civetweb's source, which "
                       "./dev setup brings, or put a proxy in front");
}

void taskq__tls_close(taskq__tls *tls)
{
    (void)tls;
}

taskq_status taskq__tls_reload(taskq__tls *tls, taskq_error *err)
{
    (void)tls, (void)err;
    return TASKQ_OK;
}

#else

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <time.h>

struct taskq__tls {
    const taskq_allocator *allocator;
    char *cert_path, *key_path, *client_ca_path;
    SSL_CTX *first; /* what the front holds; no connection is made of it once there is a newer one */
    pthread_mutex_t lock;
    SSL_CTX *current; /* guarded by lock */
};

static const char ciphers_1_2[] = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";

/* What OpenSSL says first is the cause. */
static taskq_status fail_openssl(taskq_error *err, taskq_status status, const char *path, const char *what)
{
    char said[160] = "no reason given";
    unsigned long code = ERR_get_error();
    if (code != 0) {
        const char *reason = ERR_reason_error_string(code);
        taskq_error text = TASKQ_ERROR_INIT;
        taskq__fail(&text, status, "%s", reason != NULL ? reason : "unknown error");
        memcpy(said, text.text, sizeof(said) - 1);
        said[sizeof(said) - 1] = '\0';
    }
    ERR_clear_error();
    return taskq__fail(err, status, "%s: %s: %s", path, what, said);
}

/* There is nobody to ask. */
static int no_passphrase(char *buffer, int size, int writing, void *user)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)user = true;
    return 0;
}

static SSL_CTX *new_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers_1_2) != 1 || SSL_CTX_set_num_tickets(context, 0) != 1 ||
        SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") != 1) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

static taskq_status check_dates(const X509 *cert, const char *path, taskq_error *err)
{
    time_t now = time(NULL);
    if (X509_cmp_time(X509_get0_notBefore(cert), &now) > 0) {
        return taskq__fail(err, TASKQ_EINVAL, "%s: the certificate is not valid yet", path);
    }
    if (X509_cmp_time(X509_get0_notAfter(cert), &now) < 0) {
        return taskq__fail(err, TASKQ_EINVAL, "%s: the certificate has expired", path);
    }
    return TASKQ_OK;
}

static taskq_status load_certificate(SSL_CTX *context, const taskq__tls *tls, taskq_error *err)
{
    bool asked = false;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
    if (SSL_CTX_use_certificate_chain_file(context, tls->cert_path) != 1) {
        return fail_openssl(err, TASKQ_EUNAVAIL, tls->cert_path, "the certificate cannot be read");
    }
    taskq_status status = check_dates(SSL_CTX_get0_certificate(context), tls->cert_path, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (SSL_CTX_use_PrivateKey_file(context, tls->key_path, SSL_FILETYPE_PEM) != 1) {
        unsigned long code = ERR_peek_error();
        if (asked) {
            ERR_clear_error();
            return taskq__fail(err, TASKQ_EINVAL, "%s: the key has a passphrase, and there is nobody to ask for it",
                               tls->key_path);
        }
        if (ERR_GET_LIB(code) == ERR_LIB_X509) { /* both were read, and do not go together */
            ERR_clear_error();
            return taskq__fail(err, TASKQ_EINVAL, "%s: the key does not fit the certificate %s", tls->key_path,
                               tls->cert_path);
        }
        return fail_openssl(err, TASKQ_EUNAVAIL, tls->key_path, "the key cannot be read");
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        ERR_clear_error();
        return taskq__fail(err, TASKQ_EINVAL, "%s: the key does not fit the certificate %s", tls->key_path,
                           tls->cert_path);
    }
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    SSL_CTX_set_default_passwd_cb(context, NULL);
    return TASKQ_OK;
}

static taskq_status load_clients(SSL_CTX *context, const taskq__tls *tls, taskq_error *err)
{
    if (tls->client_ca_path == NULL) {
        return TASKQ_OK;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(tls->client_ca_path);
    if (names == NULL || SSL_CTX_load_verify_file(context, tls->client_ca_path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail_openssl(err, TASKQ_EUNAVAIL, tls->client_ca_path, "the client authorities cannot be read");
    }
    SSL_CTX_set_client_CA_list(context, names);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, 8);
    return TASKQ_OK;
}

static taskq_status load(const taskq__tls *tls, SSL_CTX **out, taskq_error *err)
{
    ERR_clear_error();
    SSL_CTX *context = new_context();
    if (context == NULL) {
        return fail_openssl(err, TASKQ_EUNAVAIL, tls->cert_path, "TLS cannot be set up");
    }
    taskq_status status = load_certificate(context, tls, err);
    if (status == TASKQ_OK) {
        status = load_clients(context, tls, err);
    }
    if (status != TASKQ_OK) {
        SSL_CTX_free(context);
        return status;
    }
    *out = context;
    return TASKQ_OK;
}

taskq_status taskq__tls_open(const taskq__tls_options *options, taskq__tls **out, taskq_error *err)
{
    taskq__tls *tls = taskq__alloc(options->allocator, sizeof(*tls));
    if (tls == NULL || pthread_mutex_init(&tls->lock, NULL) != 0) {
        taskq__free(options->allocator, tls);
        return taskq__fail_memory(err);
    }
    tls->allocator = options->allocator;
    tls->cert_path = taskq__strdup(tls->allocator, options->cert_path);
    tls->key_path = taskq__strdup(tls->allocator, options->key_path);
    tls->client_ca_path =
        options->client_ca_path != NULL ? taskq__strdup(tls->allocator, options->client_ca_path) : NULL;
    bool copied = tls->cert_path != NULL && tls->key_path != NULL &&
                  (options->client_ca_path == NULL || tls->client_ca_path != NULL);
    taskq_status status = copied ? load(tls, &tls->first, err) : taskq__fail_memory(err);
    if (status != TASKQ_OK) {
        taskq__tls_close(tls);
        return status;
    }
    SSL_CTX_up_ref(tls->first);
    SSL_CTX_set_app_data(tls->first, tls);
    tls->current = tls->first;
    *out = tls;
    return TASKQ_OK;
}

void taskq__tls_close(taskq__tls *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->current);
        SSL_CTX_free(tls->first);
        taskq__free(tls->allocator, tls->cert_path);
        taskq__free(tls->allocator, tls->key_path);
        taskq__free(tls->allocator, tls->client_ca_path);
        pthread_mutex_destroy(&tls->lock);
        taskq__free(tls->allocator, tls);
    }
}

taskq_status taskq__tls_reload(taskq__tls *tls, taskq_error *err)
{
    SSL_CTX *fresh = NULL;
    taskq_status status = load(tls, &fresh, err);
    if (status != TASKQ_OK) {
        return status;
    }
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->current;
    tls->current = fresh;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old); /* its connections hold it as long as they need it */
    return TASKQ_OK;
}

struct ssl_ctx_st *taskq__tls_context(taskq__tls *tls)
{
    return tls->first;
}

struct ssl_st *taskq__tls_connection(taskq__tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *context = tls->current;
    SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&tls->lock);
    SSL *connection = SSL_new(context);
    SSL_CTX_free(context);
    return connection;
}

void taskq__tls_client_name(struct ssl_st *connection, char out[TASKQ__TLS_NAME_BYTES])
{
    const X509 *cert = SSL_get0_peer_certificate(connection);
    out[0] = '\0';
    if (cert == NULL || SSL_get_verify_result(connection) != X509_V_OK) {
        return;
    }
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return; /* of two names neither counts */
    }
    unsigned char *text = NULL;
    int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size > 0 && size < TASKQ__TLS_NAME_BYTES && memchr(text, '\0', (size_t)size) == NULL) {
        memcpy(out, text, (size_t)size);
        out[size] = '\0';
    }
    OPENSSL_free(text);
}

#endif
