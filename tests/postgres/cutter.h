/* SPDX-License-Identifier: MIT */
/* A wire between a store and its server that is cut at a message that the test names: before it is passed on, in one direction or
 * the other. It counts the messages of the connection that commits; every other one is left alone. */
#ifndef TASKQ_TESTS_POSTGRES_CUTTER_H
#define TASKQ_TESTS_POSTGRES_CUTTER_H

#include <stdbool.h>

typedef enum cutter_way { TO_SERVER, TO_CLIENT } cutter_way;

void cutter_start(const char *host, int port);
void cutter_stop(void);
int cutter_port(void);
/* The next connection that gets to the message `nth` (from 0) from now on that way is cut, once. */
void cutter_arm(cutter_way way, int nth);
bool cutter_has_cut(void);

#endif
