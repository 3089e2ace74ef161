/* SPDX-License-Identifier: MIT */
/*
 * The write-ahead log: bounded while readers are in its way, kept and written over once all of it was copied back, and good
 * to recover from whatever stands behind its last frame. A copy of the files is what a process leaves that dies just then.
 */
#include "contract/sqlite_place.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FRAME_HEADER = 24,
    FRAME_BYTES = 4096 + FRAME_HEADER,
    STRIDE_BYTES = 1 << 20,
    KEPT_BYTES_MAX = 19 << 20, /* what stays when nobody writes */
    /* Readers are waited for at 64 MiB, and again with each 4 MiB where that was in vain: on a busy machine it may be. */
    LOG_BYTES_MAX = 200 << 20,
    LARGE_BYTES = 1 << 20
};

static taskq_error err;

/* ---- the log's file ------------------------------------------------------------------------------------------------ */

static int open_log(void)
{
    char path[400];
    snprintf(path, sizeof(path), "%s-wal", place.path);
    return open(path, O_RDONLY | O_CLOEXEC); /* its locks are on another file: closing it takes none along */
}

static int64_t log_bytes(void)
{
    struct stat found;
    int fd = open_log();
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &found), 0);
    close(fd);
    return (int64_t)found.st_size;
}

typedef struct log_parts {
    uint32_t round;        /* how often it was started over */
    uint32_t frames;       /* of this round */
    uint32_t older, zeros; /* places for a frame behind them that hold one of an earlier round, or nothing */
} log_parts;

static log_parts read_log(void)
{
    static const unsigned char nothing[8] = {0};
    log_parts parts = {0, 0, 0, 0};
    unsigned char head[32], frame[FRAME_HEADER];
    int fd = open_log();
    ck_assert_int_ge(fd, 0);
    if (pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head)) {
        parts.round = (uint32_t)head[12] << 24 | (uint32_t)head[13] << 16 | (uint32_t)head[14] << 8 | head[15];
        for (off_t at = sizeof(head); pread(fd, frame, sizeof(frame), at) == (ssize_t)sizeof(frame); at += FRAME_BYTES) {
            bool empty = memcmp(frame + 8, nothing, 8) == 0;
            bool current = memcmp(frame + 8, head + 16, 8) == 0 && parts.older + parts.zeros == 0;
            parts.frames += current;
            parts.older += !current && !empty;
            parts.zeros += !current && empty;
        }
    }
    close(fd);
    return parts;
}

static void upkeep(bool idle)
{
    ck_assert_msg(taskq__store_upkeep(contract.store, idle, &err) == TASKQ_OK, "%s", err.text);
}

static void make_jobs(int count)
{
    for (int i = 0; i < count; i++) {
        make_type("a");
        upkeep(false);
    }
}

/* To the place as it is now. */
static void copy_file(const sqlite_place *original, const char *suffix)
{
    char from[400], to[400], buffer[65536];
    snprintf(from, sizeof(from), "%s%s", original->path, suffix);
    snprintf(to, sizeof(to), "%s%s", place.path, suffix);
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert(in >= 0 && out >= 0);
    for (ssize_t size; (size = read(in, buffer, sizeof(buffer))) > 0;) {
        ck_assert_int_eq(write(out, buffer, (size_t)size), size);
    }
    close(in);
    close(out);
}

/* What would be found had this process died here: sound, with so many jobs queued, and it takes more. By a child: closing
 * the database's file would take this process's locks on it along. */
static void assert_recovers(int64_t queued)
{
    pid_t child = fork();
    if (child == 0) {
        const sqlite_place original = place;
        taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
        sqlite_place_make();
        copy_file(&original, "");
        copy_file(&original, "-wal");
        options.path = place.path;
        taskq_status sound = taskq_sqlite_check(&options, NULL, 0, &err);
        contract.store = sqlite_place_store(NULL);
        int64_t found = count_of(TASKQ_STATE_QUEUED);
        make_jobs(3);
        int64_t more = count_of(TASKQ_STATE_QUEUED);
        taskq_store_close(contract.store);
        sqlite_place_remove(NULL);
        _exit(sound != TASKQ_OK ? 1 : found != queued ? 2 : more != queued + 3 ? 3 : 0);
    }
    int ended = 0;
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert(WIFEXITED(ended));
    ck_assert_int_eq(WEXITSTATUS(ended), 0);
}

/* ---- tests --------------------------------------------------------------------------------------------------------- */

