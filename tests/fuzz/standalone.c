/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * standalone.c - makes a fuzzer an ordinary test: runs it once on each file named, and on each file
 * below a directory named, and prints TAP. An input that the fuzzer does not survive ends the
 * program, and its line is missing.
 *
 * Exit status: 0 all read and survived, 1 some could not be read, 2 there is none.
 */
#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct list {
    char **paths;
    size_t count;
};

static int compare_names(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Adds every file named, in an order that does not depend on the file system. What cannot be read
 * is added as well, and fails later. */
static void collect(char *const *arguments, struct list *list)
{
    FTS *tree = fts_open(arguments, FTS_LOGICAL | FTS_NOCHDIR, compare_names);
    for (FTSENT *entry; tree && (entry = fts_read(tree));) {
        if (entry->fts_info == FTS_D || entry->fts_info == FTS_DP)
            continue;
        list->paths = xreallocarray(list->paths, list->count + 1, sizeof(*list->paths));
        list->paths[list->count++] = xstrdup(entry->fts_path);
    }
    if (tree)
        fts_close(tree);
}

static bool run(const char *path)
{
    size_t length;
    cleanup_error struct error *err = NULL;
    cleanup_free char *data = file_read(path, &length, &err);
    if (!data) {
        printf("# %s\n", err->message);
        return false;
    }
    /* To the byte, so that a sanitizer sees what reads beyond the end. */
    cleanup_free uint8_t *exact = xcalloc(length, 1);
    memcpy(exact, data, length);
    LLVMFuzzerTestOneInput(exact, length);
    return true;
}

int main(int argc, char **argv)
{
    struct list list = {0};
    bool all = true;
    if (argc > 1)
        collect(argv + 1, &list);
    printf("1..%zu\n", list.count);
    for (size_t i = 0; i < list.count; i++) {
        bool survived = run(list.paths[i]);
        printf("%s %zu - %s\n", survived ? "ok" : "not ok", i + 1, list.paths[i]);
        fflush(stdout);
        all &= survived;
        free(list.paths[i]);
    }
    free(list.paths);
    if (!list.count)
        fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
    return list.count ? !all : 2;
}
