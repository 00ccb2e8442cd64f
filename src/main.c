/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - the verb table.
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/interrupt.h"
#include "base/memory.h"
#include "cmd/cmd.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} verbs[] = {
    {"apply", cmd_apply, "change the definition of a domain's disk"},
    {"capture", cmd_capture, "pack what check reads of this host, to be looked at elsewhere"},
    {"check", cmd_check, "find what is configured badly, without any load"},
    {"explain", cmd_explain, "tell where a request's time goes"},
    {"history", cmd_history, "list the races of the past"},
    {"measure", cmd_measure, "measure the disk, in the host and in a guest"},
    {"rollback", cmd_rollback, "take back what apply changed"},
    {"status", cmd_status, "show what became of the changes that were made"},
    {"tune", cmd_tune, "find the best disk configuration by measurement"},
    {"verify", cmd_verify, "measure a domain's disk inside its own guest"},
};

static void print_usage(FILE *out)
{
    fputs("virt-disktune gives the disks of KVM virtual machines the speed of the host's own.\n\n"
          "Usage: virt-disktune [-c URI] VERB [OPTION…]\n\n",
          out);
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    fputs("\nvirt-disktune VERB --help lists the options of a verb.\n", out);
}

/* -c URI, --connect URI or --connect=URI may stand before the verb, as virsh's users write it;
 * moves it behind. Returns where the verb stands then, argc where there is none. */
static int find_verb(int argc, char **argv)
{
    int options = 0;
    if (argc > 2 && (strcmp(argv[1], "-c") == 0 || strcmp(argv[1], "--connect") == 0))
        options = 2;
    else if (argc > 1 && strncmp(argv[1], "--connect=", strlen("--connect=")) == 0)
        options = 1;
    if (argc <= 1 + options)
        return argc;
    char *verb = argv[1 + options];
    memmove(argv + 2, argv + 1, (size_t)options * sizeof(*argv));
    argv[1] = verb;
    return 1;
}

/* Every job of every work has a descriptor for each disk, and often a ring; more than these nobody
 * needs, and what is started from here inherits it. */
#define DESCRIPTORS_MAX 65536

static void allow_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_MAX)
        return;
    limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    cleanup_error struct error *err = NULL;
    /* Characters as the terminal has them; numbers stay as programs read them. */
    setlocale(LC_CTYPE, "");
    int at = find_verb(argc, argv);
    const char *name = at < argc ? argv[at] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return finish_output(&err) < 0 ? fail(err) : EXIT_DONE;
    }
    if (strcmp(name, "--version") == 0) {
        puts("virt-disktune " VERSION);
        return finish_output(&err) < 0 ? fail(err) : EXIT_DONE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(name, verbs[i].name) != 0)
            continue;
        if (interrupt_install(&err) < 0)
            return fail(err);
        allow_descriptors();
        return verbs[i].run(argc - at, argv + at);
    }
    error_set(&err, name[0] ? "there is no verb '%s'" : "no verb%s", name);
    error_hint(&err, "virt-disktune --help lists the verbs");
    return fail(err);
}
