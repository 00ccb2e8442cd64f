/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/fio_keys.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

/* What zipf has where no theta is given. */
#define ZIPF_DEFAULT 1.1

/* --- Numbers ---------------------------------------------------------------------------------- */

/* The factor of a suffix; 0 where there is no such suffix. Under a kb_base of 1024 fio has the two
 * kinds of prefixes the wrong way round, for the sake of old files: "k" and "kb" are 1024, "kib" is
 * 1000. */
static uint64_t multiplier(const char *suffix, uint64_t kb_base)
{
    static const char prefixes[] = "kmgtp";
    uint64_t base = kb_base, factor = 1;
    if (!*suffix || strcasecmp(suffix, "b") == 0)
        return 1;
    const char *prefix = strchr(prefixes, tolower((unsigned char)suffix[0]));
    if (!prefix)
        return 0;
    if (strcasecmp(suffix + 1, "ib") == 0)
        base = kb_base == 1024 ? 1000 : 1024;
    else if (suffix[1] && strcasecmp(suffix + 1, "b") != 0)
        return 0;
    for (const char *p = prefixes; p <= prefix; p++)
        factor *= base;
    return factor;
}

int fio_value_number(const char *value, uint64_t kb_base, uint64_t *ret, struct error **err)
{
    bool hex = value[0] == '0' && (value[1] == 'x' || value[1] == 'X');
    const char *digits = hex ? value + 2 : value;
    char *end;
    uint64_t factor, result;
    if (hex ? !isxdigit((unsigned char)digits[0]) : !isdigit((unsigned char)digits[0]))
        return error_set(err, "'%.64s' is not a number", value);
    errno = 0;
    unsigned long long number = strtoull(digits, &end, hex ? 16 : 10);
    if (errno)
        return error_set(err, "'%.64s' is too large", value);
    /* "0x10b" is 0x10b. */
    factor = multiplier(end, kb_base);
    if (!factor) {
        error_set(err, "'%.64s' is not a number", value);
        return error_hint(err, "numbers are written as 4096, 0x1000, 64k or 1M");
    }
    if (__builtin_mul_overflow((uint64_t)number, factor, &result))
        return error_set(err, "'%.64s' is too large", value);
    *ret = result;
    return 0;
}

int fio_value_time(const char *value, uint64_t *ret_ns, struct error **err)
{
    static const struct {
        const char *suffix;
        uint64_t ns;
    } units[] = {{"", UINT64_C(1000000000)},
                 {"s", UINT64_C(1000000000)},
                 {"ms", 1000000},
                 {"us", 1000},
                 {"m", UINT64_C(60000000000)},
                 {"h", UINT64_C(3600000000000)},
                 {"d", UINT64_C(86400000000000)}};
    char *end = NULL;
    errno = 0;
    unsigned long long number = isdigit((unsigned char)value[0]) ? strtoull(value, &end, 10) : 0;
    for (size_t i = 0; end && i < ARRAY_SIZE(units); i++) {
        if (strcasecmp(end, units[i].suffix) != 0)
            continue;
        if (errno || number > (uint64_t)1000000000000000000 / units[i].ns)
            return error_set(err, "'%.64s' is too long a time", value);
        *ret_ns = (uint64_t)number * units[i].ns;
        return 0;
    }
    error_set(err, "'%.64s' is not a time", value);
    return error_hint(err, "times are written as 30, 500ms, 2m or 1h (a bare number is seconds)");
}

bool fio_value_percent(const char *value, unsigned *ret)
{
    size_t digits = strspn(value, "0123456789");
    if (digits < 1 || digits > 3 || strcmp(value + digits, "%") != 0)
        return false;
    *ret = (unsigned)strtoul(value, NULL, 10);
    return *ret >= 1 && *ret <= 100;
}

int fio_value_pair(const char *value, uint64_t kb_base, uint64_t ret[2], struct error **err)
{
    cleanup_free char *copy = xstrdup(value);
    char *rest = copy, *part;
    uint64_t values[3] = {ret[0], ret[1], 0};
    unsigned count = 0;
    for (; (part = strsep(&rest, ",")); count++) {
        if (count == ARRAY_SIZE(values))
            return error_set(err, "'%.64s' has more than three values", value);
        if (*part && fio_value_number(part, kb_base, &values[count], err) < 0)
            return -1;
    }
    if (strspn(value, ",") == strlen(value))
        return error_set(err, "'%.64s' is not a number", value);
    ret[0] = values[0];
    ret[1] = count == 1 ? values[0] : values[1];
    return 0;
}

/* --- Block sizes ------------------------------------------------------------------------------ */

