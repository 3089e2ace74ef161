/* SPDX-License-Identifier: MIT */
/*
 * Times as the API writes and reads them. Five of them stand in every job that is answered, so writing is
 * arithmetic on digits, without gmtime or printf; reading is strict, since a time that was guessed at runs a
 * job at the wrong hour. The calendar is the proleptic Gregorian one, with the year counted from March so
 * that the leap day comes last.
 */
#include "core/rfc3339.h"

#include <string.h>

#define MS_PER_DAY INT64_C(86400000)
#define WRITE_MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 }; /* 400 years; from 0000-03-01 */

typedef struct civil {
    int32_t year, month, day, hour, minute, second, ms;
    int32_t offset_minutes;
} civil;

static void put_digits(char *out, int32_t number, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

void taskq__rfc3339_write(int64_t unix_ms, char out[TASKQ__RFC3339_BYTES + 1])
{
    int64_t clamped = unix_ms < 0 ? 0 : unix_ms > WRITE_MS_MAX ? WRITE_MS_MAX : unix_ms;
    int32_t ms_of_day = (int32_t)(clamped % MS_PER_DAY);
    int32_t days = (int32_t)(clamped / MS_PER_DAY) + DAYS_TO_1970;
    int32_t era = days / DAYS_PER_ERA, day_of_era = days % DAYS_PER_ERA;
    int32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int32_t month_from_march = (5 * day_of_year + 2) / 153;
    int32_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int32_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int32_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);

    memcpy(out, "0000-00-00T00:00:00.000Z", TASKQ__RFC3339_BYTES + 1);
    put_digits(out, year, 4);
    put_digits(out + 5, month, 2);
    put_digits(out + 8, day, 2);
    put_digits(out + 11, ms_of_day / 3600000, 2);
    put_digits(out + 14, ms_of_day / 60000 % 60, 2);
    put_digits(out + 17, ms_of_day / 1000 % 60, 2);
    put_digits(out + 20, ms_of_day % 1000, 3);
}

static int64_t days_from_civil(int32_t year, int32_t month, int32_t day)
{
    int32_t march_year = month <= 2 ? year - 1 : year;
    int32_t era = (march_year >= 0 ? march_year : march_year - 399) / 400;
    int32_t year_of_era = march_year - era * 400;
    int32_t month_from_march = month > 2 ? month - 3 : month + 9;
    int32_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static int32_t days_in_month(int32_t year, int32_t month)
{
    static const int8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month];
}

/* Takes `count` digits off the front; false where there are fewer. */
static bool take_digits(taskq_text *rest, int count, int32_t *out)
{
    if (rest->size < (size_t)count) {
        return false;
    }
    int32_t number = 0;
    for (int i = 0; i < count; i++) {
        char c = rest->data[i];
        if (c < '0' || c > '9') {
            return false;
        }
        number = number * 10 + (c - '0');
    }
    *out = number;
    *rest = (taskq_text){rest->data + count, rest->size - (size_t)count};
    return true;
}

/* Takes one character off the front if it is one of `choices`. */
static bool take_char(taskq_text *rest, const char *choices, char *out)
{
    if (rest->size == 0 || rest->data[0] == '\0' || strchr(choices, rest->data[0]) == NULL) {
        return false;
    }
    *out = rest->data[0];
    *rest = (taskq_text){rest->data + 1, rest->size - 1};
    return true;
}

/* ".5", ".123456789": at least one digit; what is beyond milliseconds is read and dropped. */
static bool take_fraction(taskq_text *rest, int32_t *ms)
{
    char point;
    *ms = 0;
    if (!take_char(rest, ".", &point)) {
        return true;
    }
    int32_t digit, weight = 100;
    bool any = false;
    while (take_digits(rest, 1, &digit)) {
        *ms += digit * weight;
        weight /= 10;
        any = true;
    }
    return any;
}

static bool take_offset(taskq_text *rest, civil *out, bool *in_range)
{
    char sign, colon;
    int32_t hours, minutes;
    out->offset_minutes = 0;
    *in_range = true;
    if (take_char(rest, "Zz", &sign)) {
        return true;
    }
    if (!take_char(rest, "+-", &sign) || !take_digits(rest, 2, &hours) || !take_char(rest, ":", &colon) ||
        !take_digits(rest, 2, &minutes)) {
        return false;
    }
    *in_range = hours <= 23 && minutes <= 59;
    out->offset_minutes = (sign == '-' ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

static bool read_form(taskq_text text, civil *out, bool *offset_in_range)
{
    char c;
    return take_digits(&text, 4, &out->year) && take_char(&text, "-", &c) && take_digits(&text, 2, &out->month) &&
           take_char(&text, "-", &c) && take_digits(&text, 2, &out->day) && take_char(&text, "Tt ", &c) &&
           take_digits(&text, 2, &out->hour) && take_char(&text, ":", &c) && take_digits(&text, 2, &out->minute) &&
           take_char(&text, ":", &c) && take_digits(&text, 2, &out->second) && take_fraction(&text, &out->ms) &&
           take_offset(&text, out, offset_in_range) && text.size == 0;
}

static bool is_calendar_time(const civil *at)
{
    return at->month >= 1 && at->month <= 12 && at->day >= 1 && at->day <= days_in_month(at->year, at->month) &&
           at->hour <= 23 && at->minute <= 59 && at->second <= 60;
}

taskq_status taskq__rfc3339_parse(taskq_text text, int64_t *out_ms)
{
    civil at;
    bool offset_in_range;
    if (!read_form(text, &at, &offset_in_range)) {
        return TASKQ_ESYNTAX;
    }
    if (!offset_in_range || !is_calendar_time(&at)) {
        return TASKQ_EINVAL;
    }
    int64_t minutes = days_from_civil(at.year, at.month, at.day) * 1440 + at.hour * 60 + at.minute - at.offset_minutes;
    int64_t ms = minutes * 60000 + at.second * 1000 + at.ms;
    if (at.second == 60) {
        /* Leap seconds are put in at midnight UTC and nowhere else. */
        int64_t minute_of_day = ((minutes % 1440) + 1440) % 1440;
        if (minute_of_day != 1439) {
            return TASKQ_EINVAL;
        }
        ms -= at.ms;
    }
    if (ms < 0 || ms > TASKQ__WALL_MS_MAX) {
        return TASKQ_EINVAL;
    }
    *out_ms = ms;
    return TASKQ_OK;
}
