/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_text.h - a document as text and as tree at once, for changes that leave every other byte.
 *
 * Theory of operation. Writing a tree out again loses what a tree does not know: quotes, blanks
 * inside of tags, how characters were escaped. So what is meant is found in the tree, which a real
 * parser made, and changed in the text. The n-th start tag of the text is the n-th element of the
 * tree, because there are no entities that could hold elements; so a scanner that finds tags is
 * all it takes to come from one to the other, and it can be simple, because the parser has already
 * said that the text is well formed. Each change is also made in the tree, the new text is parsed,
 * and the two trees have to be the same: else the change is an error.
 */
#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Where an element is in the text; offsets in bytes. */
struct xml_span {
    size_t start;       /* of its "<" */
    size_t name_end;    /* behind its name */
    size_t tag_end;     /* behind the ">" of its start tag */
    size_t close_start; /* of its end tag; tag_end where it has none */
    size_t end;         /* behind the whole element */
    bool self_closed;   /* "<a/>" */
};

struct xml_text {
    char *text;
    xmlDocPtr doc;
    GArray *spans; /* struct xml_span, in the order of the document */
};

/* Reads a document; the caller frees. Errors: it is no XML (xml.h), or in an encoding other than
 * UTF-8 and ASCII. */
struct xml_text *xml_text_read(const char *text, struct error **err);

void xml_text_free(struct xml_text *t);
CLEANUP_PTR(cleanup_xml_text_handler, struct xml_text, xml_text_free)
#define cleanup_xml_text at_scope_end(cleanup_xml_text_handler)

/* Where an element of the tree is; valid until the next change. */
const struct xml_span *xml_text_span(const struct xml_text *t, xmlNodePtr node);

/* An attribute as it is written, of those that have no prefix; raw with the blank in front of it,
 * behind is the name of the one before it, NULL for the first one. NULL where there is none. The
 * caller frees. */
char *xml_text_raw_attribute(const struct xml_text *t, xmlNodePtr node, const char *name,
                             char **ret_behind);
/* What is between its quotes, not unescaped. */
char *xml_text_raw_value(const struct xml_text *t, xmlNodePtr node, const char *name);
/* How one that is to come last would be written there, and the name of the one before it. */
char *xml_text_compose_attribute(const struct xml_text *t, xmlNodePtr node, const char *name,
                                 const char *value, char **ret_behind);

/* The quote of the element's last attribute, or of the nearest element around it that has one. */
char xml_text_quote(const struct xml_text *t, xmlNodePtr node);

/* An element as it is written. The caller frees. */
char *xml_text_raw_element(const struct xml_text *t, xmlNodePtr node);

/* The blanks in front of an element, from the last line break on; all of them where there is no
 * line break. The caller frees. */
char *xml_text_indentation(const struct xml_text *t, xmlNodePtr node);

/*
 * Changes. 0, or -1 with an error, after which the document is of no use but to be freed. Every
 * node of the tree is another one afterwards.
 */

/* Gives an attribute that is there another value; raw is how the value is written, NULL: as it has
 * to be. */
int xml_text_set_attribute(struct xml_text *t, xmlNodePtr node, const char *name, const char *value,
                           const char *raw, struct error **err);
/* Inserts one, written as raw, behind another one: NULL for none, behind the last one where that is
 * not there. */
int xml_text_insert_attribute(struct xml_text *t, xmlNodePtr node, const char *name,
                              const char *value, const char *raw, const char *behind,
                              struct error **err);
/* Removes one, with the blank in front of it. */
int xml_text_remove_attribute(struct xml_text *t, xmlNodePtr node, const char *name,
                              struct error **err);

/* Replaces the number that is an element's text. An error where it has anything else in it than
 * that and blanks. */
int xml_text_set_number(struct xml_text *t, xmlNodePtr node, const char *digits,
                        struct error **err);

/* Inserts an element as the first child of one that is not self-closed, or behind another one, in
 * its neighbours' indentation. *ret_raw is all that was written, the caller frees it. */
int xml_text_insert_first(struct xml_text *t, xmlNodePtr parent, const char *element,
                          char **ret_raw, struct error **err);
int xml_text_insert_behind(struct xml_text *t, xmlNodePtr sibling, const char *element,
                           char **ret_raw, struct error **err);
/* Removes an element that was inserted, with the blanks in front of it, and those behind it that
 * came with it. */
int xml_text_remove_inserted(struct xml_text *t, xmlNodePtr node, const char *raw,
                             struct error **err);
/* Replaces one by another one that is written so. */
int xml_text_replace_element(struct xml_text *t, xmlNodePtr node, const char *element,
                             struct error **err);
/* Removes any element, with the blanks in front of it. *ret_raw is all that was written from the
 * element before it (or from the start tag around it) to its own end, *ret_behind that element's
 * name, NULL for none; the caller frees both. */
int xml_text_remove_element(struct xml_text *t, xmlNodePtr node, char **ret_raw, char **ret_behind,
                            struct error **err);
/* Puts one back that was removed so, where the comments before it still are, if they are. */
int xml_text_put_back_element(struct xml_text *t, xmlNodePtr parent, const char *element,
                              const char *raw, const char *behind, struct error **err);
/* Whether the element is what is written there, and nothing else. */
bool xml_text_is_element(xmlNodePtr node, const char *element);

/* Makes "<a></a>" of "<a/>", and the reverse: of elements that are so, others stay. */
int xml_text_open(struct xml_text *t, xmlNodePtr node, struct error **err);
int xml_text_close(struct xml_text *t, xmlNodePtr node, struct error **err);
