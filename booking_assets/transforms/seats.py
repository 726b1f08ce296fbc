"""What a registration does to its event's seats, by the words of the event's type.

Seats by event are counted in `capacity`, attendance in `attendance`.
"""

from __future__ import annotations

import polars as pl

from booking_assets.transforms.rules import equals_ignoring_case, first_match, normalized

KEY: tuple[str, ...] = ("organization", "event_identifier")

REGISTRATION_COLUMNS: tuple[str, ...] = (
    *KEY,
    "approval_status",
    "attendance_status",
    "eligibility_status",
)
"""The columns of `raw.registrations` that `with_seat` reads."""

WITHDRAWN = "withdrawn/cancelled"
_LEFT = ("moved", "invitation expired", "invitation declined")


def with_seat(registrations: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """The registrations of these events, with what each does to the event's seats.

    What a person did (withdrew, was invited, waits, left) comes before an exam's eligibility. For
    an exam, a blank approval is pending.

    Args:
        registrations: Rows of `raw.registrations`.
        events: organization, event_identifier and event_type, one row an event.

    Returns:
        The key of the event; `seat`: confirmed, invited, waitlisted or other, null where the
        registration does not count; `attendance`, in lower case.
    """
    kinds = events.select(
        KEY,
        is_exam=equals_ignoring_case("event_type", "Exam"),
        is_appointment=equals_ignoring_case("event_type", "Appointment"),
    )
    approval = pl.col("approval")
    is_registered = approval == "registered"
    is_eligible = approval.str.starts_with("eligible") | pl.col("eligibility").str.starts_with(
        "eligible"
    )
    is_scheduled = pl.col("is_appointment") & (approval == "scheduled")
    return (
        registrations.select(REGISTRATION_COLUMNS)
        .join(kinds, on=KEY, how="inner", validate="m:1")
        .with_columns(
            approval=normalized("approval_status").fill_null(""),
            eligibility=normalized("eligibility_status"),
            attendance=normalized("attendance_status"),
        )
        .select(
            *KEY,
            "attendance",
            seat=first_match(
                (pl.col("attendance") == WITHDRAWN, None),
                (approval == "invitation sent", "invited"),
                (approval == "waitlisted", "waitlisted"),
                (approval.is_in(_LEFT), None),
                (is_registered | (pl.col("is_exam") & is_eligible), "confirmed"),
                (~pl.col("is_exam") & ((approval == "") | is_scheduled), "confirmed"),
                (approval == "not eligible", None),
                otherwise="other",
            ),
        )
    )
