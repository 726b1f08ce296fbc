with events as (
    select
        *,
        event_scheduled_start::timestamptz as starts,
        lower(trim(event_type)) is not distinct from 'exam' as is_exam,
        coalesce(lower(trim(event_format)), '') as format,
        lower(trim(exam_type)) as kind,
        timestamptz '{{ run_started_at }}' as as_of
    from {{ source('raw', 'events') }}
    where
        (is_exam and format = 'paper')
        or coalesce(
            distribution_code, distribution_errors, distribution_process, distribution_status,
            exam_material_return_shipment_code, exam_material_return_shipment_condition
        ) is not null
        or coalesce(
            distribution_expected, distribution_ordered, distribution_shipped,
            distribution_tracked, exam_material_return_shipment_received
        ) is not null
),

states as (
    select
        *,
        case
            when lower(trim(event_scheduling_status)) = 'cancelled' then 'Cancelled'
            when not is_exam or format = 'online' then 'Not Applicable'
            when integration_withhold_distribution and distribution_ordered is null then 'Withheld'
            when lower(trim(distribution_code)) = 'error'
                or lower(trim(distribution_status)) = 'error'
                or trim(distribution_errors) != '' then 'Failed'
            when distribution_shipped is not null then 'Shipped'
            when distribution_ordered is not null then 'Ordered'
            when distribution_expected < as_of then 'Overdue'
            when distribution_expected is not null then 'Planned'
            else 'Unplanned'
        end as state,
        case
            when state in ('Cancelled', 'Not Applicable') or starts > as_of then 'Not Required'
            when exam_material_return_shipment_received is null then 'Not Returned'
            when lower(trim(exam_material_return_shipment_condition)) = 'partial'
                then 'Partially Returned'
            else 'Fully Returned'
        end as return_state,
        case
            when kind in ('class', 'sitting') or contains(kind, 'arc') then starts + interval 336 hours
            when starts_with(kind, 'individual (') then starts + interval 1440 hours
        end as return_due
    from events
)

select
    organization_identifier,
    event_identifier,
    event_number,
    event_title,
    exam_type,
    event_format,
    starts as event_scheduled_start,
    venue_location_identifier,
    coalesce(distribution_process, 'Standard') as distribution_process,
    distribution_status,
    distribution_code,
    distribution_expected,
    distribution_ordered,
    distribution_shipped,
    distribution_tracked,
    state as distribution_state,
    {{ days('as_of', 'distribution_expected') }} as days_until_expected,
    {{ days('distribution_expected', 'distribution_shipped') }} as days_shipped_late,
    {{ days('distribution_ordered', 'starts') }} as lead_days,
    {{ days('distribution_tracked', 'as_of') }} as status_age_days,
    return_state,
    return_due,
    coalesce(return_state in ('Not Returned', 'Partially Returned') and return_due < as_of, false)
        as return_overdue,
    as_of
from states
