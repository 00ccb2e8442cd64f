/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_place.h - where in a domain's XML an edit is: what struct edit's where means, and what is
 * found there.
 */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>

#include "base/error.h"

/* The domain of a document. Errors: it is no domain, one of another hypervisor, or has twice what
 * libvirt looks at once. */
xmlNodePtr place_domain(xmlDocPtr doc, struct error **err);

/* The element at a place, and the one that it is in, or would be; NULL where there is none. */
xmlNodePtr place_find(xmlNodePtr domain, const char *where);
xmlNodePtr place_parent(xmlNodePtr domain, const char *where);

/* Whether `where` is a place at all. */
bool place_is_valid(const char *where);

/* The id in "iothreadids/iothread:3"; 0 for other places. */
unsigned place_iothread(const char *where);

/* The disk with this target. Errors: there is none, with the targets that there are, or several. */
xmlNodePtr place_disk(xmlNodePtr domain, const char *target, struct error **err);

/* The bus of a disk: where the XML names none, the one that libvirt takes for its target. The
 * caller frees. */
char *place_bus(xmlNodePtr disk);

/* The index of the controller that a SCSI disk is on. */
unsigned place_controller_index(xmlNodePtr disk);

/* The controller of a SCSI disk. Errors: the XML has none, several, or one that is no virtio-scsi.
 */
xmlNodePtr place_controller(xmlNodePtr disk, struct error **err);

/* What else is on the controller of a SCSI disk, "sdb, sdc"; NULL for nothing. The caller frees. */
char *place_controller_others(xmlNodePtr disk);
