/* SPDX-License-Identifier: MIT */
/*
 * The contract, kept by the SQLite store on a file.
 */
#include "contract/contract.h"
#include "contract/sqlite_place.h"

static void *make_place(void)
{
    sqlite_place *place = malloc(sizeof(*place));
    ck_assert_ptr_nonnull(place);
    sqlite_place_make(place);
    return place;
}

static taskq_store *open_store(void *place)
{
    taskq_store *store = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = sqlite_place_open(((sqlite_place *)place)->path, &store, &err);
    ck_assert_msg(status == TASKQ_OK, "%s", err.text);
    return store;
}

static void remove_place(void *place)
{
    sqlite_place_remove(place);
    free(place);
}

int main(void)
{
    static const contract_opener opener = {"sqlite", make_place, open_store, remove_place, NULL};
    return contract_main(&opener);
}
