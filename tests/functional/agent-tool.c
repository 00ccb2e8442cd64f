/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agent-tool.c - domain/agent by itself, for test-debian.py:
 *     agent-tool DOMAIN read PATH MAX | write PATH | exec SECONDS WORD…
 * What is written, or read by the program, is standard input. An error is one line, and status 99.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "domain/agent.h"
#include "domain/lookup.h"

static int read_file(struct agent *a, char **words, struct error **err)
{
    size_t length;
    cleanup_free char *text =
        agent_read_file(a, words[0], strtoul(words[1], NULL, 10), &length, err);
    return text && fwrite(text, 1, length, stdout) == length ? 0 : -1;
}

static int write_file(struct agent *a, char **words, struct error **err)
{
    size_t length;
    cleanup_free char *text = file_read_rest(STDIN_FILENO, "input", &length, err);
    return text ? agent_write_file(a, words[0], text, length, err) : -1;
}

static int run_program(struct agent *a, char **words, struct error **err)
{
    cleanup_agent_result struct agent_result result = {0};
    size_t length;
    cleanup_free char *input = file_read_rest(STDIN_FILENO, "input", &length, err);
    const struct agent_program program = {
        .argv = (const char *const *)words + 1,
        .input = length ? input : NULL,
        .input_length = length,
        .timeout_seconds = (unsigned)strtoul(words[0], NULL, 10),
    };
    if (!input || agent_exec(a, &program, &result, err) < 0)
        return -1;
    fwrite(result.out, 1, result.out_length, stdout);
    fwrite(result.err_text, 1, result.err_length, stderr);
    if (result.truncated)
        fputs("truncated\n", stderr);
    return result.status;
}

int main(int argc, char **argv)
{
    cleanup_error struct error *err = NULL;
    cleanup_connection struct connection *c = connection_open("qemu:///system", &err);
    cleanup_domain virDomainPtr domain = c && argc > 3 ? lookup_domain(c, argv[1], &err) : NULL;
    cleanup_agent struct agent *a = domain ? agent_open(domain, &err) : NULL;
    int r = !a                              ? -1
            : strcmp(argv[2], "read") == 0  ? read_file(a, argv + 3, &err)
            : strcmp(argv[2], "write") == 0 ? write_file(a, argv + 3, &err)
                                            : run_program(a, argv + 3, &err);
    if (r < 0)
        fprintf(stderr, "%s\n", err ? err->message : "usage");
    return r < 0 ? 99 : r;
}
