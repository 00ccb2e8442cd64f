/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.h - numbers and sizes as people write them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The word in brackets of a list of what can be chosen ("none [bfq]"), or the only one there; NULL
 * where there is none. The caller frees. */
char *text_chosen(const char *list);

/* Turns every line break and other control character into a space and drops those at the end. */
void text_one_line(char *s);

/* Turns whatever is no ASCII letter or digit into a hyphen: a name that leads nowhere else. */
void text_plain_name(char *s);

/* Reads "64k", "1000M", "4096", "2GiB": suffixes are powers of 1024, as dd and fio read them.
 * Rejects signs, empty text, unknown suffixes and what does not fit. */
int text_parse_size(const char *s, uint64_t *ret_bytes, struct error **err);

/* Reads a plain decimal number between min and max. */
int text_parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret, struct error **err);

/* Reads "5ms", "120", "2m", "1.5s" (a bare number is seconds) into nanoseconds. */
int text_parse_duration(const char *s, uint64_t *ret_ns, struct error **err);

/* Cuts the weight off "name:2"; *ret is 1 where there is none. An error unless it is from 0.001 to
 * 1000. */
int text_split_weight(char *item, double *ret, struct error **err);

/* Writes bytes as "64 KiB", "1.5 GiB" into buffer and returns buffer. */
char *text_format_size(uint64_t bytes, char *buffer, size_t size);
