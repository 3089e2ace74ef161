/* SPDX-License-Identifier: MIT */
/*
 * Retry-After in its two forms. The dates are read by hand and not with strptime: that reads names of days and months in the language of
 * the process, which is the host's to choose, while HTTP speaks English alone. A date may come in any of the three forms that HTTP ever had.
 */
#include "worker/retry_after.h"

#include "core/text.h"

#include <string.h>
#include <time.h>

#define YEAR_MS (INT64_C(31556952) * 1000)

/* w: a day's name, b: a month's, D: a day of two digits or a space and one, Y and y: a year of four or two digits, h, m, s; the rest itself */
static const char *const forms[] = {"w, D b Y h:m:s GMT", "w, D-b-y h:m:s GMT", "w b D h:m:s Y"};

static bool take_digits(taskq_text *rest, size_t count, int *out)
{
    int value = 0;
    if (rest->size < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (rest->data[i] < '0' || rest->data[i] > '9') {
            return false;
        }
        value = value * 10 + (rest->data[i] - '0');
    }
    *out = value;
    *rest = (taskq_text){rest->data + count, rest->size - count};
    return true;
}

static bool take_month(taskq_text *rest, int *out)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int month = 0; month < 12 && rest->size >= 3; month++) {
        if (memcmp(rest->data, &names[month * 3], 3) == 0) {
            *out = month;
            *rest = (taskq_text){rest->data + 3, rest->size - 3};
            return true;
        }
    }
    return false;
}

/* Which day of the week it is follows from the date: any word will do. */
static bool take_word(taskq_text *rest)
{
    size_t size = 0;
    while (size < rest->size && ((rest->data[size] >= 'A' && rest->data[size] <= 'Z') ||
                                 (rest->data[size] >= 'a' && rest->data[size] <= 'z'))) {
        size++;
    }
    *rest = (taskq_text){rest->data + size, rest->size - size};
    return size >= 3;
}

static bool take(char what, taskq_text *rest, struct tm *parts)
{
    bool padded = what == 'D' && rest->size > 0 && rest->data[0] == ' ';
    switch (what) {
    case 'w': return take_word(rest);
    case 'b': return take_month(rest, &parts->tm_mon);
    case 'Y': return take_digits(rest, 4, &parts->tm_year);
    case 'y': return take_digits(rest, 2, &parts->tm_year);
    case 'h': return take_digits(rest, 2, &parts->tm_hour);
    case 'm': return take_digits(rest, 2, &parts->tm_min);
    case 's': return take_digits(rest, 2, &parts->tm_sec);
    case 'D':
        *rest = padded ? (taskq_text){rest->data + 1, rest->size - 1} : *rest;
        return take_digits(rest, padded ? 1 : 2, &parts->tm_mday);
    default: break;
    }
    bool same = rest->size > 0 && rest->data[0] == what;
    *rest = same ? (taskq_text){rest->data + 1, rest->size - 1} : *rest;
    return same;
}

static bool read_form(const char *form, taskq_text text, struct tm *parts)
{
    *parts = (struct tm){0};
    bool fine = true;
    for (const char *c = form; *c != '\0' && fine; c++) {
        fine = take(*c, &text, parts);
    }
    return fine && text.size == 0 && parts->tm_mday >= 1 && parts->tm_mday <= 31 && parts->tm_hour < 24 &&
           parts->tm_min < 60 && parts->tm_sec <= 60;
}

static int64_t wall_ms(struct tm parts, int year)
{
    parts.tm_year = year - 1900;
    return (int64_t)timegm(&parts) * 1000;
}

static bool read_date(taskq_text text, int64_t now_ms, int64_t *out_ms)
{
    struct tm parts;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (!read_form(forms[i], text, &parts)) {
            continue;
        }
        bool short_year = strchr(forms[i], 'y') != NULL;
        *out_ms = wall_ms(parts, parts.tm_year + (short_year ? 2000 : 0));
        if (short_year && *out_ms > now_ms + 50 * YEAR_MS) {
            *out_ms = wall_ms(parts, parts.tm_year + 1900); /* such a year is one that has passed */
        }
        return true;
    }
    return false;
}

bool taskq__retry_after_read(taskq_text value, int64_t now_ms, int64_t *out_ms)
{
    int64_t number = 0;
    if (taskq__parse_int64(value, 0, INT64_MAX / 1000, &number) == TASKQ_OK) {
        *out_ms = number * 1000;
        return true;
    }
    if (!read_date(value, now_ms, &number)) {
        return false;
    }
    *out_ms = number > now_ms ? number - now_ms : 0;
    return true;
}
