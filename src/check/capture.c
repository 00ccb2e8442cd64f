/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check/capture.h"

#include <string.h>

#include "base/json.h"
#include "base/memory.h"

static json_t *read_notes(const struct root *r, struct error **err)
{
    size_t length;
    json_error_t why;
    cleanup_free char *text = root_read_data(r, CAPTURE_NOTES, &length);
    json_t *json = text ? json_loadb(text, length, 0, &why) : NULL;
    if (!text)
        error_set(err, "cannot read " CAPTURE_NOTES);
    else if (!json)
        error_set(err, CAPTURE_NOTES ": line %d: %s", why.line, why.text);
    return json;
}

struct versions capture_versions(const struct root *r)
{
    cleanup_json json_t *notes = read_notes(r, NULL);
    return (struct versions){
        .qemu = (unsigned long)json_integer_value(json_object_get(notes, "qemu")),
        .libvirt = (unsigned long)json_integer_value(json_object_get(notes, "libvirt")),
    };
}

json_t *capture_volumes(const struct root *r)
{
    cleanup_json json_t *notes = read_notes(r, NULL);
    return json_incref(json_object_get(notes, "volumes"));
}

/* "0001.xml" and not "0001.live.xml". */
static bool is_definition(const char *name)
{
    return g_str_has_suffix(name, ".xml") && !g_str_has_suffix(name, ".live.xml");
}

/* Numbers have four digits, or more where there are so many. */
static int compare_numbers(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t one = strlen(x), other = strlen(y);
    return one == other ? strcmp(x, y) : one < other ? -1 : 1;
}

static bool has_name(const GPtrArray *names, const char *name)
{
    return g_ptr_array_find_with_equal_func((GPtrArray *)names, name, g_str_equal, NULL);
}

static void add_domain(json_t *notes, const GPtrArray *names, const char *name,
                       GPtrArray *inquiries)
{
    cleanup_free char *path = xasprintf(CAPTURE_DOMAINS "/%s", name);
    struct inquiry *i = inquiry_of_file(path);
    i->captured = true;
    cleanup_free char *number = xasprintf("%.*s", (int)(strlen(name) - strlen(".xml")), name);
    cleanup_free char *live = xasprintf("%s.live.xml", number);
    if (has_name(names, live))
        i->live = xasprintf(CAPTURE_DOMAINS "/%s", live);
    const char *was = json_string_value(json_object_get(json_object_get(notes, "files"), number));
    i->was = was ? xstrdup(was) : NULL;
    g_ptr_array_add(inquiries, i);
}

static void add_images(json_t *notes, GPtrArray *inquiries)
{
    size_t i;
    json_t *image;
    json_array_foreach (json_object_get(notes, "images"), i, image)
        if (json_is_string(image))
            g_ptr_array_add(inquiries, inquiry_of_image(json_string_value(image)));
}

int capture_find(const struct root *r, const char *directory, GPtrArray *inquiries,
                 struct error **err)
{
    cleanup_json json_t *notes = read_notes(r, err);
    if (!notes) {
        error_prefix(err, "%s is no capture", directory);
        return error_hint(err, "--xml FILE and --image FILE look below any directory");
    }
    g_autoptr(GPtrArray) names = root_list(r, CAPTURE_DOMAINS);
    g_ptr_array_sort(names, compare_numbers);
    for (guint i = 0; i < names->len; i++)
        if (is_definition(names->pdata[i]))
            add_domain(notes, names, names->pdata[i], inquiries);
    add_images(notes, inquiries);
    return 0;
}
