/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-text.c - numbers, sizes and times are read to the last bit or refused, and what is refused
 * changes nothing.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"

#define UNTOUCHED UINT64_C(0x5aa5)

/* What a reader made of a text: `wanted`, or an error with `message` in it. */
static void check_read(const char *text, int result, uint64_t value, const struct error *err,
                       uint64_t wanted, const char *message)
{
    if (!message) {
        if (result < 0)
            fail_msg("'%s': %s", text, err->message);
        if (value != wanted)
            fail_msg("'%s' is %llu", text, (unsigned long long)value);
        assert_null(err);
        return;
    }
    if (result == 0)
        fail_msg("'%s' was read as %llu", text, (unsigned long long)value);
    if (!err || !strstr(err->message, message))
        fail_msg("'%s': the error is '%s'", text, err ? err->message : "");
    assert_int_equal(value, UNTOUCHED);
}

static const struct {
    const char *text;
    uint64_t value;
    const char *message; /* NULL: it is read as the value */
} sizes[] = {
    {"0", 0},
    {"1", 1},
    {"0064", 64},
    {"4096", 4096},
    {"1b", 1},
    {"64k", 65536},
    {"64K", 65536},
    {"64kb", 65536},
    {"64KiB", 65536},
    {"1000M", 1048576000},
    {"3mb", 3 << 20},
    {"3MIB", 3 << 20},
    {"2GiB", UINT64_C(2) << 30},
    {"4G", UINT64_C(4) << 30},
    {"4gb", UINT64_C(4) << 30},
    {"1t", UINT64_C(1) << 40},
    {"5TB", UINT64_C(5) << 40},
    {"16777215TiB", UINT64_C(16777215) << 40},
    {"18446744073709551615", UINT64_MAX},
    {"18014398509481983k", UINT64_C(18014398509481983) << 10},
    {"18014398509481984k", 0, "too large"},
    {"16777216T", 0, "too large"},
    {"18446744073709551615b", UINT64_MAX},
    {"18446744073709551615kb", 0, "too large"},
    {"18446744073709551616", 0, "not a size"},
    {"99999999999999999999999999", 0, "not a size"},
    {"", 0, "not a size"},
    {" 1", 0, "not a size"},
    {"1 ", 0, "not a size"},
    {"1 k", 0, "not a size"},
    {"1\n", 0, "not a size"},
    {"-1", 0, "not a size"},
    {"+1", 0, "not a size"},
    {"k", 0, "not a size"},
    {"1kk", 0, "not a size"},
    {"1ki", 0, "not a size"},
    {"1p", 0, "not a size"},
    {"1.5G", 0, "not a size"},
    {"1e3", 0, "not a size"},
    {"0x10", 0, "not a size"},
    {"\xc2\xb2", 0, "not a size"},
};

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t value = UNTOUCHED;
        cleanup_error struct error *err = NULL;
        int result = text_parse_size(sizes[i].text, &value, &err);
        check_read(sizes[i].text, result, value, err, sizes[i].value, sizes[i].message);
        assert_int_equal(text_parse_size(sizes[i].text, &value, NULL), result);
    }
}

static const struct {
    const char *text;
    uint64_t min, max, value;
    const char *message;
} numbers[] = {
    {"0", 0, 0, 0},
    {"7", 0, 7, 7},
    {"7", 7, 8, 7},
    {"007", 0, 9, 7},
    {"18446744073709551615", 0, UINT64_MAX, UINT64_MAX},
    {"6", 7, 8, 0, "6 is out of range (7 to 8)"},
    {"9", 7, 8, 0, "9 is out of range (7 to 8)"},
    {"18446744073709551616", 0, UINT64_MAX, 0, "not a whole number"},
    {"", 0, 9, 0, "not a whole number"},
    {"-1", 0, UINT64_MAX, 0, "not a whole number"},
    {"+1", 0, 9, 0, "not a whole number"},
    {" 1", 0, 9, 0, "not a whole number"},
    {"1 ", 0, 9, 0, "not a whole number"},
    {"1k", 0, 9999, 0, "not a whole number"},
    {"1.0", 0, 9, 0, "not a whole number"},
    {"0x1", 0, 9, 0, "not a whole number"},
    {"nan", 0, 9, 0, "not a whole number"},
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uint64_t value = UNTOUCHED;
        cleanup_error struct error *err = NULL;
        int result =
            text_parse_number(numbers[i].text, numbers[i].min, numbers[i].max, &value, &err);
        check_read(numbers[i].text, result, value, err, numbers[i].value, numbers[i].message);
    }
}

static const struct {
    const char *text;
    uint64_t ns;
    const char *message;
} durations[] = {
    {"0", 0},
    {"120", UINT64_C(120000000000)},
    {"007", UINT64_C(7000000000)},
    {"5ms", 5000000},
    {"10us", 10000},
    {"0.5us", 500},
    {"2m", UINT64_C(120000000000)},
    {"1h", UINT64_C(3600000000000)},
    {"1.5s", 1500000000},
    {"1.5", 1500000000},
    {"0.1", 100000000},
    {"0.25m", UINT64_C(15000000000)},
    /* To the nearest nanosecond. */
    {"0.0016us", 2},
    {"0.0000000004", 0},
    {"1000000000", UINT64_C(1000000000000000000)},
    {"1000000001", 0, "too long"},
    {"277778h", 0, "too long"},
    {"1e400", 0, "not a time"},
    {"", 0, "not a time"},
    {" 1", 0, "not a time"},
    {"1 ", 0, "not a time"},
    {"5 ms", 0, "not a time"},
    {"-1", 0, "not a time"},
    {"+1", 0, "not a time"},
    {".5", 0, "not a time"},
    {"s", 0, "not a time"},
    {"5MS", 0, "not a time"},
    {"5min", 0, "not a time"},
    {"1m30s", 0, "not a time"},
    {"1,5", 0, "not a time"},
    {"1d", 0, "not a time"},
    {"0x10", 0, "not a time"},
    {"0X1p4", 0, "not a time"},
    {"nan", 0, "not a time"},
    {"inf", 0, "not a time"},
};

