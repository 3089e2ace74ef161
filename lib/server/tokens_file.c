/* SPDX-License-Identifier: MIT */
/*
 * The file of tokens on disk. It is opened before it is judged, so that what was looked at is what is read; it is replaced, never written
 * over; and it is locked while it is changed, so that of two who add a token at once none loses it.
 */
#include "core/arena.h"
#include "core/fail.h"
#include "core/rfc3339.h"
#include "core/sized.h"
#include "core/text.h"
#include "server/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <taskq/clock.h>

enum { FILE_BYTES_MAX = 8 << 20, ID_BYTES = 6, LOCK_TRIES = 1000 };

/* ---- reading ------------------------------------------------------------------------------------------------------------------ */

static taskq_status check_file(int fd, const char *path, taskq_error *err)
{
    struct stat is;
    if (fstat(fd, &is) != 0) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(is.st_mode)) {
        return taskq__fail(err, TASKQ_EINVAL, "%s: is not a file", path);
    }
    if (is.st_uid != geteuid() && is.st_uid != 0) {
        return taskq__fail(err, TASKQ_EDENIED, "%s: belongs to user %u, neither to root nor to this process (user %u)",
                           path, (unsigned)is.st_uid, (unsigned)geteuid());
    }
    /* root's file, for a process that is not root: it is handed out by the group or an access list, as systemd's credentials are. */
    unsigned mine = is.st_uid == 0 && geteuid() != 0 ? 037 : 077;
    if ((is.st_mode & mine) != 0) {
        return taskq__fail(err, TASKQ_EDENIED, "%s: has the mode %04o, others can reach it: chmod 600 %s", path,
                           (unsigned)is.st_mode & 07777, path);
    }
    return TASKQ_OK;
}

static taskq_status read_text(int fd, const char *path, taskq__buf *text, taskq_error *err)
{
    for (;;) {
        if (!taskq__buf_reserve(text, 4096)) {
            return taskq__fail(err, TASKQ_ELIMIT, "%s: is larger than %d bytes", path, FILE_BYTES_MAX);
        }
        ssize_t got = read(fd, text->data + text->size, 4096);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return taskq__fail(err, TASKQ_EUNAVAIL, "%s: %s", path, strerror(errno));
        }
        if (got == 0) {
            return TASKQ_OK;
        }
        text->size += (size_t)got;
    }
}

static taskq_status read_open(int fd, const char *path, const taskq_allocator *a, taskq_tokens **out, taskq_error *err)
{
    taskq__buf text;
    taskq_error why = TASKQ_ERROR_INIT;
    taskq__buf_init(&text, a, FILE_BYTES_MAX);
    taskq_status status = check_file(fd, path, err);
    if (status == TASKQ_OK) {
        status = read_text(fd, path, &text, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__tokens_parse(a, taskq__buf_text(&text), out, &why);
        if (status != TASKQ_OK) {
            taskq__fail(err, status, "%s: %s", path, why.text);
        }
    }
    taskq__buf_clear(&text);
    return status;
}

taskq_status taskq_tokens_read(const char *path, const taskq_allocator *allocator, taskq_tokens **out, taskq_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return taskq__fail(err, errno == ENOENT ? TASKQ_ENOTFOUND : TASKQ_EUNAVAIL, "%s: %s", path, strerror(errno));
    }
    taskq_status status = read_open(fd, path, allocator, out, err);
    close(fd);
    return status;
}

/* ---- changing ------------------------------------------------------------------------------------------------------------------ */

typedef struct change {
    char path[PATH_MAX]; /* links followed: the file itself is replaced */
    int fd;              /* locked */
    const taskq_allocator *allocator;
    taskq_tokens *tokens;
    int64_t now_ms;
} change;

static bool is_still_there(int fd, const char *path)
{
    struct stat held;
    struct stat there;
    return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino &&
           held.st_dev == there.st_dev;
}

static taskq_status lock_file(change *self, bool make, taskq_error *err)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        self->fd = open(self->path, O_RDWR | O_CLOEXEC | O_NONBLOCK | (make ? O_CREAT : 0), 0600);
        if (self->fd < 0) {
            return taskq__fail(err, errno == ENOENT && !make ? TASKQ_ENOTFOUND : TASKQ_EUNAVAIL, "%s: %s", self->path,
                               strerror(errno));
        }
        if (flock(self->fd, LOCK_EX) != 0 && errno != EINTR) {
            return taskq__fail(err, TASKQ_EUNAVAIL, "%s: cannot be locked: %s", self->path, strerror(errno));
        }
        if (is_still_there(self->fd, self->path)) {
            return TASKQ_OK;
        }
        close(self->fd); /* somebody replaced it while we waited */
        self->fd = -1;
    }
    return taskq__fail(err, TASKQ_EBUSY, "%s: others change it all the time", self->path);
}

