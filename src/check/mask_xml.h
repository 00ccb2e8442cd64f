/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mask_xml.h - a domain's XML as a capture has it: what rules look at, and no more.
 *
 * It is a list of what stays, not of what goes: an element that nobody has thought of is not in a
 * capture, whatever it holds.
 */
#pragma once

#include <libxml/tree.h>

/* The document as text, with elements, attributes, comments and texts left out that no rule looks at;
 * a disk's serial, wwn, vendor and product are there with another text. The caller frees. */
char *mask_domain(xmlDocPtr doc);
