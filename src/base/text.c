/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

char *text_chosen(const char *list)
{
    const char *open = strchr(list, '['), *close = open ? strchr(open, ']') : NULL;
    if (close)
        return xasprintf("%.*s", (int)(close - open - 1), open + 1);
    return list[0] && !strpbrk(list, " []") ? xstrdup(list) : NULL;
}

void text_one_line(char *s)
{
    size_t length = 0;
    for (size_t i = 0; s[i]; i++) {
        if (iscntrl((unsigned char)s[i]))
            s[i] = ' ';
        if (s[i] != ' ')
            length = i + 1;
    }
    s[length] = '\0';
}

void text_plain_name(char *s)
{
    static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    while (*(s += strspn(s, plain)))
        *s++ = '-';
}

/* strtoull accepts signs and leading space; a size or a count has neither. */
static int parse_digits(const char *s, unsigned long long *ret, char **ret_end)
{
    if (!isdigit((unsigned char)s[0]))
        return -1;
    errno = 0;
    *ret = strtoull(s, ret_end, 10);
    return errno ? -1 : 0;
}

int text_parse_size(const char *s, uint64_t *ret_bytes, struct error **err)
{
    static const struct {
        const char *suffix;
        unsigned shift;
    } units[] = {
        {"", 0},     {"b", 0},  {"k", 10},  {"kb", 10},  {"kib", 10}, {"m", 20},  {"mb", 20},
        {"mib", 20}, {"g", 30}, {"gb", 30}, {"gib", 30}, {"t", 40},   {"tb", 40}, {"tib", 40},
    };
    unsigned long long number;
    char *end;
    if (parse_digits(s, &number, &end) < 0)
        return error_set(err, "'%s' is not a size", s);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strcasecmp(end, units[i].suffix) != 0)
            continue;
        if (number > (UINT64_MAX >> units[i].shift))
            return error_set(err, "'%s' is too large a size", s);
        *ret_bytes = (uint64_t)number << units[i].shift;
        return 0;
    }
    error_set(err, "'%s' is not a size", s);
    return error_hint(err, "sizes are written as 65536, 64k, 1000M or 4G (powers of 1024)");
}

int text_parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret, struct error **err)
{
    unsigned long long number;
    char *end;
    if (parse_digits(s, &number, &end) < 0 || *end)
        return error_set(err, "'%s' is not a whole number", s);
    if (number < min || number > max)
        return error_set(err, "%s is out of range (%llu to %llu)", s, (unsigned long long)min,
                         (unsigned long long)max);
    *ret = number;
    return 0;
}

int text_parse_duration(const char *s, uint64_t *ret_ns, struct error **err)
{
    static const struct {
        const char *suffix;
        double ns;
    } units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9}, {"h", 3600e9}};
    char *end;
    if (!isdigit((unsigned char)s[0]))
        return error_set(err, "'%s' is not a time", s);
    /* strtod would also read hexadecimal, which nobody means here: "0x" stops at the x. */
    double number = s[0] == '0' && tolower((unsigned char)s[1]) == 'x' ? NAN : strtod(s, &end);
    if (!isfinite(number))
        return error_set(err, "'%s' is not a time", s);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        if (number * units[i].ns > 1e18)
            return error_set(err, "'%s' is too long a time", s);
        *ret_ns = (uint64_t)(number * units[i].ns + 0.5);
        return 0;
    }
    error_set(err, "'%s' is not a time", s);
    return error_hint(err, "times are written as 120, 5ms, 2m or 1h (a bare number is seconds)");
}

int text_split_weight(char *item, double *ret, struct error **err)
{
    char *colon = strchr(item, ':'), *end;
    double weight = 1;
    if (colon) {
        *colon = '\0';
        weight = strtod(colon + 1, &end);
        if (end == colon + 1 || *end || !(weight >= 0.001 && weight <= 1000))
            return error_set(err, "the weight of %s has to be a number from 0.001 to 1000", item);
    }
    *ret = weight;
    return 0;
}

char *text_format_size(uint64_t bytes, char *buffer, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(buffer, size, value == floor(value) ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return buffer;
}
