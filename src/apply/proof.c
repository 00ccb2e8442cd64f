/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "apply/proof.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "measure/stats.h"

static const struct proof_ratio unknown = {NAN, NAN, NAN};

/* --- Runs ------------------------------------------------------------------------------------- */

/* The logarithms of a work's speeds; NaN among them where one is none. The caller frees. */
static double *logs_of(const json_t *work, size_t *ret_count)
{
    const json_t *iops = json_object_get(work, "iops");
    *ret_count = json_array_size(iops);
    double *x = xcalloc(*ret_count + 1, sizeof(*x));
    for (size_t i = 0; i < *ret_count; i++)
        x[i] = log(json_number_value(json_array_get(iops, i)));
    return x;
}

/* A difference of two means, and its standard error. */
struct difference {
    double mean, variance, dof;
};

static struct difference compare(const double *b, size_t nb, const double *a, size_t na)
{
    double vb = stats_variance(b, nb) / (double)nb, va = stats_variance(a, na) / (double)na;
    double both = va + vb;
    double dof = both > 0 ? both * both / (vb * vb / ((double)nb - 1) + va * va / ((double)na - 1))
                          : (double)(na + nb - 2);
    return (struct difference){stats_mean(a, na) - stats_mean(b, nb), both, fmax(dof, 1)};
}

static struct proof_ratio ratio_of(const struct difference *d)
{
    double reach = stats_t_quantile(0.975, d->dof) * sqrt(d->variance);
    return (struct proof_ratio){exp(d->mean), exp(d->mean - reach), exp(d->mean + reach)};
}

/* --- Works ------------------------------------------------------------------------------------ */

/* Fills one work, and gives the difference of its logarithms; a variance of NaN: there is none. */
static struct difference take_work(const json_t *before, const json_t *after,
                                   struct proof_work *ret)
{
    size_t na, nb = 0;
    cleanup_free double *a = logs_of(after, &na);
    cleanup_free double *b = before ? logs_of(before, &nb) : NULL;
    *ret = (struct proof_work){
        .name = json_string_value(json_object_get(after, "name")),
        .weight = json_number_value(json_object_get(after, "weight")),
        .before_iops = nb ? exp(stats_mean(b, nb)) : NAN,
        .after_iops = exp(stats_mean(a, na)),
        .ratio = unknown,
    };
    if (na < 2 || nb < 2)
        return (struct difference){NAN, NAN, 1};
    struct difference d = compare(b, nb, a, na);
    ret->ratio = ratio_of(&d);
    return d;
}

/* The weighted mean of independent differences; degrees of freedom after F. E. Satterthwaite,
 * Biometrics Bulletin 2 (1946). */
static struct proof_ratio add_up(const struct difference *d, const struct proof *p)
{
    double weights = 0, mean = 0, variance = 0, quarters = 0;
    for (size_t i = 0; i < p->count; i++)
        weights += p->works[i].weight;
    for (size_t i = 0; i < p->count; i++) {
        double w = p->works[i].weight / weights, part = w * w * d[i].variance;
        mean += w * d[i].mean;
        variance += part;
        quarters += part * part / d[i].dof;
    }
    if (!p->count || !isfinite(mean) || !isfinite(variance))
        return unknown;
    double dof = quarters > 0 ? variance * variance / quarters : d[0].dof;
    return ratio_of(&(struct difference){mean, variance, fmax(dof, 1)});
}

/* --- The plan --------------------------------------------------------------------------------- */

/* Of the candidate that is not what the disk was. */
static struct proof_ratio predicted_by(const json_t *plan)
{
    size_t i;
    json_t *candidate;
    json_array_foreach (json_object_get(json_object_get(plan, "evidence"), "candidates"), i,
                        candidate) {
        const json_t *vs = json_object_get(candidate, "vs_current");
        if (json_is_true(json_object_get(candidate, "current")) || !json_is_object(vs))
            continue;
        return (struct proof_ratio){json_number_value(json_object_get(vs, "ratio")),
                                    json_number_value(json_object_get(vs, "low")),
                                    json_number_value(json_object_get(vs, "high"))};
    }
    return unknown;
}

static double host_of(const json_t *plan)
{
    const json_t *evidence = json_object_get(plan, "evidence");
    const json_t *iops = json_object_get(json_object_get(evidence, "host"), "iops");
    bool one = json_array_size(json_object_get(evidence, "workloads")) == 1;
    return one && json_is_number(iops) ? json_number_value(iops) : NAN;
}

/* --- Together --------------------------------------------------------------------------------- */

static const char *how_of(const json_t *result)
{
    const char *how = json_string_value(json_object_get(result, "how"));
    return how ? how : "";
}

/* The size of a file system is what it is known again by, and works by all that makes them: names
 * tell too little. */
bool proof_is_alike(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"how", "directory", "file_system_bytes", "suite"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        json_t *one = json_object_get(a, keys[i]), *other = json_object_get(b, keys[i]);
        if (one != other && !json_equal(one, other))
            return false;
    }
    return true;
}

struct proof proof_make(const json_t *before, const json_t *after, const json_t *plan)
{
    const json_t *works = json_object_get(after, "works");
    const json_t *works_before = json_object_get(before, "works");
    struct proof p = {
        .how = how_of(after),
        .comparable =
            before && proof_is_alike(before, after) && strcmp(how_of(after), "observed") != 0,
        .count = json_array_size(works),
        .works = xcalloc(json_array_size(works) + 1, sizeof(*p.works)),
        .whole = unknown,
        .predicted = predicted_by(plan),
        .host_iops = host_of(plan),
    };
    cleanup_free struct difference *d = xcalloc(p.count + 1, sizeof(*d));
    for (size_t i = 0; i < p.count; i++) {
        /* Of works that are alike, each has its place. */
        const json_t *was = p.comparable ? json_array_get(works_before, i) : NULL;
        d[i] = take_work(was, json_array_get(works, i), &p.works[i]);
    }
    if (p.comparable)
        p.whole = add_up(d, &p);
    return p;
}

void proof_done(struct proof *p)
{
    free(p->works);
    *p = (struct proof){0};
}

bool proof_is_slower(const struct proof *p, double margin)
{
    return isfinite(p->whole.high) && p->whole.ratio < 1 - margin && p->whole.high < 1;
}