START_TEST(the_log_grows_in_strides_and_a_copy_with_zeros_behind_recovers)
{
    make_jobs(20);
    ck_assert_int_eq(log_bytes() % STRIDE_BYTES < STRIDE_BYTES / 4, 1); /* the first commits were there before */
    int64_t bytes = log_bytes();
    log_parts parts = read_log();
    ck_assert_uint_gt(parts.zeros, 0);
    ck_assert_uint_eq(parts.older, 0);
    assert_recovers(20);
    make_jobs(10);
    ck_assert_int_eq(log_bytes(), bytes);
    ck_assert_uint_lt(read_log().zeros, parts.zeros);
    make_jobs(300);
    ck_assert_int_gt(log_bytes(), bytes);
    ck_assert_uint_gt(read_log().zeros, 0);
    assert_recovers(330);
}
END_TEST

START_TEST(a_log_that_was_copied_back_is_kept_and_written_over)
{
    make_jobs(40);
    upkeep(true);
    int64_t bytes = log_bytes(), made = 40;
    log_parts before = read_log();
    ck_assert_int_ge(bytes, STRIDE_BYTES);
    for (uint32_t round = 1; round <= 5; round++) {
        assert_recovers(made); /* started over, with nothing written yet */
        make_jobs(2);
        made += 2;
        log_parts parts = read_log();
        ck_assert_uint_eq(parts.round, before.round + round);
        ck_assert_uint_lt(parts.frames, before.frames);
        ck_assert_uint_gt(parts.older, 0);
        assert_recovers(made); /* with frames of an earlier round behind */
        upkeep(true);
        ck_assert_int_eq(log_bytes(), bytes);
    }
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), made);
}
END_TEST

START_TEST(a_log_that_was_written_over_to_its_end_recovers_and_grows_on)
{
    make_jobs(20);
    upkeep(true);
    int64_t bytes = log_bytes();
    int jobs = 20;
    for (; log_bytes() == bytes && jobs < 2000; jobs++) {
        make_jobs(1);
        ck_assert_uint_eq(read_log().zeros > 0 || read_log().older > 0, 1); /* there is room ahead, always */
    }
    ck_assert_int_eq(log_bytes(), bytes + STRIDE_BYTES);
    assert_recovers(jobs);
}
END_TEST

START_TEST(a_store_that_was_closed_and_opened_again_goes_on)
{
    int64_t made = 0;
    for (int round = 0; round < 4; round++) {
        make_jobs(30);
        if (round % 2) {
            upkeep(true);
            make_jobs(5);
        }
        made += round % 2 ? 35 : 30;
        reopen();
        ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), made);
    }
    make_jobs(1);
    ck_assert_uint_eq(read_log().older, 0); /* the last that leaves takes the log along */
    assert_recovers(made + 1);
}
END_TEST

START_TEST(without_a_flush_a_commit_the_log_does_not_grow_ahead)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_store_close(contract.store);
    options.path = place.path;
    options.durability = TASKQ_DURABILITY_RELAXED;
    ck_assert_msg(taskq_sqlite_open(&options, &contract.store, &err) == TASKQ_OK, "%s", err.text);
    make_jobs(20);
    log_parts parts = read_log();
    ck_assert_uint_gt(parts.frames, 0);
    ck_assert_uint_eq(parts.older + parts.zeros, 0);
    assert_recovers(20);
}
END_TEST

/* ---- readers in the way -------------------------------------------------------------------------------------------- */

static void write_and_delete_large_jobs(int count, int64_t bytes_max)
{
    static char payload[LARGE_BYTES];
    memset(payload, '1', sizeof(payload));
    for (int i = 0; i < count; i++) {
        taskq_new_job job = new_job("a");
        job.payload = (taskq_text){payload, sizeof(payload)};
        int64_t id = make(&job);
        settle(TASKQ_EVENT_CANCEL, id, 0);
        ck_assert_int_eq(settle(TASKQ_EVENT_DELETE, id, 0), TASKQ_OK);
        upkeep(false);
        ck_assert_int_lt(log_bytes(), bytes_max);
    }
}