static void change_end(change *self)
{
    taskq_tokens_free(self->tokens);
    if (self->fd >= 0) {
        close(self->fd);
    }
}

static taskq_status change_begin(change *self, const char *path, const taskq_allocator *a, bool make, taskq_error *err)
{
    taskq_clock clock;
    taskq_clock_system(&clock);
    *self = (change){.fd = -1, .allocator = a, .now_ms = clock.wall_ms(clock.user)};
    if (path == NULL || path[0] == '\0') {
        return taskq__fail(err, TASKQ_EINVAL, "the file of tokens must be named");
    }
    if (realpath(path, self->path) == NULL) {
        if (strlen(path) >= sizeof(self->path)) {
            return taskq__fail(err, TASKQ_EINVAL, "the path of the file of tokens is too long");
        }
        snprintf(self->path, sizeof(self->path), "%s", path);
    }
    taskq_status status = lock_file(self, make, err);
    if (status == TASKQ_OK) {
        status = read_open(self->fd, self->path, a, &self->tokens, err);
    }
    return status;
}

static bool write_all(int fd, taskq_text text)
{
    for (size_t done = 0; done < text.size;) {
        ssize_t wrote = write(fd, text.data + done, text.size - done);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return fsync(fd) == 0;
}

static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd); /* not every file system lets one; the new file is in place for all who look */
        close(fd);
    }
}

static taskq_status put_in_place(const change *self, taskq_text text, taskq_error *err)
{
    char fresh[PATH_MAX + 16];
    struct stat old;
    snprintf(fresh, sizeof(fresh), "%s.XXXXXX", self->path);
    int fd = mkostemp(fresh, O_CLOEXEC); /* 0600 from its first moment */
    if (fd < 0) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "%s: %s", fresh, strerror(errno));
    }
    bool done = fstat(self->fd, &old) == 0 && write_all(fd, text);
    if (done && (old.st_uid != geteuid() || old.st_gid != getegid())) {
        done = fchown(fd, old.st_uid, old.st_gid) == 0; /* root may change the file of a server that is not root */
    }
    done = done && rename(fresh, self->path) == 0;
    int why = errno;
    close(fd);
    if (!done) {
        unlink(fresh);
        return taskq__fail(err, TASKQ_EUNAVAIL, "%s: %s", self->path, strerror(why));
    }
    sync_folder(self->path);
    return TASKQ_OK;
}

static taskq_status change_write(change *self, taskq_error *err)
{
    taskq__buf text;
    taskq__buf_init(&text, self->allocator, FILE_BYTES_MAX);
    taskq__tokens_write(self->tokens, &text);
    taskq_status status = text.failed
                              ? taskq__fail(err, TASKQ_ELIMIT, "the file would be larger than %d bytes", FILE_BYTES_MAX)
                              : put_in_place(self, taskq__buf_text(&text), err);
    taskq__buf_clear(&text);
    return status;
}

/* A fresh secret for `token`, added. */
static taskq_status add_secret(change *self, const taskq_token *token, char secret[TASKQ_TOKEN_SECRET_BYTES],
                               taskq_error *err)
{
    char id[2 * ID_BYTES + 1];
    taskq__token_entry entry = {.token = *token};
    taskq_status status = taskq__secret_make(token->role, secret, err);
    if (status == TASKQ_OK && !taskq__secret_hash_of(taskq_text_of(secret), &entry.hash)) {
        status = taskq__fail(err, TASKQ_EUNAVAIL, "SHA-256 is not to be had");
    }
    if (status == TASKQ_OK) {
        taskq__hex_write(entry.hash.bytes, ID_BYTES, id);
        entry.token.id = id;
        entry.token.created_at_ms = self->now_ms;
        status = taskq__tokens_add(self->tokens, &entry, err);
    }
    return status == TASKQ_OK ? change_write(self, err) : status;
}

static void remove_at(taskq_tokens *tokens, uint32_t index)
{
    tokens->count--;
    memmove(&tokens->entries[index], &tokens->entries[index + 1], (tokens->count - index) * sizeof(*tokens->entries));
}

/* ---- the calls ------------------------------------------------------------------------------------------------------------------ */

static taskq_status forget_on_failure(taskq_status status, char secret[TASKQ_TOKEN_SECRET_BYTES])
{
    if (status != TASKQ_OK) {
        explicit_bzero(secret, TASKQ_TOKEN_SECRET_BYTES);
    }
    return status;
}

