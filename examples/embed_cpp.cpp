/* SPDX-License-Identifier: MIT */
/*
 * taskq from C++: the objects in unique_ptrs that close them, lambdas as handlers, errors as exceptions, in a few lines that a program
 * may take over. Scheduler, server and worker live in this one process. Run: embed_cpp DATABASE
 */
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <taskq/taskq.h>

namespace tq
{

inline void check(taskq_status status, const taskq_error &err)
{
    if (status != TASKQ_OK) {
        throw std::runtime_error(std::string(taskq_status_name(status)) + ": " + err.text);
    }
}

/* A handle whose end is a function of C: one type for all of them. */
template <auto Close> struct closer {
    template <typename T> void operator()(T *object) const
    {
        Close(object);
    }
};
using store = std::unique_ptr<taskq_store, closer<taskq_store_close>>;
using scheduler = std::unique_ptr<taskq_scheduler, closer<taskq_scheduler_close>>;
using server = std::unique_ptr<taskq_server, closer<taskq_server_stop>>;
using client = std::unique_ptr<taskq_client, closer<taskq_client_close>>;
using worker = std::unique_ptr<taskq_worker, closer<taskq_worker_close>>;

/* taskq_xxx_open(&options, &object, &err) as an expression. */
template <typename Handle, typename Options, typename Open> Handle open(Open *opener, const Options &options)
{
    taskq_error err = TASKQ_ERROR_INIT;
    typename Handle::pointer object = nullptr;
    check(opener(&options, &object, &err), err);
    return Handle(object);
}

inline std::string_view view(taskq_text text)
{
    return {text.data == nullptr ? "" : text.data, text.size};
}
inline taskq_text text(std::string_view view)
{
    return {view.data(), view.size()};
}

/* What a handler returns becomes the job's result, what it throws its error: no exception crosses into C. */
using handler = std::function<std::string(taskq_run *)>;
inline taskq_status call(taskq_run *run, void *user)
{
    try {
        return taskq_run_result(run, text((*static_cast<handler *>(user))(run)));
    } catch (const std::exception &error) {
        return taskq_run_fail(run, "exception", "%s", error.what());
    }
}

} // namespace tq

static int run(const char *path)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_sqlite_options file = TASKQ_SQLITE_OPTIONS_INIT;
    file.path = path;
    auto store = tq::open<tq::store>(taskq_sqlite_open, file);

    taskq_scheduler_options scheduling = TASKQ_SCHEDULER_OPTIONS_INIT;
    scheduling.store = store.get();
    auto scheduler = tq::open<tq::scheduler>(taskq_scheduler_open, scheduling);
    tq::check(taskq_scheduler_start(scheduler.get(), &err), err);

    const char *listens[] = {"127.0.0.1:0"};
    taskq_server_options serving = TASKQ_SERVER_OPTIONS_INIT;
    serving.scheduler = scheduler.get();
    serving.listens = listens;
    serving.listen_count = 1;
    auto server = tq::open<tq::server>(taskq_server_start, serving);
    const char *urls[] = {taskq_server_url(server.get(), 0)};

    taskq_client_options asking = TASKQ_CLIENT_OPTIONS_INIT;
    asking.servers = urls;
    asking.server_count = 1;
    auto client = tq::open<tq::client>(taskq_client_open, asking);

    /* Handlers live as long as the worker: they are declared before it. A deque does not move them. */
    std::deque<tq::handler> handlers;
    taskq_worker_options working = TASKQ_WORKER_OPTIONS_INIT;
    working.servers = urls;
    working.server_count = 1;
    auto worker = tq::open<tq::worker>(taskq_worker_open, working);
    auto handle = [&](const char *type, tq::handler handler) {
        handlers.push_back(std::move(handler));
        tq::check(taskq_worker_handle(worker.get(), type, tq::call, &handlers.back(), &err), err);
    };

    int seen = 0;
    handle("count", [&seen](taskq_run *run) {
        seen++;
        return std::to_string(tq::view(taskq_run_job(run)->payload).size());
    });
    handle("throw", [](taskq_run *run) -> std::string {
        taskq_run_no_retry(run);
        throw std::runtime_error("as C++ says it");
    });

    for (const char *type : {"count", "throw"}) {
        taskq_new_job job = TASKQ_NEW_JOB_INIT;
        job.type = taskq_text_of(type);
        job.payload = tq::text("[1,2,3]");
        std::int64_t id = 0;
        std::uint32_t count = 0;
        taskq_state state = TASKQ_STATE_QUEUED;
        tq::check(taskq_client_enqueue(client.get(), &job, nullptr, nullptr, &id, nullptr, &err), err);
        tq::check(taskq_worker_poll(worker.get(), 1, 10000, &count, &err), err);
        tq::check(taskq_worker_execute(worker.get(), &err), err);
        tq::check(taskq_worker_report(worker.get(), &err), err);
        tq::check(taskq_client_wait(client.get(), id, 60000, &state, nullptr, &err), err);
        std::printf("%s: %s\n", type, taskq_state_name(state));
    }
    std::printf("the lambda ran %d time\n", seen);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: embed_cpp DATABASE\n");
        return 2;
    }
    try {
        return run(argv[1]);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "embed_cpp: %s\n", error.what());
        return 1;
    }
}
