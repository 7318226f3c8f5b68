#!/usr/bin/env python3
"""Computes repeated-fault episodes from a status log, straight from the definitions and without the daemon.

A log has one row per change of a unit's status (columns time, unit, symptom, category; others are ignored):
  BROKEN       a failure with its symptom, unless the unit was under inspection until this row
  INSPECTION   under inspection until any row that is neither INSPECTION nor BROKEN
  ON, OFF, REHAB   not under inspection

An incident is a failure of one unit and symptom with none of its kind within the 60 minutes before it; a failure
within 60 minutes of the one before it belongs to the same incident, whose time is that of its first failure.
An incident at t counts in [t, t + 30 days). An episode lasts while at least 3 incidents of the unit count.

Usage: episodes.py LOG.csv
Prints unit,starts_at_ms,ends_at_ms for each episode, by unit and start; counts go to standard error.
"""

import csv
import sys
from collections import defaultdict
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MILLISECOND = timedelta(milliseconds=1)
MERGE = 60 * 60 * 1000
WINDOW = 30 * 24 * 60 * 60 * 1000
THRESHOLD = 3
NOT_INSPECTED = {"ON", "OFF", "REHAB"}


def read(path):
    """The rows of each unit as (time in ms, category, symptom), in order of time; parts of a ms are cut off."""
    units = defaultdict(list)
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            time = (datetime.fromisoformat(row["time"]) - EPOCH) // MILLISECOND
            units[row["unit"]].append((time, row["category"], row["symptom"].strip()[:64]))
    for rows in units.values():
        # Of one moment, what changes the circumstances comes before what happens in them.
        rows.sort(key=lambda row: (row[0], row[1] == "BROKEN"))
    return units


def failures(rows):
    """(time, symptom) of each failure that counts, and how many do not."""
    inspected, counted, excluded = False, [], 0
    for time, category, symptom in rows:
        if category == "BROKEN":
            if inspected:
                excluded += 1
            else:
                counted.append((time, symptom))
        elif category == "INSPECTION":
            inspected = True
        elif category in NOT_INSPECTED:
            inspected = False
        else:
            sys.exit(f"unknown category {category!r}")
    return counted, excluded


def incidents(failed):
    """The times of the incidents, ascending."""
    last, times = {}, []
    for time, symptom in failed:
        if symptom not in last or time - last[symptom] > MERGE:
            times.append(time)
        last[symptom] = time
    return times


def episodes(times):
    """(start, end) of each stretch in which enough incidents count."""
    found, start = [], None
    for moment in sorted({time + shift for time in times for shift in (0, WINDOW)}):
        holds = sum(time <= moment < time + WINDOW for time in times) >= THRESHOLD
        if holds and start is None:
            start = moment
        elif not holds and start is not None:
            found.append((start, moment))
            start = None
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    units = read(sys.argv[1])
    rows = failed = left_out = happened = told = 0
    for unit in sorted(units):
        counted, excluded = failures(units[unit])
        times = incidents(counted)
        rows += len(units[unit])
        failed += len(counted)
        left_out += excluded
        happened += len(times)
        for start, end in episodes(times):
            told += 1
            print(f"{unit},{start},{end}")
    print(
        f"{rows} rows of {len(units)} units: {failed} failures that count and {left_out} under inspection, "
        f"{happened} incidents, {told} episodes",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
