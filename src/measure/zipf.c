/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "measure/zipf.h"

#include <math.h>

/* The integral of t^-theta from 1 to x: (x^(1 - theta) - 1) / (1 - theta), and log x for theta = 1.
 * By expm1, as the quotient has no digits left near theta = 1. */
static double area(double x, double theta)
{
    double a = (1 - theta) * log(x);
    return fabs(a) > 1e-8 ? expm1(a) / (1 - theta) : log(x) * (1 + a / 2);
}

/* The x with this area. */
static double area_inverse(double y, double theta)
{
    double a = (1 - theta) * y;
    return exp(fabs(a) > 1e-8 ? log1p(a) / (1 - theta) : y * (1 - a / 2));
}

void zipf_init(struct zipf *z, uint64_t n, double theta)
{
    *z = (struct zipf){.theta = theta, .n = (double)n};
    /* A rank k owns the area from k - 1/2 to k + 1/2, the first one what lies below as well. */
    z->area_low = area(1.5, theta) - 1;
    z->area_high = area(z->n + 0.5, theta);
    z->squeeze = 2 - area_inverse(area(2.5, theta) - pow(2, -theta), theta);
}

uint64_t zipf_draw(const struct zipf *z, struct random *r)
{
    for (;;) {
        double y = z->area_high + random_double(r) * (z->area_low - z->area_high);
        double x = area_inverse(y, z->theta);
        double k = fmin(fmax(floor(x + 0.5), 1), z->n);
        if (k - x <= z->squeeze || y >= area(k + 0.5, z->theta) - pow(k, -z->theta))
            return (uint64_t)k - 1;
    }
}
