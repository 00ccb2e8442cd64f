/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/change.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "apply/by_hand.h"
#include "base/memory.h"
#include "domain/model.h"

/* --- Whether it may be made ------------------------------------------------------------------- */

static int check_saved(virDomainPtr domain, const char *name, struct error **err)
{
    /* -1 of a driver that has no such thing. */
    if (virDomainHasManagedSaveImage(domain, 0) != 1)
        return 0;
    error_set(err, "%s has a saved state, whose start would bring the old definition back", name);
    return error_hint(err, "start it and shut it down, or: virsh managedsave-remove %s", name);
}

/* What libvirt says where it knows of no such job: a driver without any, or a domain or a disk that
 * is gone meanwhile. */
static bool is_no_job(void)
{
    virErrorPtr last = virGetLastError();
    switch (last ? last->code : VIR_ERR_OK) {
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_OPERATION_INVALID:
    case VIR_ERR_INVALID_ARG:
        return true;
    default:
        return false;
    }
}

/* libvirt waits its 30 s for whoever has the domain: that is no leave to go on. */
static int not_told(const char *name, struct error **err)
{
    connection_error(err, "libvirt does not tell whether a job is at work on %s", name);
    return error_hint(err, "wait until the domain answers again (virsh domjobinfo %s)", name);
}

static int check_job(virDomainPtr domain, const char *name, struct error **err)
{
    virDomainJobInfo job = {0};
    if (virDomainGetJobInfo(domain, &job) < 0)
        return is_no_job() ? 0 : not_told(name, err);
    if (job.type == VIR_DOMAIN_JOB_NONE)
        return 0;
    error_set(err, "%s is at a job (a migration, a dump, a save, a backup)", name);
    return error_hint(err, "wait until it is done (virsh domjobinfo %s)", name);
}

static int check_block_job(virDomainPtr domain, const char *name, const char *target,
                           struct error **err)
{
    virDomainBlockJobInfo job;
    int found = virDomainGetBlockJobInfo(domain, target, &job, 0);
    if (found < 0)
        return is_no_job() ? 0 : not_told(name, err);
    if (!found)
        return 0;
    error_set(err, "a block job is at work on %s/%s", name, target);
    return error_hint(err, "wait until it is done (virsh blockjob %s %s)", name, target);
}

static int check_block_jobs(virDomainPtr domain, const char *name, struct error **err)
{
    cleanup_free char *xml = virDomainGetXMLDesc(domain, 0);
    cleanup_domain_model struct domain_model *m =
        xml ? domain_model_from_xml(xml, strlen(xml), err) : NULL;
    if (!xml)
        return connection_error(err, "cannot read what runs of %s", name);
    for (size_t i = 0; m && i < m->disk_count; i++)
        if (m->disks[i].target && check_block_job(domain, name, m->disks[i].target, err) < 0)
            return -1;
    return m ? 0 : -1;
}

int change_check_domain(virDomainPtr domain, struct error **err)
{
    const char *name = virDomainGetName(domain);
    if (virDomainIsPersistent(domain) == 0) {
        error_set(err, "%s is transient: it has no definition that could be changed", name);
        return error_hint(err, "change it where its XML comes from; --xml FILE edits a file");
    }
    if (check_saved(domain, name, err) < 0)
        return -1;
    if (virDomainIsActive(domain) != 1)
        return 0;
    return check_job(domain, name, err) < 0 || check_block_jobs(domain, name, err) < 0 ? -1 : 0;
}

char *change_read(virDomainPtr domain, struct error **err)
{
    const char *name = virDomainGetName(domain); /* libvirt forgets an error with its next call */
    char *xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
    if (!xml)
        connection_error(err, "cannot read the definition of %s", name);
    return xml;
}

/* --- Plans ------------------------------------------------------------------------------------ */

/* As a setting has it: null takes away, and numbers are written out. What is not the plan's is
 * interned. */
static const char *setting_value(json_t *value)
{
    if (!json_is_integer(value))
        return json_string_value(value);
    cleanup_free char *text = xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return g_intern_string(text);
}

#define CACHE_KEY "metadata_cache_bytes"

/* The plan has the unit in its key, and 0 for what QEMU takes unasked. */
static struct disk_setting setting_of(const char *key, json_t *value)
{
    if (strcmp(key, CACHE_KEY) != 0)
        return (struct disk_setting){key, setting_value(value)};
    bool unasked = json_is_integer(value) && json_integer_value(value) == 0;
    return (struct disk_setting){"metadata_cache", unasked ? NULL : setting_value(value)};
}

GArray *change_settings_of_plan(json_t *plan, GPtrArray *ret_left, struct error **err)
{
    g_autoptr(GArray) settings = g_array_new(FALSE, FALSE, sizeof(struct disk_setting));
    const char *key;
    json_t *value;
    json_object_foreach (json_object_get(plan, "set"), key, value) {
        const struct disk_setting s = setting_of(key, value);
        if (by_hand_is_left(plan, key))
            continue;
        if (disk_setting_check(&s, err) < 0) {
            error_prefix(err, "the plan");
            return NULL;
        }
        g_array_append_val(settings, s);
    }
    by_hand_say(plan, ret_left);
    return g_steal_pointer(&settings);
}

