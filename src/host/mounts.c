/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/mounts.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "host/stack.h"

struct mounts {
    GPtrArray *list; /* struct mount *, in the order of the file */
};

/* --- Reading ---------------------------------------------------------------------------------- */

/* The fields of a line before the optional ones and behind the hyphen: proc(5). */
enum { FIELD_ID, FIELD_PARENT, FIELD_DEVICE, FIELD_ROOT, FIELD_POINT, FIELD_OPTIONS, FIELDS };
enum { TAIL_TYPE, TAIL_SOURCE, TAIL_OPTIONS, TAILS };

static bool is_octal(const char *s)
{
    return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* A zero byte is none of these, and stays as it is written. */
void mounts_unescape(char *s)
{
    char *to = s;
    while (*s) {
        int c = s[0] == '\\' && is_octal(s + 1)
                    ? (s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0')
                    : 0;
        *to++ = c ? (char)c : *s;
        s += c ? 4 : 1;
    }
    *to = '\0';
}

/* Takes up to `count` fields off the line, which is NULL when it is used up. A field may be empty:
 * exactly one blank is between two. How many there were. */
static unsigned take_fields(char **line, char **fields, unsigned count)
{
    unsigned n = 0;
    while (n < count && (fields[n] = strsep(line, " ")))
        mounts_unescape(fields[n++]);
    return n;
}

static void free_mount(void *data)
{
    struct mount *m = data;
    free(m->root);
    free(m->point);
    free(m->type);
    free(m->source);
    free(m->options);
    free(m);
}

/* The mount of one line, which is overwritten; NULL for a line of another kind. */
static struct mount *parse_line(char *line)
{
    char *head[FIELDS], *tail[TAILS], *optional;
    if (take_fields(&line, head, FIELDS) < FIELDS)
        return NULL;
    while ((optional = strsep(&line, " ")) && strcmp(optional, "-") != 0)
        ;
    if (!optional || take_fields(&line, tail, TAILS) < TAILS)
        return NULL;
    unsigned id;
    dev_t device;
    if (sscanf(head[FIELD_ID], "%9u", &id) != 1 ||
        !stack_parse_number(head[FIELD_DEVICE], &device) || head[FIELD_POINT][0] != '/')
        return NULL;
    struct mount *m = xcalloc(1, sizeof(*m));
    *m = (struct mount){
        .id = id,
        .device = device,
        .root = xstrdup(head[FIELD_ROOT]),
        .point = xstrdup(head[FIELD_POINT]),
        .type = xstrdup(tail[TAIL_TYPE]),
        .source = xstrdup(tail[TAIL_SOURCE]),
        .options = xasprintf("%s,%s", head[FIELD_OPTIONS], tail[TAIL_OPTIONS]),
    };
    return m;
}

struct mounts *mounts_parse(const char *text)
{
    struct mounts *m = xcalloc(1, sizeof(*m));
    m->list = g_ptr_array_new_with_free_func(free_mount);
    cleanup_free char *copy = xstrdup(text);
    char *rest = copy;
    for (char *line; (line = strsep(&rest, "\n"));) {
        struct mount *mount = parse_line(line);
        if (mount)
            g_ptr_array_add(m->list, mount);
    }
    return m;
}

struct mounts *mounts_read(const struct root *r)
{
    cleanup_free char *text = root_read(r, "/proc/self/mountinfo");
    return mounts_parse(text ? text : "");
}

void mounts_free(struct mounts *m)
{
    if (m)
        g_ptr_array_unref(m->list);
    free(m);
}

/* --- Looking ---------------------------------------------------------------------------------- */

const GPtrArray *mounts_list(const struct mounts *m)
{
    return m->list;
}

/* Whether the path is the mount point of this length, or below it. */
static bool is_below(const char *path, const char *point, size_t length)
{
    return strncmp(path, point, length) == 0 &&
           (path[length] == '/' || !path[length] || point[length - 1] == '/');
}

const struct mount *mounts_of_path(const struct mounts *m, const char *path)
{
    const struct mount *found = NULL;
    size_t longest = 0;
    for (guint i = 0; i < m->list->len; i++) {
        const struct mount *mount = m->list->pdata[i];
        size_t length = strlen(mount->point);
        if (length >= longest && is_below(path, mount->point, length)) {
            found = mount;
            longest = length;
        }
    }
    return found;
}

bool mount_has_option(const struct mount *m, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = m->options; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (!at[length] || at[length] == ','))
            return true;
    }
    return false;
}

bool mount_has_no_barriers(const struct mount *m)
{
    return mount_has_option(m, "nobarrier") || mount_has_option(m, "barrier=0");
}