static void test_durations(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        uint64_t value = UNTOUCHED;
        cleanup_error struct error *err = NULL;
        int result = text_parse_duration(durations[i].text, &value, &err);
        check_read(durations[i].text, result, value, err, durations[i].ns, durations[i].message);
    }
}

/* Whoever writes a unit that is not known is told which are. */
static void test_hints(void **state)
{
    (void)state;
    uint64_t value;
    cleanup_error struct error *size_err = NULL, *time_err = NULL;
    text_parse_size("5 kilo", &value, &size_err);
    text_parse_duration("5 weeks", &value, &time_err);
    assert_non_null(strstr(size_err->hint, "64k"));
    assert_non_null(strstr(time_err->hint, "5ms"));
}

static const struct {
    uint64_t bytes;
    const char *text;
} formats[] = {
    {0, "0 B"},
    {1, "1 B"},
    {1023, "1023 B"},
    {1024, "1 KiB"},
    {1536, "1.5 KiB"},
    {65536, "64 KiB"},
    {1 << 20, "1 MiB"},
    {1048576000, "1000 MiB"},
    {UINT64_C(3) << 29, "1.5 GiB"},
    {UINT64_C(7) << 40, "7 TiB"},
    {UINT64_MAX, "16777216 TiB"},
};

static void test_formats(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        char buffer[32];
        assert_ptr_equal(text_format_size(formats[i].bytes, buffer, sizeof(buffer)), buffer);
        assert_string_equal(buffer, formats[i].text);
    }
    /* What has no room is cut off, not written beyond it. */
    char small[4] = {'x', 'x', 'x', 'x'};
    assert_string_equal(text_format_size(65536, small, 3), "64");
    assert_int_equal(small[3], 'x');
}

static const struct {
    const char *item, *name;
    double weight; /* NaN: refused */
} weights[] = {
    {"dd", "dd", 1},     {"dd:2", "dd", 2},     {"dd:0.001", "dd", 0.001}, {"dd:1000", "dd", 1000},
    {":3", "", 3},       {"dd:", "dd", NAN},    {"dd:0", "dd", NAN},       {"dd:-1", "dd", NAN},
    {"dd:x", "dd", NAN}, {"dd:nan", "dd", NAN}, {"dd:1001", "dd", NAN},    {"dd:2:3", "dd", NAN},
};

static void test_weights(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(weights); i++) {
        cleanup_error struct error *err = NULL;
        cleanup_free char *item = xstrdup(weights[i].item);
        double weight = 7;
        int r = text_split_weight(item, &weight, &err);
        assert_int_equal(r, isnan(weights[i].weight) ? -1 : 0);
        assert_string_equal(item, weights[i].name);
        assert_true(r == 0 ? weight == weights[i].weight : weight == 7 && err);
    }
}

static const struct {
    const char *text, *line;
} lines[] = {
    {"", ""},
    {"plain", "plain"},
    {"  as it is", "  as it is"},
    {"one\ntwo", "one two"},
    {"one\r\ntwo\n", "one  two"},
    {"tab\there", "tab here"},
    {"end \t\n\v\f\r ", "end"},
    {"\n", ""},
    {" \n \n ", ""},
    {"\033[31mred\033[0m", " [31mred [0m"},
    {"bell\a del\177", "bell  del"},
    {"\nfront", " front"},
    /* Characters of more than one byte stay whole, also at the end. */
    {"Gr\xc3\xbcn", "Gr\xc3\xbcn"},
    {"\xe2\x82\xac\n", "\xe2\x82\xac"},
    {"\xf0\x9f\x92\xbe", "\xf0\x9f\x92\xbe"},
    {"no UTF-8: \xff\xfe", "no UTF-8: \xff\xfe"},
};

static void test_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char buffer[64];
        strcpy(buffer, lines[i].text);
        text_one_line(buffer);
        assert_string_equal(buffer, lines[i].line);
    }
    for (int c = 1; c < 32; c++) {
        char buffer[] = {'a', (char)c, 'b', (char)c, '\0'};
        text_one_line(buffer);
        assert_string_equal(buffer, "a b");
    }
}

static void test_plain_name(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""}, {"vda", "vda"}, {"../x y", "---x-y"}, {"-", "-"}, {"\xc3\xa9z9", "--z9"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cleanup_free char *name = xstrdup(rows[i][0]);
        text_plain_name(name);
        assert_string_equal(name, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_name), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_durations),
        cmocka_unit_test(test_hints),      cmocka_unit_test(test_formats),
        cmocka_unit_test(test_one_line),   cmocka_unit_test(test_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
