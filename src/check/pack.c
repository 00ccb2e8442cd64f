/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/memory.h"
#include "check/capture.h"
#include "check/mask.h"
#include "check/mask_xml.h"

CLEANUP_PTR(cleanup_archive_handler, struct archive, archive_write_free)
CLEANUP_PTR(cleanup_entry_handler, struct archive_entry, archive_entry_free)

/* A file, a directory or a link of the tar. */
struct member {
    enum recorded_type type;
    char *data; /* a file's content, where a link points; NULL */
    size_t length;
};

struct pack {
    GPtrArray *domains; /* char *: XML; its number is its place, from 1 on */
    GPtrArray *live;    /* char *, of the same domain, or NULL */
    GHashTable *uuids;
    json_t *files;  /* number → file that it is from */
    json_t *images; /* paths */
    json_t *volumes;
};

static void free_member(void *data)
{
    struct member *m = data;
    free(m->data);
    free(m);
}

struct pack *pack_new(void)
{
    struct pack *p = xcalloc(1, sizeof(*p));
    p->domains = g_ptr_array_new_with_free_func(free);
    p->live = g_ptr_array_new_with_free_func(free);
    p->uuids = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    p->files = json_object();
    p->images = json_array();
    p->volumes = json_object();
    return p;
}

void pack_free(struct pack *p)
{
    if (!p)
        return;
    g_ptr_array_unref(p->domains);
    g_ptr_array_unref(p->live);
    g_hash_table_unref(p->uuids);
    json_decref(p->files);
    json_decref(p->images);
    json_decref(p->volumes);
    free(p);
}

/* --- What is packed --------------------------------------------------------------------------- */

static char *number_text(guint number)
{
    return xasprintf("%04u", number);
}

/* Where libvirt has the volumes that are disks of a domain, which is not in its XML. */
static void add_volumes(struct pack *p, const struct check_domain *d)
{
    for (size_t i = 0; i < d->disk_count; i++) {
        const struct check_disk *disk = &d->disks[i];
        const struct domain_disk *m = disk->model;
        if (strcmp(m->type, "volume") != 0 || !m->pool || !m->volume ||
            !(disk->path || disk->unread))
            continue;
        cleanup_free char *key = xasprintf("%s/%s", m->pool, m->volume);
        json_object_set_new(p->volumes, key,
                            json_pack("{s:s}", disk->path ? "path" : "error",
                                      disk->path ? disk->path : disk->unread));
    }
}

bool pack_add(struct pack *p, const struct answer *a)
{
    const struct check_domain *d = a->domain;
    /* One that cannot be looked at stays an answer, and is asked for again. */
    if (a->image)
        return json_array_append_new(p->images, json_string(a->image)) == 0;
    if (!d->model)
        return false;
    add_volumes(p, d);
    g_ptr_array_add(p->domains, mask_domain(d->doc));
    g_ptr_array_add(p->live, d->live_doc ? mask_domain(d->live_doc) : NULL);
    if (d->model->uuid)
        g_hash_table_add(p->uuids, xstrdup(d->model->uuid));
    cleanup_free char *number = number_text(p->domains->len);
    if (d->file)
        json_object_set_new(p->files, number, json_string(d->file));
    return true;
}

/* --- Members ---------------------------------------------------------------------------------- */

/* Takes the data over. The path is one of the host's, and begins with a slash. */
static void add_member(GTree *members, const char *path, enum recorded_type type, char *data,
                       size_t length)
{
    struct member *m = xcalloc(1, sizeof(*m));
    *m = (struct member){.type = type, .data = data, .length = length};
    g_tree_replace(members, xstrdup(path + 1), m);
}

static void add_text(GTree *members, const char *path, const char *text)
{
    add_member(members, path, RECORDED_FILE, xstrdup(text), strlen(text));
}

static void add_json(GTree *members, const char *path, const json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    add_member(members, path, RECORDED_FILE, text, strlen(text));
}

static void add_recorded(GTree *members, const struct mask *mask, const char *path,
                         const struct recorded *e)
{
    size_t length = e->length;
    char *data =
        e->type == RECORDED_FILE && e->data && !e->image ? mask_data(mask, path, e, &length) : NULL;
    if (!data && e->data) {
        data = xcalloc(length + 1, 1);
        memcpy(data, e->data, length);
    }
    add_member(members, path, e->type, data, length);
}

static bool is_of_kernel(const char *path)
{
    return g_str_has_prefix(path, "/proc/") || g_str_has_prefix(path, "/sys/");
}

static void add_entries(GTree *members, const struct mask *mask, const struct record *r,
                        struct pack_counts *ret)
{
    GHashTableIter i;
    gpointer path, entry;
    g_hash_table_iter_init(&i, record_entries(r));
    while (g_hash_table_iter_next(&i, &path, &entry)) {
        const struct recorded *e = entry;
        if (strcmp(path, "/") == 0 || mask_drops(mask, path, e))
            continue;
        add_recorded(members, mask, path, e);
        ret->images += e->image;
        ret->files += e->type != RECORDED_DIRECTORY && is_of_kernel(path);
    }
}

