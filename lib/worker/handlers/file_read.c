/* SPDX-License-Identifier: MIT */
/*
 * The operations of the `file` handler that change nothing: read, list, stat, checksum. Only regular files are read: a FIFO or a device
 * below the root would block the worker or never end.
 */
#include "core/alloc.h"
#include "core/text.h"
#include "wire/base64.h"
#include "wire/emit.h"
#include "worker/handlers/confine.h"
#include "worker/handlers/file_ops.h"
#include "worker/handlers/sha256.h"
#include "worker/run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES 65536

static taskq__file_failure failed(int error, const char *what)
{
    return (taskq__file_failure){error, what};
}

int taskq__file_open_regular(int root_fd, const char *path, int64_t *size)
{
    int fd = taskq__confine_open(root_fd, path, O_RDONLY);
    if (fd < 0) {
        return fd;
    }
    struct stat info;
    int wrong = fstat(fd, &info) != 0 ? -errno : S_ISREG(info.st_mode) ? 0 : S_ISDIR(info.st_mode) ? -EISDIR : -EINVAL;
    if (wrong != 0) {
        close(fd);
        return wrong;
    }
    if (size != NULL) {
        *size = info.st_size;
    }
    return fd;
}

int taskq__file_open_bounded(const taskq__file_job *job)
{
    int64_t size = 0;
    int fd = taskq__file_open_regular(job->root_fd, job->path, &size);
    if (fd >= 0 && size > job->bytes_max) {
        close(fd);
        return -EFBIG;
    }
    return fd;
}

/* Up to `max` bytes from the file's beginning. */
static int read_all(int fd, taskq__buf *out, size_t max)
{
    char chunk[CHUNK_BYTES];
    while (out->size < max) {
        size_t want = max - out->size < sizeof(chunk) ? max - out->size : sizeof(chunk);
        ssize_t got = read(fd, chunk, want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        taskq__buf_add(out, chunk, (size_t)got);
    }
    return out->failed ? -ENOMEM : 0;
}

/* How long a text becomes in JSON: control characters take six bytes each. */
static size_t escaped_bytes(taskq_text text)
{
    size_t bytes = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bytes += c < 0x20 ? 6 : c == '"' || c == '\\' ? 2 : 1;
    }
    return bytes;
}

static void emit_content(taskq__buf *result, taskq_text content, bool base64, bool truncated)
{
    if (!base64 && truncated) { /* a character that the bound cut in two is no reason to call the text binary */
        taskq_text whole = content;
        for (int i = 0; i < 3 && whole.size > 0 && !taskq__text_is_utf8(whole); i++) {
            whole.size--;
        }
        content = taskq__text_is_utf8(whole) ? whole : content;
    }
    base64 = base64 || !taskq__text_is_utf8(content) || escaped_bytes(content) > content.size / 3 * 4 + CHUNK_BYTES;
    taskq__emit_key(result, "content");
    if (base64) {
        taskq__buf_add_char(result, '"');
        taskq__base64_encode(result, content);
        taskq__buf_add_char(result, '"');
    } else {
        taskq__emit_string(result, content);
    }
    taskq__emit_key(result, "encoding");
    taskq__emit_string(result, taskq_text_of(base64 ? "base64" : "utf-8"));
    taskq__emit_key(result, "truncated");
    taskq__emit_bool(result, truncated);
}

taskq__file_failure taskq__file_read(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    int fd = taskq__file_open_regular(job->root_fd, job->path, NULL);
    if (fd < 0) {
        return failed(fd, "open for reading");
    }
    taskq__buf content;
    taskq__buf_init(&content, taskq__run_allocator(run), TASKQ__FILE_READ_BYTES_MAX + 1);
    int error = read_all(fd, &content, TASKQ__FILE_READ_BYTES_MAX + 1);
    close(fd);
    if (error == 0) {
        taskq_text text = taskq__buf_text(&content);
        bool truncated = text.size > TASKQ__FILE_READ_BYTES_MAX;
        text.size -= truncated ? 1 : 0;
        emit_content(result, text, job->base64, truncated);
    }
    taskq__buf_clear(&content);
    return failed(error, "read");
}

