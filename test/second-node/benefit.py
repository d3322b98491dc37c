"""
The benefit a second time, from the text of firmware/protocol/benefit/README.md alone: computes the cases of
test/vectors/benefit.json and compares. It shows that the text suffices to write a node. Sections are named as there.
With --break NAME one thing is done wrong on purpose: the comparison must then find a difference.
"""
import json
import sys
from itertools import accumulate
from math import isqrt
from pathlib import Path

M = 1_000_000
BREAKS = ("floor", "persistence", "lost", "curtailment", "reserve")
broken = sys.argv[sys.argv.index("--break") + 1] if "--break" in sys.argv else None
if broken not in (None, *BREAKS):
    sys.exit(f"--break: one of {', '.join(BREAKS)}")


def floor(a, b):
    """a / b, rounded toward minus infinity."""
    return -(-a // b) if broken == "floor" and a < 0 else a // b


def effect(side, power, eta):
    return power if side == "buy" else -floor(power * eta, M)


# Forecast


class Series:
    """A series by round, with its last known round n and what its window of a week says."""

    def __init__(self, values, n, reach_s, roundtime_s):
        self.values, self.n = values, n
        self.slots = 86_400 // roundtime_s
        self.reach = max(1, reach_s // roundtime_s)
        self.window = range(n - 7 * self.slots, n)
        self.profile = self.profile_of(values)

    def windowed(self, v):
        r, slots = self.reach, self.slots
        return [
            r * v[s] + sum((r - d) * (v[(s + d) % slots] + v[(s - d) % slots]) for d in range(1, r))
            for s in range(slots)
        ]

    def profile_of(self, values):
        """By slot: the mean of the window, or None where it is unknown."""
        total, count = [0] * self.slots, [0] * self.slots
        for r in self.window:
            if r in values:
                total[r % self.slots] += values[r]
                count[r % self.slots] += 1
        total, count = self.windowed(total), self.windowed(count)
        return [floor(total[s], count[s]) if count[s] > 0 else None for s in range(self.slots)]

    def deviation(self, r, mean):
        m = mean[r % self.slots]
        return None if r not in self.values or m is None else self.values[r] - m

    def persistence(self, mean):
        p = q = 0
        for r in self.window[1:]:
            before, after = self.deviation(r - 1, mean), self.deviation(r, mean)
            if before is not None and after is not None:
                q += before * before
                p += before * after
        if q == 0 or p >= q or broken == "persistence":
            return M
        return 0 if p <= 0 else floor(p * M, q)

    def level_of_day(self):
        a = u = floor(14_400 * sum(m or 0 for m in self.profile), 86_400)
        for r in range(self.n - self.n % self.slots, self.n + 1):
            if self.deviation(r, self.profile) is not None:
                a += self.values[r]
                u += self.profile[r % self.slots]
        return M if u == 0 else floor(a * M, u)

    def forecast(self, t, rounds, level):
        """None where nothing is known."""
        mean = [None if m is None else floor(m * level, M) for m in self.profile]
        return self.along(mean, t, rounds, self.persistence(mean))

    def along(self, mean, t, rounds, persistence):
        deviation = self.deviation(self.n, mean) or 0
        for _ in range(self.n, t):
            deviation = floor(deviation * persistence, M)
        values = []
        for k in range(rounds):
            m = mean[(t + k) % self.slots]
            values.append(None if m is None else m + deviation)
            deviation = floor(deviation * persistence, M)
        return values

    def forecast_of_orders(self, t, rounds, level):
        return [max(0, value or 0) for value in self.forecast(t, rounds, level)]

    def forecast_of_load(self, t, rounds, given):
        by_given = self.along(given, t, rounds, self.persistence(self.profile)) if given else [None] * rounds
        last = self.values.get(self.n, 0)
        values = zip(self.forecast(t, rounds, M), by_given)
        return [next(v for v in (*pair, last) if v is not None) for pair in values]

    def surprise(self, t, rounds):
        persistence = self.persistence(self.profile)
        e, before = {}, 0
        for r in self.window:
            now = self.deviation(r, self.profile)
            if now is not None:
                e[r] = floor(now - floor(before * persistence, M), 100) ** 2
            before = now or 0
        profile = self.profile_of(e)
        return [profile[(t + k) % self.slots] or 0 for k in range(rounds)]


def pose(facts):
    t, roundtime, rounds = facts["round"], facts["roundTime_s"], facts["lookAhead_rounds"]
    eta = facts["dischargingEfficiency_ppm"]
    history = facts["history"]

    known = {each["round"]: each["theta_W"] for each in history if "theta_W" in each}
    theta = []
    while t - 1 - len(theta) in known and len(theta) < 86_400 // roundtime + 1:
        theta.insert(0, known[t - 1 - len(theta)])

    loads = {each["round"]: each["load_W"] for each in history if "load_W" in each}
    load = Series(loads, max(loads, default=t - 1), 1800, roundtime)

    ordered = [*history, {"round": t, **facts["arrived"]}]

    def of_orders(value):
        return Series({each["round"]: value(each["buy_W"], each["sell_W"]) for each in ordered}, t, 3600, roundtime)

    level = of_orders(lambda buy, sell: buy + sell).level_of_day()
    return {
        "theta_W": theta,
        "load_W": load.forecast_of_load(t, rounds, facts.get("loadProfile_W")),
        "buyForecast_W": of_orders(lambda buy, sell: buy).forecast_of_orders(t, rounds, level),
        "sellForecast_W": of_orders(lambda buy, sell: sell).forecast_of_orders(t, rounds, level),
        "surprise": of_orders(lambda buy, sell: buy - floor(sell * eta, M)).surprise(t, rounds),
    }


# Instance: what the text calls by a shorter name


class Instance:
    def __init__(self, fields):
        self.load, self.theta, self.surprise = fields["load_W"], fields["theta_W"], fields["surprise"]
        self.between = fields["loadBetween_W"]
        self.h = len(self.load)
        self.buys, self.sells = ([0, *fields[name][1:]] for name in ("buyForecast_W", "sellForecast_W"))
        self.a, self.s, self.closes = fields["maxWait_rounds"], fields["slotsPerDay"], fields["closes"]
        self.eta, self.limits, self.directions = (
            fields[name] for name in ("dischargingEfficiency_ppm", "limits", "directions")
        )
        self.pending = fields["pending"]
        for order in self.pending:
            order["wait"], order["least"] = order["remainingWait_rounds"], min(order["minimum_W"], order["power_W"])


# Plan


def parts_of(order, entry):
    """W that an order gets after 0, 1, .. rounds."""
    return entry if isinstance(entry, list) else [0] * entry + [order["power_W"]]


def net_of(x, plan):
    net = [0] * x.h
    for order, entry in zip(x.pending, plan["orders"]):
        for k, power in enumerate(parts_of(order, entry)):
            if k < x.h:
                net[k] += effect(order["side"], power, x.eta)
    for i, shares in enumerate(plan["shares"], 1):
        for side, forecast, ppm in (("buy", x.buys[i], shares["buy_ppm"]), ("sell", x.sells[i], shares["sell_ppm"])):
            for j, share in enumerate(ppm):
                if i + j < x.h:
                    net[i + j] += effect(side, floor(forecast * share, M), x.eta)
    return net


def refusal(x, plan):
    """The name of the first rule that the plan breaks, or None."""
    orders, shares = plan["orders"], plan["shares"]
    if len(orders) != len(x.pending):
        return "order-count"
    if len(shares) != x.h - 1:
        return "share-count"
    for k, share in enumerate(shares, 1):
        lists = (share["buy_ppm"], share["sell_ppm"])
        if any(len(ppm) != x.a + 1 for ppm in lists):
            return "share-count"
        if any(min(ppm) < 0 or sum(ppm) != M for ppm in lists):
            return "share-sum"
        if x.closes and any(sum(ppm[x.h - k :]) > 0 for ppm in lists):
            return "wait"
    held, running = curtailment(x), []
    for place, (order, entry) in enumerate(zip(x.pending, orders)):
        power, longest = order["power_W"], order["wait"] + (place in held)
        if isinstance(entry, list):
            least = 0 if place in held else order["least"]
            right = order["divisible"] and len(entry) == longest + 1 and sum(entry) == power
            if not right or any(part < 0 or 0 < part < least for part in entry):
                return "parts"
        elif not isinstance(entry, int) or entry < 0:
            return "wait"
        parts = parts_of(order, entry)
        late = len(parts) > longest + 1
        if order["wait"] == 0 and (late or parts[0] < held.get(place, power)):
            return "must-run"
        if late:
            return "wait"
        running.append((order, parts[0]))
    return unsafe(x, running)


# Safe


def largest(values, count):
    return sum(sorted(values, reverse=True)[:count])


def unsafe(x, running):
    """The first rule that what runs now breaks, of [order, W]; None if it is safe."""
    limits = x.limits
    nodes, lost = len(limits["safeShares_W"]), 0 if broken == "lost" else limits["lostParts"]
    c, d, j = [0] * nodes, [0] * nodes, [0] * nodes
    for order, power in running:
        if order["side"] == "buy":
            c[order["node"]] += power
        else:
            d[order["node"]] += power
            j[order["node"]] -= effect("sell", power, x.eta)
    for node, connector in enumerate(limits["connectors"]):
        rating = connector or {"charge_W": 0, "discharge_W": 0}
        if (c[node] > 0 and d[node] > 0) or c[node] > rating["charge_W"] or d[node] > rating["discharge_W"]:
            return "connector"
    shares = limits["safeShares_W"]
    idle_import, idle_export = x.between["most_W"] + sum(shares), -x.between["least_W"]
    beyond = sum(max(0, charge - share) for charge, share in zip(c, shares))
    if idle_import + beyond - (sum(j) - largest(j, lost)) > max(limits["capacity_W"], idle_import):
        return "capacity"
    if sum(j) - (sum(c) - largest(c, lost)) + idle_export > max(limits["exportLimit_W"], idle_export):
        return "export"
    return None


# Curtailment


def curtailment(x):
    """By place, of the orders that are held back: what each is granted."""
    due = [place for place, order in enumerate(x.pending) if order["wait"] == 0]
    powers = {place: x.pending[place]["power_W"] for place in due}
    given = {}

    def is_safe(more):
        return unsafe(x, [(x.pending[place], power) for place, power in {**given, **more}.items()]) is None

    if is_safe(powers):
        return {}
    if broken != "curtailment":
        due.sort(key=lambda place: (-x.pending[place]["curtailed_rounds"], place))
    joined = True
    while joined:
        joined = False
        for place in due:
            if not x.pending[place]["divisible"] and place not in given and is_safe({place: powers[place]}):
                given[place] = powers[place]
                joined = True
    for side in ("buy", "sell"):
        sharing = [place for place in due if x.pending[place]["divisible"] and x.pending[place]["side"] == side]

        def carried(place, more):
            """What the connector of that order carries beside all that was given there."""
            if not x.limits["connectors"]:
                return powers[place]
            node = x.pending[place]["node"]
            rating = (x.limits["connectors"] + [None] * (node + 1))[node] or {"charge_W": 0, "discharge_W": 0}
            there = [(x.pending[p]["side"], w) for p, w in {**given, **more}.items() if x.pending[p]["node"] == node]
            if any(w > 0 and way != side for way, w in there):
                return 0
            return rating["charge_W" if side == "buy" else "discharge_W"] - sum(w for _, w in there)

        def at(level):
            shared = {}
            for p in sharing:
                part = min(level, powers[p], carried(p, shared))
                shared[p] = part if part >= x.pending[p]["least"] else 0
            return shared

        lo, hi = 0, -(-max((powers[place] for place in sharing), default=0) // 100)
        while lo < hi:
            middle = (lo + hi + 1) // 2
            if is_safe(at(100 * middle)):
                lo = middle
            else:
                hi = middle - 1
        given.update(at(100 * lo))
    return {place: given.get(place, 0) for place in due if given.get(place, 0) < powers[place]}


# Tube


def tube(x):
    """lower and upper."""
    available, forced = ({side: [0] * x.h for side in ("buy", "sell")} for _ in range(2))

    def enter(side, power, arrives, due):
        size = abs(effect(side, power, x.eta))
        available[side][arrives] += size
        due = min(due, x.h - 1) if x.closes else due
        if due < x.h:
            forced[side][due] += size

    for order in x.pending:
        enter(order["side"], order["power_W"], 0, order["wait"])
    for k in range(1, x.h):
        enter("buy", x.buys[k], k, k + x.a)
        enter("sell", x.sells[k], k, k + x.a)

    def band(buys, sells):
        return [buy - sell for buy, sell in zip(accumulate(buys["buy"]), accumulate(sells["sell"]))]

    return band(forced, available), band(available, forced)


# Reserve


def lack(x, p):
    return floor(x * x * p, 1000) if x > 0 else 0


def usual(mean_square):
    return isqrt(10_000 * mean_square)


def reserve_of(x, net):
    lower, upper = tube(x)
    limits = x.limits
    total = 0
    for k, n in enumerate(accumulate(net)):
        w = max(upper[k] - lower[k], 10_000)
        a, b = 50 * x.surprise[k] * 40_000, 1000 * w * w
        a, b = (1, 1) if a > b else (a, b)
        total += floor((2 * n - lower[k] - upper[k]) ** 2 * a, 4 * b)
        if k >= 1 and not (x.closes and k == x.h - 1):
            c = usual(sum(x.surprise[max(1, k - 2) : k + 1]))
            total += lack(lower[k] + c - n, 100) + lack(n - upper[k] + c, 100)
        # Arriving rounds of the orders that must run in this one and are not known yet.
        unknown = [i for i in range(1, k + 1) if i + x.a == k or (x.closes and k == x.h - 1 and i + x.a >= k)]
        if k >= 1:
            room = limits["capacity_W"] - limits["margin_W"] - usual(sum(x.surprise[i] for i in unknown))
            total += lack(x.load[k] + net[k] - max(room, x.load[k]), 350 if unknown else 10_000)
    return 0 if broken == "reserve" else total


# PFint and λ


def evaluate(x, plan):
    net = net_of(x, plan)
    reserve = reserve_of(x, net)
    theta = [load + each for load, each in zip(x.load, net)]
    past = max(0, x.s + 1 - x.h)
    window = (x.theta[-past:] if past > 0 else []) + theta[-(x.s + 1) :]
    slopes = [after - before for before, after in zip(window, window[1:])]
    w = len(slopes)
    pf_int = w * (sum(each * each for each in slopes) + reserve) - sum(slopes) ** 2
    k = (100 * max(w, 1)) ** 2
    wanted = {}
    for order, entry in zip(x.pending, plan["orders"]):
        if parts_of(order, entry)[0] > 0:
            wanted[order["node"]] = "charge" if order["side"] == "buy" else "discharge"
    return {
        "theta_W": theta,
        "net_W": net[0],
        "reserve": str(reserve),
        "slopes": w,
        "pfInt": str(pf_int),
        "lambda": str(floor(2**48 * k, pf_int + k)),
        "operations": sum(x.directions[node] != direction for node, direction in wanted.items()),
        "step": str(isqrt(pf_int + k) // (100 * isqrt(max(w, 1)))),
    }


# The cases


def posed(case):
    return pose(case["facts"])


def judged(case):
    x, plan = Instance(case["instance"]), case["plan"]
    refused = refusal(x, plan)
    if refused:
        return {"refused": refused}
    lower, upper = tube(x)
    return {"refused": None, "tube": {"lower_W": lower, "upper_W": upper}, "worth": evaluate(x, plan)}


def curtailed(case):
    return {"granted": sorted([place, power] for place, power in curtailment(Instance(case["instance"])).items())}


def differences(expected, got, field=""):
    """Field by field, what is not as expected."""
    if isinstance(expected, dict) and isinstance(got, dict):
        names = sorted({*expected, *got})
        return [line for name in names for line in differences(expected.get(name), got.get(name), f"{field}.{name}")]
    return [] if expected == got else [f"{field[1:]}: expected {expected}, got {got}"]


def main():
    cases = json.loads((Path(__file__).parents[1] / "vectors/benefit.json").read_text())
    found = []
    for compute in (posed, judged, curtailed):
        group = compute.__name__
        right = 0
        for number, case in enumerate(cases[group]):
            expected = {name: value for name, value in case.items() if name not in ("facts", "instance", "plan")}
            if "granted" in expected:
                expected["granted"] = sorted(expected["granted"])
            lines = differences(expected, compute(case))
            found += [f"  {group} {number}, {line}" for line in lines]
            right += not lines
        print(f"{group} {right} of {len(cases[group])}")
    sys.exit("\n".join(["Differences:", *found[:10]]) if found else 0)


main()
