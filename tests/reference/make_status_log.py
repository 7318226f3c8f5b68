#!/usr/bin/env python3
"""Makes status_log.csv: an invented log of 14 invented lifts, with every odd thing that real ones have.

Usage: make_status_log.py > status_log.csv     The same bytes each time.
"""

import random
from datetime import datetime, timedelta, timezone

START = datetime(2019, 3, 1, tzinfo=timezone.utc)
SYMPTOMS = ["Door fault", "Levelling", "电气故障", 'Call "button", stuck', "Noise  ", ""]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def by_chance(rng, unit):
    """A lift that fails often, is inspected and renewed, and flaps."""
    time = START + timedelta(microseconds=rng.randrange(10**12))
    category = "ON"
    for _ in range(26):
        yield time, unit, "OPERATIONAL" if category == "ON" else rng.choice(SYMPTOMS), category
        pause = rng.choice([5 * 60, 30 * 60, 3 * 3600, 2 * 86400, 6 * 86400, 9 * 86400])
        time += timedelta(seconds=pause, microseconds=rng.randrange(10**9))
        category = rng.choice(["ON", "BROKEN", "BROKEN", "BROKEN", "INSPECTION", "OFF", "REHAB"])


def broken(unit, times):
    for time in times:
        yield time, unit, "Door fault", "BROKEN"
        yield time + timedelta(minutes=1), unit, "OPERATIONAL", "ON"


def on_the_edge():
    """Where a millisecond decides: the window's end, and the hour within which failures are one."""
    ms = timedelta(milliseconds=1)
    yield from broken("EDGE-1", [START, START + DAY, START + 30 * DAY - ms])
    yield from broken("EDGE-2", [START, START + DAY, START + 30 * DAY])
    yield from broken("EDGE-3", [START, START + HOUR, START + 2 * HOUR, START + 9 * DAY])
    yield from broken("EDGE-4", [START, START + HOUR + ms, START + 2 * HOUR + 2 * ms])
    # One episode ends where the next would begin: they are one.
    yield from broken("EDGE-5", [START + n * 10 * DAY for n in range(9)])
    # Parts of a millisecond are cut off: these two are an hour apart.
    microsecond = timedelta(microseconds=1)
    yield from broken("EDGE-6", [START, START + HOUR + 999 * microsecond, START + DAY, START + 2 * DAY])


def main():
    rng = random.Random(20190301)
    rows = [row for number in range(1, 9) for row in by_chance(rng, f"LIFT-{number:02}")]
    rows += on_the_edge()
    rows.sort(key=lambda row: (row[0], row[1]))
    print("time,unit,symptom,category,update,end_time")
    for time, unit, symptom, category in rows:
        quoted = '"' + symptom.replace('"', '""') + '"' if "," in symptom else symptom
        print(f"{time.isoformat(timespec='microseconds')},{unit},{quoted},{category},Update,")


if __name__ == "__main__":
    main()
