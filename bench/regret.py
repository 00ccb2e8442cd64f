# SPDX-License-Identifier: GPL-2.0-or-later
"""By how much a choice is slower than the fastest, in what `tune --json` says of all of them."""

import math
import statistics


def shares_of(run):
    return {c["id"]: c["share_of_host"] for c in run["candidates"] if "share_of_host" in c}


def regret(chosen, run):
    """Of a choice in a run's figures, and what of it is no more than noise; in percent."""
    shares = shares_of(run)
    fastest = max(shares.values(), key=lambda share: share["robust"])
    noise = (fastest["high"] - fastest["low"]) / 2 / fastest["robust"]
    return 100 * (1 - shares[chosen]["robust"] / fastest["robust"]), 100 * noise


def pooled_regret(chosen, runs):
    """Of a choice in the mean of all these, and the standard error of that, from one to another; in percent."""
    logs = [{name: math.log(share["robust"]) for name, share in shares_of(run).items()} for run in runs]
    fastest = max(logs[0], key=lambda name: sum(log[name] for log in logs))
    behind = [log[fastest] - log[chosen] for log in logs]
    error = statistics.stdev(behind) / math.sqrt(len(behind)) if len(behind) > 1 else math.nan
    return 100 * (1 - math.exp(-statistics.fmean(behind))), 100 * error
