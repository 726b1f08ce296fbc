with events as (
    select
        *,
        lifecycle_status != 'Cancelled' as active,
        lifecycle_status in ('Published', 'In Progress', 'Completed') as published,
        capacity_maximum is not null as limited
    from {{ ref('capacity_by_event') }}
),

figures as (
    select
        organization_identifier,
        date_trunc('month', local_date)::date as month,
        event_type,
        venue_location_identifier,
        count(*) filter (active) as events,
        count(*) filter (not active) as events_cancelled,
        count(*) filter (active and not limited) as events_unlimited,
        coalesce(sum(capacity_maximum) filter (active), 0) as seats_offered,
        coalesce(sum(capacity_minimum) filter (active), 0) as seats_required,
        coalesce(sum(capacity_minimum) filter (active and limited), 0) as seats_required_of_limited,
        coalesce(sum(capacity_maximum) filter (published), 0) as seats_published,
        count(*) filter (active and seats_taken is null) as events_unknown,
        coalesce(sum(capacity_maximum) filter (active and seats_taken is not null), 0)
            as seats_offered_known,
        {% if env_var('PEER_REGISTRATIONS') == 'true' %}
        coalesce(sum(seats_taken) filter (active and limited), 0) as seats_taken,
        coalesce(sum(seats_taken) filter (active and not limited), 0) as seats_taken_unlimited,
        coalesce(sum(seats_waitlisted) filter (active), 0) as seats_waitlisted,
        {% for word in ('Under', 'Over', 'Full', 'Empty', 'Open') %}
        count(*) filter (active and availability = '{{ word }}') as events_{{ word | lower }},
        {% endfor %}
        {% else %}
        {% for column in (
            'seats_taken', 'seats_taken_unlimited', 'seats_waitlisted',
            'events_under', 'events_over', 'events_full', 'events_empty', 'events_open',
        ) %}
        null::bigint as {{ column }},
        {% endfor %}
        {% endif %}
        any_value(as_of) as as_of
    from events
    group by all
)

select
    * exclude (seats_required_of_limited),
    seats_taken / nullif(seats_offered_known, 0) as utilization,
    seats_required_of_limited / nullif(seats_offered, 0) as minimum_fill
from figures