int change_check_plan(json_t *plan, const char *uuid, const struct domain_disk *disk,
                      struct error **err)
{
    const char *of = NULL, *hash = NULL;
    json_unpack(plan, "{s:{s?s}, s:s}", "domain", "uuid", &of, "disk_sha256", &hash);
    if (of && uuid && strcmp(of, uuid) != 0)
        return error_set(err, "the plan is for the domain %s, and this is %s", of, uuid);
    if (hash && strcmp(disk->hash, hash) == 0)
        return 0;
    error_set(err, "the disk %s has changed since the plan was made", disk->target);
    return error_hint(err, "measure it again with tune, or name the settings with --set");
}

/* --- Making it -------------------------------------------------------------------------------- */

static int check_unchanged(virDomainPtr domain, const char *expected, struct error **err)
{
    cleanup_free char *now = change_read(domain, err);
    if (!now)
        return -1;
    if (strcmp(now, expected) == 0)
        return 0;
    error_set(err, "the definition of %s was changed by somebody else meanwhile",
              virDomainGetName(domain));
    return error_hint(err, "look at it, and try again");
}

static int define(virDomainPtr domain, const char *xml, struct error **err)
{
    const char *name = virDomainGetName(domain);
    virDomainPtr defined = virDomainDefineXMLFlags(virDomainGetConnect(domain), xml, 0);
    if (!defined)
        return connection_error(err, "libvirt does not define %s", name);
    virDomainFree(defined);
    return 0;
}

/* The first edit that is not there, as a sentence's subject. */
static const char *first_missing(const char *xml, const GPtrArray *edits)
{
    for (guint i = 0; i < edits->len; i++) {
        enum edits_state state = EDITS_PRESENT;
        g_autoptr(GPtrArray) one = g_ptr_array_new();
        g_ptr_array_add(one, edits->pdata[i]);
        const struct edit *e = edits->pdata[i];
        if (edits_state(xml, one, &state, NULL) == 0 && state != EDITS_PRESENT)
            return e->attribute ? e->attribute : e->where;
    }
    return "the change";
}

static int check_kept(virDomainPtr domain, const GPtrArray *edits, struct error **err)
{
    enum edits_state state;
    cleanup_free char *kept = change_read(domain, err);
    if (!kept || edits_state(kept, edits, &state, err) < 0)
        return -1;
    if (state == EDITS_PRESENT)
        return 0;
    error_set(err, "libvirt did not keep %s: this version does not know it",
              first_missing(kept, edits));
    return error_hint(err, "the definition is as it was before");
}

/* An error of libvirt's may be that of its answer alone: only a definition that is read to be as
 * before tells that nothing has come of it. */
static int not_defined(virDomainPtr domain, struct change_record *record, struct error **err)
{
    if (check_unchanged(domain, record->before, NULL) == 0)
        change_record_save(record, RECORD_UNDONE, NULL);
    else
        error_hint(err, "whether it has done so all the same: virt-disktune status %s",
                   record->name);
    return -1;
}

/* What is meant is enough to take it back by: that it is made need not be written down. */
static void save_or_note(struct change_record *record, enum record_state state, GPtrArray *notes)
{
    cleanup_error struct error *unsaved = NULL;
    if (change_record_save(record, state, &unsaved) < 0)
        g_ptr_array_add(notes, xasprintf("the record does not say that it is %s: %s",
                                         change_record_state_name(state), unsaved->message));
}

int change_make(virDomainPtr domain, struct change_record *record, const char *after,
                GPtrArray *notes, struct error **err)
{
    if (check_unchanged(domain, record->before, err) < 0 ||
        change_record_save(record, RECORD_MEANT, err) < 0)
        return -1;
    if (define(domain, after, err) < 0)
        return not_defined(domain, record, err);
    if (check_kept(domain, record->edits, err) == 0) {
        save_or_note(record, RECORD_MADE, notes);
        return 0;
    }
    if (define(domain, record->before, NULL) == 0)
        change_record_save(record, RECORD_UNDONE, NULL);
    else
        error_hint(err, "what was before is in %s", record->path);
    return -1;
}

int change_take_back(virDomainPtr domain, struct change_record *record, const char *now,
                     const char *without, GPtrArray *notes, struct error **err)
{
    if (check_unchanged(domain, now, err) < 0)
        return -1;
    if (strcmp(now, without) == 0)
        return change_record_save(record, RECORD_UNDONE, err);
    if (define(domain, without, err) < 0)
        return -1;
    save_or_note(record, RECORD_UNDONE, notes);
    return 0;
}
