"""
The chain's numbers a second time, from that section of firmware/protocol/README.md alone: what each round's vehicles did,
its Θ and the households' load, and where the load is taken to lie, in the streets of test/vectors/load.json.
With --break NAME one thing is done wrong on purpose: the comparison must then find a difference.
"""
import json
import sys
from pathlib import Path

KEPT = 12  # rounds: how far back a METER changes what is known, and allocations are kept
SHOWN = 15  # of the last rounds, compared at each SEAL
BREAKS = ("exact", "share", "both", "jump")
broken = sys.argv[sys.argv.index("--break") + 1] if "--break" in sys.argv else None
if broken not in (None, *BREAKS):
    sys.exit(f"--break: one of {', '.join(BREAKS)}")


class Round:
    def __init__(self, nodes):
        self.allocated = [0] * nodes  # W at the head meter, import positive
        self.metered = {}  # by node: W, from its METER
        self.first = self.theta = self.load = None

    def vehicles(self):
        return sum(self.metered.get(node, a) for node, a in enumerate(self.allocated))


class Chain:
    def __init__(self, street):
        self.shares = [0] * len(street["safeShares_W"]) if broken == "share" else street["safeShares_W"]
        self.time_s, self.margin = street["roundTime_s"], street["margin_W"]
        self.most = street["rating_W"] * 150 // 100  # W that a vehicle draws or feeds, whatever its meter says
        self.greatest = 2 * max(street["capacity_W"], street["exportLimit_W"])
        self.rounds = {}
        self.sealed = -1  # round of the last SEAL
        self.site = None
        self.registers = [None] * len(self.shares)

    def did(self, node, r):
        """The least and the most that a vehicle may have done in a round that no METER was of alone."""
        a = self.rounds[r].allocated[node]
        return min(0, a), max(a, self.shares[node])

    # One SEAL

    def lacks_site(self, t, site):
        last = self.last_load()
        return site is None and (last is None or t - 2 - self.rounds[last].first > 3)

    def seal(self, t, site, meters, forecast):
        for r in range(max(self.rounds, default=t - 2) + 1, t + 1):
            self.rounds[r] = Round(len(self.shares))
        for meter in meters:
            self.meter(*meter)
        if site:
            self.reading(t, site)
        for each in self.rounds.values():
            if each.first is not None:
                averaged = [self.rounds[r].vehicles() for r in range(each.first, each.last + 1)]
                each.load = each.theta - sum(averaged) // len(averaged)
        self.sealed = t
        least, most = self.between(t, site)
        return {
            "rounds": [
                [r, each.vehicles(), each.first, each.theta, each.load]
                for r, each in sorted(self.rounds.items())
                if r > t - SHOWN
            ],
            "alone": [each and each["alone"] for each in self.registers],
            "least_W": min(least, forecast) - self.margin,
            "most_W": max(most, forecast) + self.margin,
        }

    def schedule(self, t, allocations):
        for node, power in allocations:
            self.rounds[t].allocated[node] += power

    # Vehicles

    def meter(self, node, of, *registers):
        noted, now = registers[:2], registers[2:]
        last = self.registers[node]
        covered = range(last["round"] + 1, of + 1) if last else [of]
        energy = self.moved(last["now"], now, len(covered)) if last else None
        if energy is None:
            energy = self.moved(noted, now, min(KEPT, len(covered) + 1) if last else KEPT)
        average = None if energy is None else energy // (len(covered) * self.time_s)
        alone = last is not None and len(covered) == 1 and average is not None and abs(average) <= self.most
        alone = alone or broken == "exact"
        for r in covered:
            if average is not None and r in self.rounds and r >= self.sealed - KEPT:
                least, most = self.did(node, r)
                self.rounds[r].metered[node] = average if alone else max(least, min(most, average))
        bits = (last["alone"] << len(covered) if last else 0) | alone
        self.registers[node] = {"round": of, "now": now, "alone": bits % (1 << KEPT)}

    def moved(self, before, now, rounds):
        """J between two readings, unless they are of two meters."""
        imported, exported = (a - b for a, b in zip(now, before))
        energy = 3600 * (imported - exported)
        possible = min(imported, exported) >= 0 and (abs(energy) <= self.most * self.time_s * rounds or broken == "jump")
        return energy if possible else None

    def is_alone(self, node, r):
        return self.is_covered(node, r) and self.registers[node]["alone"] >> (self.registers[node]["round"] - r) & 1

    def is_covered(self, node, r):
        """By a METER, as far as what is kept tells."""
        last = self.registers[node]
        return last is not None and r <= last["round"]

    # Θ

    def reading(self, t, site):
        before, self.site = self.site, {**site, "round": t}
        if before:
            theta = self.theta_between(before, self.site)
            for r in range(before["round"] - 1, t - 1):
                each = self.rounds[r]
                each.first, each.last = (None, None) if theta is None else (before["round"] - 1, t - 2)
                each.theta, each.load = theta, None

    def theta_between(self, before, now):
        usual_ms = 1000 * self.time_s * (now["round"] - before["round"])
        time_ms = now["takenAt_ms"] - before["takenAt_ms"]
        if abs(time_ms - usual_ms) * 10 > 1000 * self.time_s:
            time_ms = usual_ms
        moved = [now[name] - before[name] for name in ("imported_Wh", "exported_Wh")]
        if min(moved) < 0:
            return None
        theta = (moved[0] - moved[1]) * 3_600_000 // time_ms
        return None if abs(theta) > self.greatest else theta

    # Where the load lies

    def last_load(self):
        """The last round with a load of Θ."""
        return max((r for r, each in self.rounds.items() if each.first is not None), default=None)

    def between(self, t, site):
        last, ranges = self.last_load(), []
        if last is not None and self.rounds[last].first >= t - KEPT:
            ranges.append(self.range_of(t, self.rounds[last].first, last, self.rounds[last].load))
        if site:
            ranges.append(self.range_of(t, t - 1, t - 1, site["power_W"] - sum(self.rounds[t - 1].allocated)))
        least, most = max(least for least, _ in ranges), min(most for _, most in ranges)
        if least > most or broken == "both":
            return min(least for least, _ in ranges), max(most for _, most in ranges)
        return least, most

    def range_of(self, t, first, last, load):
        lower = higher = 0
        for r in range(first, last + 1):
            for node, a in enumerate(self.rounds[r].allocated):
                if self.is_alone(node, r):
                    continue
                least, most = self.did(node, r)
                covered = self.is_covered(node, r)
                lower += most - least if covered else most - a
                higher += most - least if covered else a - least
        count, moved = last - first + 1, (t - 1 - first) * self.margin
        return load - -(-lower // count) - moved, load - (-higher // count) + moved


def computed(street, steps):
    """What each SEAL of a street gives, up to the first that only one of the two makes."""
    chain, results = Chain(street), []
    for step in steps:
        t, site, forecast = step["round"], step["site"], step["forecast_W"]
        lacks = chain.lacks_site(t, site)
        if lacks != (forecast is None):
            return [*results, "site-missing" if lacks else "sealed"]
        results.append("site-missing" if lacks else chain.seal(t, site, step["meters"], forecast))
        chain.schedule(t, step["allocations"])
    return results


def differences(expected, got):
    """What is not as expected, field by field where something was sealed."""
    if expected == got:
        return []
    if isinstance(expected, str) or isinstance(got, str):
        return [f": expected {expected}, got {got}"]
    return [f", {name}: expected {each}, got {got[name]}" for name, each in expected.items() if each != got[name]]


def main():
    streets = json.loads((Path(__file__).parents[1] / "vectors/load.json").read_text())
    found, right, seals = [], 0, 0
    for number, case in enumerate(streets):
        for step, expected, got in zip(case["steps"], case["seals"], computed(case["street"], case["steps"])):
            seals += 1
            right += expected == got
            where = f"street {number}, round {step['round']}"
            found += [f"  {where}{line}" for line in differences(expected, got)]
    print(f"load {right} of {seals} seals")
    sys.exit("\n".join(["Differences:", *found[:10]]) if found else 0)


main()
