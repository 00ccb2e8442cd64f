/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-text.c - whatever people write as a number, a size or a time is refused, or is in bounds and
 * begins with a digit; and any message becomes one line of the same text.
 */
#undef NDEBUG
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "measure/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An error and nothing else, or a value of something that begins with a digit. */
static void check_result(const char *text, int result, const struct error *err)
{
    assert(result == 0 || result == -1);
    assert((result < 0) == !!err);
    assert(result < 0 || isdigit((unsigned char)text[0]));
    assert(!err || (err->message[0] && !strchr(err->message, '\n')));
}

static void check_size(const char *text)
{
    uint64_t bytes;
    char buffer[32];
    cleanup_error struct error *err = NULL;
    int result = text_parse_size(text, &bytes, &err);
    check_result(text, result, err);
    if (result == 0)
        assert(isdigit((unsigned char)text_format_size(bytes, buffer, sizeof(buffer))[0]));
}

static void check_number(const char *text)
{
    uint64_t number, again;
    cleanup_error struct error *err = NULL;
    int result = text_parse_number(text, 3, 1000000, &number, &err);
    check_result(text, result, err);
    if (result < 0)
        return;
    cleanup_free char *written = xasprintf("%llu", (unsigned long long)number);
    assert(number >= 3 && number <= 1000000);
    assert(strcmp(text + strspn(text, "0"), written) == 0);
    assert(text_parse_number(written, number, number, &again, NULL) == 0 && again == number);
}

static void check_duration(const char *text)
{
    uint64_t ns;
    cleanup_error struct error *err = NULL;
    int result = text_parse_duration(text, &ns, &err);
    check_result(text, result, err);
    assert(result < 0 || ns <= UINT64_C(1000000000000000000));
}

static void check_rw(const char *text)
{
    enum workload_rw rw;
    cleanup_error struct error *err = NULL;
    int result = workload_rw_parse(text, &rw, &err);
    assert((result < 0) == !!err);
    assert(result < 0 || strcmp(workload_rw_name(rw), text) == 0);
}

static void check_one_line(const char *text)
{
    cleanup_free char *line = xstrdup(text);
    text_one_line(line);
    size_t length = strlen(line);
    assert(length <= strlen(text));
    assert(!length || line[length - 1] != ' ');
    for (size_t i = 0; text[i]; i++) {
        char wanted = iscntrl((unsigned char)text[i]) ? ' ' : text[i];
        assert(i < length ? line[i] == wanted : wanted == ' ');
    }
    cleanup_free char *again = xstrdup(line);
    text_one_line(again);
    assert(strcmp(line, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_free char *text = xcalloc(size + 1, 1);
    memcpy(text, data, size);
    check_size(text);
    check_number(text);
    check_duration(text);
    check_rw(text);
    check_one_line(text);
    return 0;
}
