/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdio.h>

#include "report/report.h"

int fail(const struct error *err)
{
    fprintf(stderr, "virt-disktune: %s\n", err ? err->message : "unknown error");
    if (err && err->hint)
        fprintf(stderr, "hint: %s\n", err->hint);
    return EXIT_CANNOT;
}

int finish_output(struct error **err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return error_set_errno(err, errno, "cannot write the result to standard output");
}

int finish_json(json_t *json, struct error **err)
{
    if (!json)
        return error_set(err, "the result cannot be told as JSON");
    report_print_json(json, stdout);
    return finish_output(err);
}
