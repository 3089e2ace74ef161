/* SPDX-License-Identifier: MIT */
/*
 * The contract, kept by the SQLite store on a file.
 */
#include "contract/sqlite_place.h"

int main(void)
{
    return contract_main(&sqlite_opener);
}