static void run_sql(sqlite3 *sqlite, const char *text)
{
    ck_assert_msg(sqlite3_exec(sqlite, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(sqlite));
}

static sqlite3 *open_reader(void)
{
    sqlite3 *sqlite = NULL;
    ck_assert_int_eq(sqlite3_open_v2(place.path, &sqlite, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL), SQLITE_OK);
    sqlite3_busy_timeout(sqlite, 10000);
    return sqlite;
}

START_TEST(a_log_that_grew_behind_a_reader_starts_over_without_it_and_is_cut_when_idle)
{
    sqlite3 *reader = open_reader();
    make_jobs(5);
    run_sql(reader, "BEGIN; SELECT count(*) FROM taskq_jobs");
    write_and_delete_large_jobs(30, LOG_BYTES_MAX);
    int64_t bytes = log_bytes();
    log_parts parts = read_log();
    ck_assert_int_gt(bytes, 30 * LARGE_BYTES);
    upkeep(true); /* waits a moment for the reader, in vain */
    ck_assert_int_eq(log_bytes(), bytes);
    assert_recovers(5);
    run_sql(reader, "COMMIT");
    write_and_delete_large_jobs(30, bytes + 6 * LARGE_BYTES);
    ck_assert_uint_gt(read_log().round, parts.round);
    upkeep(true);
    ck_assert_int_eq(log_bytes(), 0);
    make_jobs(5);
    ck_assert_uint_gt(read_log().zeros, 0);
    assert_recovers(10);
    sqlite3_close(reader);
}
END_TEST

START_TEST(what_a_reader_kept_from_being_copied_back_is_when_idle_without_it)
{
    sqlite3 *reader = open_reader();
    make_jobs(5);
    run_sql(reader, "BEGIN; SELECT count(*) FROM taskq_jobs");
    write_and_delete_large_jobs(80, LOG_BYTES_MAX); /* the last rounds wait for the reader, in vain */
    int64_t bytes = log_bytes();
    upkeep(true);
    ck_assert_int_eq(log_bytes(), bytes);
    run_sql(reader, "COMMIT");
    upkeep(true);
    ck_assert_int_eq(log_bytes(), 0);
    assert_recovers(5);
    sqlite3_close(reader);
}
END_TEST

/* Two that hand over to each other: at no instant is none of them reading. */
typedef struct readers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t begun[2]; /* guarded by lock */
    int next;
    bool stop;
} readers;

static void *read_in_turn(void *user)
{
    readers *all = user;
    sqlite3 *sqlite = open_reader();
    pthread_mutex_lock(&all->lock);
    int mine = all->next++;
    while (!all->stop) {
        pthread_mutex_unlock(&all->lock);
        run_sql(sqlite, "BEGIN; SELECT count(*) FROM taskq_counters");
        pthread_mutex_lock(&all->lock);
        uint64_t others = all->begun[1 - mine];
        all->begun[mine]++;
        pthread_cond_broadcast(&all->changed);
        while (all->begun[1 - mine] == others && !all->stop) {
            pthread_cond_wait(&all->changed, &all->lock);
        }
        pthread_mutex_unlock(&all->lock);
        run_sql(sqlite, "COMMIT");
        pthread_mutex_lock(&all->lock);
    }
    pthread_mutex_unlock(&all->lock);
    sqlite3_close(sqlite);
    return NULL;
}

START_TEST(the_log_is_bounded_though_somebody_reads_at_every_instant)
{
    readers all = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    pthread_t threads[2];
    make_jobs(1);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_in_turn, &all), 0);
    }
    uint32_t round = read_log().round;
    write_and_delete_large_jobs(320, LOG_BYTES_MAX);
    ck_assert_uint_gt(read_log().round, round);
    pthread_mutex_lock(&all.lock);
    all.stop = true;
    ck_assert(all.begun[0] > 0 && all.begun[1] > 0);
    pthread_cond_broadcast(&all.changed);
    pthread_mutex_unlock(&all.lock);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    upkeep(true);
    ck_assert_int_lt(log_bytes(), KEPT_BYTES_MAX);
    assert_recovers(1);
}
END_TEST

TASKQ_TESTS_WITH(sqlite_setup, contract_teardown, the_log_grows_in_strides_and_a_copy_with_zeros_behind_recovers,
                 a_log_that_was_copied_back_is_kept_and_written_over,
                 a_log_that_was_written_over_to_its_end_recovers_and_grows_on,
                 a_store_that_was_closed_and_opened_again_goes_on, without_a_flush_a_commit_the_log_does_not_grow_ahead,
                 a_log_that_grew_behind_a_reader_starts_over_without_it_and_is_cut_when_idle,
                 what_a_reader_kept_from_being_copied_back_is_when_idle_without_it,
                 the_log_is_bounded_though_somebody_reads_at_every_instant)
