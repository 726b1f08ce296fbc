"""An analyst without pause, as a process: opens the snapshot anew, and asks whether it agrees.

Run with the snapshot's path and that of a file which, once it is there, ends the reading. Tells how
often it read, and which versions, as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import duckdb

READY = "ready"

# Each question has an empty answer where marts and raw tables agree.
QUESTIONS = {
    "an event without its mart row, or twice": """
        SELECT organization, count(*) AS events FROM raw.events GROUP BY ALL
        EXCEPT SELECT organization, count(*) FROM marts.capacity_by_event GROUP BY ALL
    """,
    "a mart row without its event": """
        FROM marts.capacity_by_event ANTI JOIN raw.events USING (organization, event_identifier)
    """,
    "a month that is not the sum of its events": """
        SELECT organization, sum(events + events_cancelled) FROM marts.capacity_utilization
        GROUP BY ALL EXCEPT SELECT organization, count(*) FROM raw.events GROUP BY ALL
    """,
    "a mart of another collection": """
        SELECT organization, as_of FROM marts.capacity_by_event
        UNION SELECT organization, as_of FROM marts.distribution_by_event
        EXCEPT SELECT organization, max(started_at) FROM raw.collections
        WHERE resource = 'events' AND status = 'complete' GROUP BY ALL
    """,
    "seats of other registrations": """
        SELECT organization,
            sum(seats_confirmed + seats_invited + seats_waitlisted + seats_other) AS seats
        FROM marts.capacity_by_event GROUP BY ALL
        EXCEPT SELECT organization, count(*) FROM raw.registrations
        JOIN raw.events USING (organization, event_identifier)
        WHERE lower(trim(attendance_status)) IS DISTINCT FROM 'withdrawn/cancelled'
        AND lower(trim(coalesce(approval_status, '')))
            NOT IN ('moved', 'invitation expired', 'invitation declined', 'not eligible')
        OR lower(trim(attendance_status)) IS DISTINCT FROM 'withdrawn/cancelled'
        AND lower(trim(event_type)) = 'exam' AND lower(trim(approval_status)) = 'not eligible'
        AND lower(trim(eligibility_status)) LIKE 'eligible%'
        GROUP BY ALL
    """,
    "a slice of two collections": """
        SELECT organization FROM raw.events GROUP BY ALL HAVING count(DISTINCT collected_at) > 1
    """,
}


def disagreements(path: str) -> list[str]:
    """The questions that have an answer, in a version of the snapshot."""
    with duckdb.connect(path, read_only=True) as con:
        return [what for what, query in QUESTIONS.items() if con.execute(query).fetchall()]


def main() -> None:
    """Reads until it is told to stop, or until something does not agree."""
    snapshot, stop = sys.argv[1:]
    # Readers that never pause would take the processors from those whom they watch.
    os.nice(10)
    reads, versions = 0, set()
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    while not Path(stop).exists():
        version = os.path.realpath(snapshot)
        if wrong := disagreements(version):
            sys.exit(f"{version}: {wrong}")
        reads += 1
        versions.add(Path(version).parent.name)
    sys.stdout.write(f"{json.dumps({'reads': reads, 'versions': sorted(versions)})}\n")


if __name__ == "__main__":
    main()
