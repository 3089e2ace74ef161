/* SPDX-License-Identifier: MIT */
/*
 * The API's own description, and the pages to read and try it. All of it is compiled in, so that it fits the server that serves it and
 * works where there is no internet. The pages run under a policy that lets them load and reach nothing but this server.
 */
#include "core/text.h"
#include "server/api.h"
#include "server/pages.h"

static void reply_file(taskq__reply *reply, const char *content_type, taskq_text file)
{
    taskq__buf *body = taskq__reply_json(reply, 200);
    reply->content_type = content_type;
    taskq__buf_add_text(body, file);
}

void taskq__openapi_json(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    (void)server;
    (void)request;
    reply_file(reply, "application/json", taskq__openapi);
}

void taskq__docs_page(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    (void)server;
    (void)request;
    reply_file(reply, "text/html; charset=utf-8", taskq__docs_html);
    taskq__reply_header(reply, "Content-Security-Policy",
                        taskq_text_of("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                                      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"));
    taskq__reply_header(reply, "Referrer-Policy", taskq_text_of("no-referrer"));
}

void taskq__docs_css(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    (void)server;
    (void)request;
    reply_file(reply, "text/css; charset=utf-8", taskq__docs_style);
}

void taskq__docs_js(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    (void)server;
    (void)request;
    reply_file(reply, "text/javascript; charset=utf-8", taskq__docs_script);
}

taskq_text taskq_server_openapi(void)
{
    return taskq__openapi;
}
