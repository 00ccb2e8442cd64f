/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history.c - virt-disktune history: the races of the past.
 */
#include "tune/history.h"

#include "base/json.h"
#include "cmd/cmd.h"
#include "host/directories.h"
#include "report/report.h"

struct arguments {
    struct common_options common;
    char *directory, *limit;
    uint64_t limit_number;
};

static int parse_arguments(int argc, char **argv, struct arguments *a, struct error **err)
{
    const GOptionEntry own[] = {
        {"directory", 'd', 0, G_OPTION_ARG_FILENAME, &a->directory, "Only races in this directory",
         "DIR"},
        {"limit", 0, 0, G_OPTION_ARG_STRING, &a->limit, "At most this many races [20]", "N"},
        {NULL},
    };
    a->limit_number = 20;
    if (options_parse(argc, argv, "list the races of the past", own, &a->common, NULL, NULL, NULL,
                      err) < 0 ||
        option_number("--limit", a->limit, 1, UINT32_MAX, &a->limit_number, err) < 0)
        return -1;
    if (a->directory && !a->directory[0])
        return error_set(err, "--directory: is empty");
    /* One that is gone has a past all the same. */
    if (a->directory && option_directory(&a->directory, NULL) < 0) {
        char *absolute = g_canonicalize_filename(a->directory, NULL);
        g_free(a->directory);
        a->directory = absolute;
    }
    return 0;
}

static int print_races(const struct arguments *a, struct error **err)
{
    cleanup_free char *state = directories_state();
    cleanup_history struct history *h = history_open(state, /* make = */ false, err);
    const struct history_query query = {.directory = a->directory, .limit = a->limit_number};
    g_autoptr(GPtrArray) races = h ? history_list(h, &query, err) : NULL;
    if (!races)
        return -1;
    if (a->common.json) {
        cleanup_json json_t *json = report_history_json(races);
        if (finish_json(json, err) < 0)
            return -1;
    } else {
        report_history_text(races, stdout);
    }
    return finish_output(err);
}

int cmd_history(int argc, char **argv)
{
    static struct arguments a;
    cleanup_error struct error *err = NULL;
    int r = parse_arguments(argc, argv, &a, &err);
    if (r == 0)
        r = print_races(&a, &err);
    g_free(a.directory);
    return r < 0 ? fail(err) : EXIT_DONE;
}