/* What was refused of what is in the capture. */
static void add_refusals(GTree *members, const struct mask *mask, const struct record *r)
{
    const char *path;
    json_t *errnum;
    cleanup_json json_t *stays = json_object();
    json_object_foreach (record_refusals(r), path, errnum)
        if (!mask_drops(mask, path, NULL))
            json_object_set(stays, path, errnum);
    add_json(members, ROOT_REFUSALS_FILE, stays);
}

static void add_domains(GTree *members, const struct pack *p)
{
    for (guint i = 0; i < p->domains->len; i++) {
        cleanup_free char *number = number_text(i + 1);
        cleanup_free char *path = xasprintf(CAPTURE_DOMAINS "/%s.xml", number);
        cleanup_free char *live = xasprintf(CAPTURE_DOMAINS "/%s.live.xml", number);
        add_text(members, path, p->domains->pdata[i]);
        if (p->live->pdata[i])
            add_text(members, live, p->live->pdata[i]);
    }
}

static void add_notes(GTree *members, const struct pack *p, struct versions v, time_t now)
{
    struct tm tm;
    char time_text[sizeof("2026-01-01T00:00:00Z")];
    strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    cleanup_json json_t *notes = json_pack(
        "{s:s, s:s, s:I, s:I, s:b, s:s, s:O, s:O, s:O}", "version", VERSION, "time", time_text,
        "qemu", (json_int_t)v.qemu, "libvirt", (json_int_t)v.libvirt, "constructed", 0, "note", "",
        "files", p->files, "images", p->images, "volumes", p->volumes);
    add_json(members, CAPTURE_NOTES, notes);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static la_ssize_t take_bytes(struct archive *archive, void *data, const void *bytes, size_t length)
{
    (void)archive;
    g_byte_array_append(data, bytes, (guint)length);
    return (la_ssize_t)length;
}

static int write_member(struct archive *archive, const char *path, const struct member *m,
                        time_t now, struct error **err)
{
    static const mode_t modes[] = {[RECORDED_FILE] = S_IFREG | 0644,
                                   [RECORDED_DIRECTORY] = S_IFDIR | 0755,
                                   [RECORDED_LINK] = S_IFLNK | 0777};
    at_scope_end(cleanup_entry_handler) struct archive_entry *entry = archive_entry_new();
    size_t length = m->type == RECORDED_FILE && m->data ? m->length : 0;
    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, modes[m->type]);
    archive_entry_set_size(entry, (la_int64_t)length);
    archive_entry_set_mtime(entry, now, 0);
    if (m->type == RECORDED_LINK)
        archive_entry_set_symlink(entry, m->data);
    if (archive_write_header(archive, entry) < ARCHIVE_WARN ||
        (length && archive_write_data(archive, m->data, length) != (la_ssize_t)length))
        return error_set(err, "%s: %s", path, archive_error_string(archive));
    return 0;
}

/* The directories that another member is in: whoever unpacks that makes them. The caller frees. */
static GHashTable *parents_of(GTree *members)
{
    GHashTable *parents = g_hash_table_new_full(g_str_hash, g_str_equal, free, NULL);
    for (GTreeNode *n = g_tree_node_first(members); n; n = g_tree_node_next(n)) {
        const char *path = g_tree_node_key(n);
        for (const char *slash = path; (slash = strchr(slash, '/')); slash++)
            g_hash_table_add(parents, strndup(path, (size_t)(slash - path)));
    }
    return parents;
}

static int write_members(GTree *members, time_t now, GByteArray *out, struct error **err)
{
    at_scope_end(cleanup_archive_handler) struct archive *archive = archive_write_new();
    if (archive_write_set_format_gnutar(archive) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
        archive_write_open(archive, out, NULL, take_bytes, NULL) != ARCHIVE_OK)
        return error_set(err, "%s", archive_error_string(archive));
    g_autoptr(GHashTable) parents = parents_of(members);
    for (GTreeNode *n = g_tree_node_first(members); n; n = g_tree_node_next(n)) {
        const char *path = g_tree_node_key(n);
        if (!g_hash_table_contains(parents, path) &&
            write_member(archive, path, g_tree_node_value(n), now, err) < 0)
            return -1;
    }
    return archive_write_close(archive) == ARCHIVE_OK
               ? 0
               : error_set(err, "%s", archive_error_string(archive));
}

static gint compare_paths(gconstpointer a, gconstpointer b, gpointer data)
{
    (void)data;
    return strcmp(a, b);
}

GByteArray *pack_write(const struct pack *p, struct check_host *host, struct versions versions,
                       time_t now, struct pack_counts *ret, struct error **err)
{
    const struct record *r = root_record(host->root);
    g_autoptr(GPtrArray) mounts = check_host_mounts(host);
    cleanup_mask struct mask *mask = mask_new(r, p->uuids, mounts);
    g_autoptr(GTree) members = g_tree_new_full(compare_paths, NULL, free, free_member);
    g_autoptr(GByteArray) tar = g_byte_array_new();
    *ret = (struct pack_counts){.domains = p->domains->len};
    add_entries(members, mask, r, ret);
    add_refusals(members, mask, r);
    add_json(members, PLACES_FILE, record_places(r));
    add_notes(members, p, versions, now);
    add_domains(members, p);
    if (write_members(members, now, tar, err) < 0) {
        error_prefix(err, "cannot make the tar");
        return NULL;
    }
    return g_steal_pointer(&tar);
}
