/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * change.h - a change of a domain's definition: whether it may be made, made, and taken back.
 */
#pragma once

#include "apply/change_record.h"
#include "domain/connection.h"
#include "domain/edit.h"
#include "domain/model.h"

/* An error where a change of the definition would be lost or come at a bad time: the domain is
 * transient; there is a saved state, which has its own definition; it is at a job, or one of its
 * disks is, or libvirt does not tell, because somebody else has the domain. */
int change_check_domain(virDomainPtr domain, struct error **err);

/* The definition for the next start, with its secrets: libvirt would lose them otherwise. The
 * caller frees. Errors: libvirt's. */
char *change_read(virDomainPtr domain, struct error **err);

/* The settings of a plan ("set"), which they refer to; the caller frees (g_array_unref) the array
 * of struct disk_setting. `ret_left` gets what of the plan is left to people (strings; by_hand.h).
 * Errors: it sets what is no setting of a disk. */
GArray *change_settings_of_plan(json_t *plan, GPtrArray *ret_left, struct error **err);

/* An error unless the plan is for this domain, and its disk still as it was measured for. */
int change_check_plan(json_t *plan, const char *uuid, const struct domain_disk *disk,
                      struct error **err);

/* Makes it: writes the record, defines `after`, reads it back, and writes the record again; that
 * this last one could not be done is no error, and is appended to `notes` (strings). The lock is
 * held. Errors: the definition is no longer record->before; libvirt refuses, or is gone; what was
 * read back lacks an edit, and then what was before is defined again. After an error the record is
 * RECORD_UNDONE where nothing has changed for certain, else RECORD_MEANT: libvirt may have done
 * what it gave no answer to. */
int change_make(virDomainPtr domain, struct change_record *record, const char *after,
                GPtrArray *notes, struct error **err);

/* Takes it back in the definition `now`, of which `without` was made by edit_undo; `notes` as
 * above. The lock is held. Errors: the definition is no longer `now`; libvirt refuses; where there
 * was nothing left to take back, the record cannot be written. */
int change_take_back(virDomainPtr domain, struct change_record *record, const char *now,
                     const char *without, GPtrArray *notes, struct error **err);
