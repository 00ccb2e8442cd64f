/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history.h - the races of the past: what each was run on, and what it came to.
 *
 * They are kept in a database of SQLite's, in the state directory. history.c alone knows that; what
 * is declared here would do for another database as well.
 *
 * A race is written in one transaction, on a journal that is rolled back by whoever opens the file
 * next, so a run that is killed leaves the history as it was before. Two runs wait for each other,
 * for seconds at the most. A file that is damaged, that is not a history or is that of a newer
 * version is an error, and is left as it is.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "measure/suite.h"
#include "tune/outcome.h"

struct stage;

struct history_candidate {
    char *id;
    char *config;  /* JSON, as disk_config_to_json has it */
    char *verdict; /* verdict_name() */
    size_t rounds;
    struct interval share; /* of the host's speed; NaN where it failed */
    double cpu_us_per_io;  /* NaN where not measured */
};

struct history_race {
    int64_t time;  /* when it ended, in seconds since 1970 */
    char *version; /* of this program */
    /* What the race's likes have in common. */
    char *host;        /* machine_key() */
    char *storage;     /* storage_kind() */
    char *accelerator; /* "kvm", "tcg" */
    char *works;       /* history_works() */
    char *goal;        /* goal_text() */

    char *directory;
    char *work;        /* the name of the works for people: "general" */
    char *kernel;      /* of the probe guest */
    char *qemu;        /* "7.2.19"; empty where it is not known */
    unsigned vcpus;    /* of the probe guest */
    size_t rounds;     /* complete ones */
    double seconds;    /* of the whole run */
    bool settled;      /* before its time was up */
    char *best;        /* id; NULL where none was */
    char *recommended; /* id; NULL where all failed */
    size_t count;
    struct history_candidate *candidates; /* in the order of the outcome */
};

/* --- history_race.c --------------------------------------------------------------------------- */

/* The works of a suite in words of which the same works have the same. The caller frees. */
char *history_works(const struct suite *suite, bool fresh);

/* A record of a race on this stage that ended now; `outcome` is NULL of one that is only beginning:
 * then it has what its likes have in common, and no candidates. The caller frees. */
struct history_race *history_race_new(const struct stage *stage, const struct goal *goal,
                                      const struct outcome *outcome, double seconds);
void history_race_free(void *race);

/* Who won in this earlier race: the best, or all equals. A member for each candidate (struct
 * candidate *), which the caller frees. NULL where that says nothing: nobody was slower in it, none
 * of the winners is among the candidates, or all candidates won. */
bool *history_winners(const struct history_race *race, const GPtrArray *candidates);

/* --- history.c -------------------------------------------------------------------------------- */

struct history;

/* Opens the history in this directory; with `make` both are made where they are not there, else
 * there are no races in what is not there. Errors: see above, and whatever keeps it from being
 * read, or made. The caller closes it. */
struct history *history_open(const char *directory, bool make, struct error **err);
void history_close(struct history *h);
CLEANUP_PTR(cleanup_history_handler, struct history, history_close)
#define cleanup_history at_scope_end(cleanup_history_handler)

/* Appends a race to a history that was opened to `make`. After an error it is as it was. */
int history_add(struct history *h, const struct history_race *race, struct error **err);

/* Which races are wanted; NULL and 0 are for any. */
struct history_query {
    const struct history_race *like; /* those that have the same in common */
    const char *directory;
    size_t limit;
};

/* Those races, the newest first: an array of struct history_race *, which owns them. */
GPtrArray *history_list(struct history *h, const struct history_query *query, struct error **err);