#define SHARE_NOT_GIVEN UINT32_MAX

/* One "64k/40". fio takes a share of 0 for one that is not given. */
static int parse_share(char *text, uint64_t kb_base, struct block_share *ret, struct error **err)
{
    uint64_t bytes, percent = 0;
    char *slash = strchr(text, '/');
    if (slash)
        *slash++ = '\0';
    if (fio_value_number(text, kb_base, &bytes, err) < 0)
        return -1;
    if (bytes > WORKLOAD_BLOCK_MAX)
        return error_set(err, "block size '%.64s': more than 16 MiB", text);
    if (slash && *slash && strspn(slash, "0123456789") != strlen(slash))
        return error_set(err, "'%.64s' is not a percentage", slash);
    if (slash && *slash && fio_value_number(slash, kb_base, &percent, err) < 0)
        return -1;
    if (percent > 100)
        return error_set(err, "'%.64s' is more than 100 %%", slash);
    ret->bytes = (uint32_t)bytes;
    ret->percent = percent ? (unsigned)percent : SHARE_NOT_GIVEN;
    return 0;
}

/* Gives the rest to those without a share, and what does not divide to the last of them. */
static int fill_shares(struct block_share *shares, unsigned count, struct error **err)
{
    unsigned sum = 0, missing = 0, last = 0;
    for (unsigned i = 0; i < count; i++) {
        if (shares[i].percent == SHARE_NOT_GIVEN) {
            missing++;
            last = i;
        } else {
            sum += shares[i].percent;
        }
    }
    if (sum > 100 || (sum < 100 && !missing))
        return error_set(err, "the shares add up to %u %% instead of 100", sum);
    for (unsigned i = 0; i < count; i++)
        if (shares[i].percent == SHARE_NOT_GIVEN)
            shares[i].percent = (100 - sum) / missing;
    if (missing)
        shares[last].percent += (100 - sum) % missing;
    return 0;
}

/* The split of one direction. */
static int parse_shares(char *text, uint64_t kb_base, struct block_share *ret, unsigned *ret_count,
                        struct error **err)
{
    char *rest = text, *part;
    unsigned count = 0;
    while ((part = strsep(&rest, ":"))) {
        if (!*part && !rest && count)
            break;
        if (count == WORKLOAD_SIZES_MAX)
            return error_set(err, "more than %d block sizes", WORKLOAD_SIZES_MAX);
        if (parse_share(part, kb_base, &ret[count], err) < 0)
            return -1;
        count++;
    }
    *ret_count = count;
    return fill_shares(ret, count, err);
}

int fio_value_split(const char *value, uint64_t kb_base, struct fio_options *o, struct error **err)
{
    cleanup_free char *copy = xstrdup(value);
    char *rest = copy, *part;
    struct block_share first[WORKLOAD_SIZES_MAX] = {0};
    unsigned first_count = 0;
    for (unsigned direction = 0; (part = strsep(&rest, ",")); direction++) {
        struct block_share shares[WORKLOAD_SIZES_MAX] = {0};
        unsigned count = 0;
        if (direction == 3)
            return error_set(err, "'%.64s' has more than three values", value);
        if (parse_shares(part, kb_base, shares, &count, err) < 0)
            return -1;
        if (direction == 0) {
            memcpy(first, shares, sizeof(first));
            first_count = count;
        } else if (count != first_count || memcmp(first, shares, sizeof(first)) != 0) {
            return error_set(err, "other block sizes for writes than for reads are not supported");
        }
    }
    memcpy(o->sizes, first, sizeof(first));
    o->size_count = first_count;
    return 0;
}

/* --- Random addresses ------------------------------------------------------------------------- */

int fio_value_distribution(const char *value, double *ret_zipf, struct error **err)
{
    static const char zipf[] = "zipf:";
    if (strcmp(value, "random") == 0) {
        *ret_zipf = 0;
        return 0;
    }
    if (strcmp(value, "zipf") == 0) {
        *ret_zipf = ZIPF_DEFAULT;
        return 0;
    }
    if (strncmp(value, zipf, strlen(zipf)) != 0)
        return error_set(err, "the distribution '%.64s' is not supported", value);
    const char *number = value + strlen(zipf);
    char *end;
    double theta = strtod(number, &end);
    /* strtod would read "inf" and hexadecimal too. */
    if (!isdigit((unsigned char)number[0]) || strpbrk(number, "xX") || *end || !isfinite(theta))
        return error_set(err, "'%.64s' is not a theta for zipf", number);
    if (theta == 1)
        return error_set(err, "fio does not take a theta of 1");
    *ret_zipf = theta;
    return 0;
}
