/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_same.h - whether two trees say the same.
 */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>

/* Everything counts, comments and processing instructions too, but for the order of attributes and
 * for text that is nothing but blanks. */
bool xml_same_node(xmlNodePtr a, xmlNodePtr b);
bool xml_same_document(xmlDocPtr a, xmlDocPtr b);
