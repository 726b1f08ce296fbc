select
    organization_identifier,
    distribution_state,
    distribution_process,
    distribution_status,
    count(*) as events,
    min(event_scheduled_start) as earliest_start,
    max(event_scheduled_start) as latest_start,
    min(distribution_expected) as expected_earliest,
    median(lead_days) as median_lead_days,
    median(days_shipped_late) as median_days_shipped_late,
    count(*) filter (days_shipped_late > 0) as shipped_late,
    count(*) filter (return_overdue) as returns_overdue,
    max(status_age_days) as oldest_status_age_days,
    any_value(as_of) as as_of
from {{ ref('distribution_by_event') }}
group by all
