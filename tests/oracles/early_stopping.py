"""Prechelt's stopping criteria by their definitions, epoch by epoch; epochs are counted from 1 as in the paper."""


def optimum(valid, t):
    """E_opt(t)."""
    return min(valid[:t])


def best(valid):
    """The first epoch (from 0) with the lowest error."""
    return list(valid).index(min(valid))


def generalisation_loss(valid):
    return [100 * (valid[t - 1] / optimum(valid, t) - 1) for t in range(1, len(valid) + 1)]


def progress(train, strip):
    """P_k at the ends of strips; None elsewhere."""
    values = []
    for t in range(1, len(train) + 1):
        last = train[t - strip : t]
        values.append(1000 * (sum(last) / (strip * min(last)) - 1) if t % strip == 0 else None)
    return values


def gl(valid, alpha):
    for t, value in enumerate(generalisation_loss(valid)):
        if value > alpha:
            return t
    return None


def pq(valid, train, alpha, strip):
    for t, value in enumerate(progress(train, strip)):
        if value is None:
            continue
        loss = generalisation_loss(valid)[t]
        if (loss / value if value > 0 else float("inf") if loss > 0 else 0.0) > alpha:
            return t
    return None


def up(valid, successive, strip):
    """The recursive definition: UP_s stops at t if UP_(s-1) would stop at t - k and the error rose since then."""

    def rises(t, s):
        if t - strip < 1:
            return False
        return valid[t - 1] > valid[t - strip - 1] and (s == 1 or rises(t - strip, s - 1))

    for t in range(strip, len(valid) + 1, strip):
        if rises(t, successive):
            return t - 1
    return None


def patience(valid, limit, least):
    """A walk with a counter."""
    lowest, waited = float("inf"), 0
    for t, value in enumerate(valid):
        if value < lowest - least:
            lowest, waited = value, 0
        else:
            waited += 1
            if waited >= limit:
                return t
    return None
