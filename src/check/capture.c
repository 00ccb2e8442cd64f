/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/capture.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

static json_t *read_notes(const char *directory, struct error **err)
{
    cleanup_free char *path = xasprintf("%s/" CAPTURE_DIRECTORY "/capture.json", directory);
    cleanup_free char *text = file_read(path, NULL, err);
    json_error_t why;
    json_t *json = text ? json_loads(text, 0, &why) : NULL;
    if (text && !json)
        error_set(err, "%s: line %d: %s", path, why.line, why.text);
    return json;
}

struct versions capture_versions(const char *directory)
{
    cleanup_json json_t *notes = read_notes(directory, NULL);
    return (struct versions){
        .qemu = (unsigned long)json_integer_value(json_object_get(notes, "qemu")),
        .libvirt = (unsigned long)json_integer_value(json_object_get(notes, "libvirt")),
    };
}

/* "0001.xml" and not "0001.live.xml". */
static bool is_definition(const char *name)
{
    return g_str_has_suffix(name, ".xml") && !g_str_has_suffix(name, ".live.xml");
}

static void add_domain(const char *domains, const char *name, GPtrArray *inquiries)
{
    cleanup_free char *path = xasprintf("%s/%s", domains, name);
    struct inquiry *i = inquiry_of_file(path);
    i->captured = true;
    cleanup_free char *live =
        xasprintf("%s/%.*s.live.xml", domains, (int)(strlen(name) - strlen(".xml")), name);
    if (g_file_test(live, G_FILE_TEST_IS_REGULAR))
        i->live = TAKE_PTR(live);
    g_ptr_array_add(inquiries, i);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int capture_find(const char *directory, GPtrArray *inquiries, struct error **err)
{
    cleanup_json json_t *notes = read_notes(directory, err);
    if (!notes) {
        error_prefix(err, "%s is no capture", directory);
        return error_hint(err, "--xml FILE and --image FILE look below any directory");
    }
    cleanup_free char *domains = xasprintf("%s/" CAPTURE_DIRECTORY "/domains", directory);
    g_autoptr(GDir) dir = g_dir_open(domains, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        if (is_definition(name))
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++)
        add_domain(domains, names->pdata[i], inquiries);
    return 0;
}
