/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_text_private.h - what finds things in the text (xml_text.c), for what changes it
 * (xml_splice.c).
 */
#pragma once

#include "domain/xml_text.h"

#define XML_BLANKS " \t\r\n"

/* Where an attribute is in the text; offsets in bytes. */
struct xml_written {
    size_t blank;          /* of the blank in front of it */
    size_t name, name_end; /* of its name, and behind that */
    size_t value, value_end;
    size_t end; /* behind the closing quote; 0 in one that stands for none */
    char quote;
};

/* Goes to the next attribute of an element, to its first one from {0}; false behind the last. */
bool xml_written_next(const struct xml_text *t, const struct xml_span *span, struct xml_written *a);

/* Finds an attribute, and the name of the one before it, which the caller frees. False where there
 * is none of this name, or the name is NULL: *ret and *ret_behind are then the last one, and {0}
 * and NULL where there are no attributes. ret_behind may be NULL. */
bool xml_written_find(const struct xml_text *t, xmlNodePtr node, const char *name,
                      struct xml_written *ret, char **ret_behind);
