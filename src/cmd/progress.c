/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/cmd.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static bool on_terminal(const struct progress *p)
{
    return !p->options->quiet && isatty(STDERR_FILENO);
}

void progress_show(void *data, const char *what, double fraction)
{
    struct progress *p = data;
    uint64_t now = clock_now_ns();
    bool is_new = !p->last_what || strcmp(what, p->last_what) != 0;
    if (is_new && p->options->verbose && !on_terminal(p))
        fprintf(stderr, "virt-disktune: %s\n", what);
    p->last_what = what;
    /* Ten times a second is as often as anyone can read, and costs nothing while measuring. */
    if (!on_terminal(p) || (!is_new && now - p->last_ns < NS_PER_SECOND / 10))
        return;
    p->last_ns = now;
    unsigned long left = p->deadline_ns > now ? (p->deadline_ns - now) / NS_PER_SECOND : 0;
    fprintf(stderr, "\r\033[K%s", what);
    if (isfinite(fraction))
        fprintf(stderr, " %.0f %%", fraction < 1 ? fraction * 100 : 100);
    if (p->deadline_ns)
        fprintf(stderr, ", at most %lu:%02lu left", left / 60, left % 60);
    fflush(stderr);
}

void progress_step(void *data, const char *what)
{
    progress_show(data, what, NAN);
}

void progress_clear(struct progress *p)
{
    if (on_terminal(p) && p->last_what)
        fputs("\r\033[K", stderr);
    p->last_what = NULL;
}