taskq_status taskq_tokens_create(const char *path, const taskq_allocator *allocator, const taskq_token *given,
                                 char secret[TASKQ_TOKEN_SECRET_BYTES], taskq_error *err)
{
    change self;
    taskq_token token;
    if (secret == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a place for the secret is needed");
    }
    taskq_status status = TASKQ__SIZED_IN(given, &token, err);
    if (status == TASKQ_OK) {
        status = taskq__token_check(&token, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    status = change_begin(&self, path, allocator, true, err);
    if (status == TASKQ_OK && token.expires_at_ms != 0 && token.expires_at_ms <= self.now_ms) {
        status = taskq__fail_field(err, TASKQ_EINVAL, "/expires", "is over already");
    }
    for (uint32_t i = 0; status == TASKQ_OK && i < self.tokens->count; i++) {
        if (strcmp(self.tokens->entries[i].token.name, token.name) == 0) {
            status =
                taskq__fail(err, TASKQ_EEXISTS, "%s: there is a token \"%s\" already: rotate it, or revoke it first",
                            self.path, token.name);
        }
    }
    if (status == TASKQ_OK) {
        status = add_secret(&self, &token, secret, err);
    }
    change_end(&self);
    return forget_on_failure(status, secret);
}

/* The latest of the name; the others end when the overlap does, and those that are over already go. */
static bool retire(change *self, const char *name, int64_t overlap_ms, taskq_token *latest)
{
    bool found = false;
    int64_t until_ms = self->now_ms + overlap_ms;
    for (uint32_t i = 0; i < self->tokens->count;) {
        taskq_token *token = &self->tokens->entries[i].token;
        if (strcmp(token->name, name) != 0) {
            i++;
            continue;
        }
        if (!found || token->created_at_ms >= latest->created_at_ms) {
            *latest = *token;
            found = true;
        }
        if (token->expires_at_ms == 0 || token->expires_at_ms > until_ms) {
            token->expires_at_ms = until_ms;
        }
        if (token->expires_at_ms <= self->now_ms) {
            remove_at(self->tokens, i);
        } else {
            i++;
        }
    }
    return found;
}

taskq_status taskq_tokens_rotate(const char *path, const taskq_allocator *allocator, const char *name,
                                 int64_t overlap_ms, char secret[TASKQ_TOKEN_SECRET_BYTES], taskq_error *err)
{
    change self;
    taskq_token token;
    if (name == NULL || secret == NULL || overlap_ms < 0 || overlap_ms > INT64_C(31536000000)) {
        return taskq__fail(err, TASKQ_EINVAL, "a name is needed, and an overlap of a year at most");
    }
    taskq_status status = change_begin(&self, path, allocator, false, err);
    if (status == TASKQ_OK && !retire(&self, name, overlap_ms, &token)) {
        status = taskq__fail(err, TASKQ_ENOTFOUND, "%s: there is no token \"%s\"", self.path, name);
    }
    if (status == TASKQ_OK) {
        if (token.expires_at_ms != 0) {
            int64_t life_ms = token.expires_at_ms - token.created_at_ms;
            token.expires_at_ms = self.now_ms + (life_ms > 0 ? life_ms : 0);
            token.expires_at_ms = token.expires_at_ms < TASKQ__WALL_MS_MAX ? token.expires_at_ms : TASKQ__WALL_MS_MAX;
        }
        status = add_secret(&self, &token, secret, err);
    }
    change_end(&self);
    return forget_on_failure(status, secret);
}

taskq_status taskq_tokens_revoke(const char *path, const taskq_allocator *allocator, const char *name, const char *id,
                                 uint32_t *revoked, taskq_error *err)
{
    change self;
    uint32_t count = 0;
    if (name == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a name is needed");
    }
    taskq_status status = change_begin(&self, path, allocator, false, err);
    for (uint32_t i = 0; status == TASKQ_OK && i < self.tokens->count;) {
        const taskq_token *token = &self.tokens->entries[i].token;
        if (strcmp(token->name, name) == 0 && (id == NULL || strcmp(token->id, id) == 0)) {
            remove_at(self.tokens, i);
            count++;
        } else {
            i++;
        }
    }
    if (status == TASKQ_OK && count == 0) {
        status = taskq__fail(err, TASKQ_ENOTFOUND, "%s: there is no token \"%s\"%s%s", self.path, name,
                             id != NULL ? " with the id " : "", id != NULL ? id : "");
    }
    if (status == TASKQ_OK) {
        status = change_write(&self, err);
    }
    if (status == TASKQ_OK && revoked != NULL) {
        *revoked = count;
    }
    change_end(&self);
    return status;
}