taskq__file_failure taskq__file_checksum(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    int fd = taskq__file_open_bounded(job);
    if (fd < 0) {
        return failed(fd, "open for reading");
    }
    taskq__sha256 *sum = taskq__sha256_new(taskq__run_allocator(run));
    int error = sum == NULL ? -ENOMEM : 0;
    int64_t bytes = 0;
    char chunk[CHUNK_BYTES];
    while (error == 0) {
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got == 0) {
            break;
        }
        if (got > 0) {
            taskq__sha256_add(sum, chunk, (size_t)got);
            bytes += got;
            error = bytes > job->bytes_max ? -EFBIG : 0; /* it grows while it is read */
        } else if (errno != EINTR) {
            error = -errno;
        }
        if (error == 0 && taskq_run_should_stop(run) != TASKQ_RUN_GOES_ON) {
            error = -ECANCELED;
        }
    }
    close(fd);
    char hex[TASKQ__SHA256_HEX_BYTES + 1];
    if (!taskq__sha256_end(sum, hex) && error == 0) {
        error = -ENOMEM;
    }
    if (error == 0) {
        taskq__emit_key(result, "sha256");
        taskq__emit_string(result, taskq_text_of(hex));
        taskq__emit_key(result, "bytes");
        taskq__emit_int(result, bytes);
    }
    return failed(error, "read for the checksum");
}

static const char *type_of(mode_t mode)
{
    return S_ISREG(mode)    ? "file"
           : S_ISDIR(mode)  ? "directory"
           : S_ISLNK(mode)  ? "link"
           : S_ISFIFO(mode) ? "fifo"
           : S_ISSOCK(mode) ? "socket"
                            : "device";
}

static void emit_type_and_size(taskq__buf *result, const struct stat *info)
{
    taskq__emit_key(result, "type");
    taskq__emit_string(result, taskq_text_of(type_of(info->st_mode)));
    taskq__emit_key(result, "size");
    taskq__emit_int(result, info->st_size);
}

taskq__file_failure taskq__file_stat(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    (void)run;
    int fd = taskq__confine_open(job->root_fd, job->path, O_PATH | O_NOFOLLOW);
    if (fd < 0) {
        return failed(fd, "stat");
    }
    struct stat info;
    int error = fstat(fd, &info) != 0 ? -errno : 0;
    close(fd);
    if (error == 0) {
        char mode[16];
        snprintf(mode, sizeof(mode), "%04o", (unsigned)info.st_mode & 07777u);
        emit_type_and_size(result, &info);
        taskq__emit_key(result, "mode");
        taskq__emit_string(result, taskq_text_of(mode));
        taskq__emit_key(result, "modified_at");
        taskq__emit_time(result, (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000);
    }
    return failed(error, "stat");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, each to be freed, but for "." and "..". */
static int read_names(const taskq_allocator *a, DIR *directory, char **names, size_t *count, bool *truncated)
{
    for (struct dirent *entry; errno = 0, (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (*count == TASKQ__FILE_LIST_ENTRIES_MAX) {
            *truncated = true;
            return 0;
        }
        names[*count] = taskq__strdup(a, entry->d_name);
        if (names[*count] == NULL) {
            return -ENOMEM;
        }
        (*count)++;
    }
    return -errno;
}

static void emit_entry(taskq__buf *result, int directory_fd, const char *name)
{
    struct stat info;
    if (fstatat(directory_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return; /* gone since it was read */
    }
    taskq__emit_comma(result);
    taskq__emit_open(result, '{');
    taskq__emit_key(result, "name");
    taskq__emit_string(result, taskq_text_of(name));
    emit_type_and_size(result, &info);
    taskq__emit_close(result, '}');
}

taskq__file_failure taskq__file_list(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    const taskq_allocator *a = taskq__run_allocator(run);
    int fd = taskq__confine_open(job->root_fd, job->path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return failed(fd, "open the directory");
    }
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        int error = -errno;
        close(fd);
        return failed(error, "open the directory");
    }
    size_t count = 0;
    bool truncated = false;
    char **names = taskq__alloc_array(a, TASKQ__FILE_LIST_ENTRIES_MAX, sizeof(*names));
    int error = names == NULL ? -ENOMEM : read_names(a, directory, names, &count, &truncated);
    if (error == 0) {
        qsort(names, count, sizeof(*names), compare_names);
        taskq__emit_key(result, "entries");
        taskq__emit_open(result, '[');
        for (size_t i = 0; i < count; i++) {
            emit_entry(result, fd, names[i]);
        }
        taskq__emit_close(result, ']');
        taskq__emit_key(result, "truncated");
        taskq__emit_bool(result, truncated);
    }
    for (size_t i = 0; i < count; i++) {
        taskq__free(a, names[i]);
    }
    taskq__free(a, names);
    closedir(directory);
    return failed(error, "list");
}
