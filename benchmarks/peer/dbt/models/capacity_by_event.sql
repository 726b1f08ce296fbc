{% set knows_seats = env_var('PEER_REGISTRATIONS') == 'true' %}
with events as (
    select
        *,
        nullif(greatest(capacity_minimum, 0), 0)::integer as minimum,
        nullif(greatest(capacity_maximum, 0), 0)::integer as maximum,
        event_scheduled_start::timestamptz as starts,
        timestamptz '{{ run_started_at }}' as as_of
    from {{ source('raw', 'events') }}
),

{% if knows_seats %}
words as (
    select
        registrations.event_identifier,
        lower(trim(event_type)) is not distinct from 'exam' as is_exam,
        lower(trim(event_type)) is not distinct from 'appointment' as is_appointment,
        coalesce(lower(trim(registrations.approval_status)), '') as approval,
        coalesce(lower(trim(registrations.eligibility_status)), '') as eligibility,
        coalesce(lower(trim(registrations.attendance_status)), '') as attendance
    from {{ source('raw', 'registrations') }} as registrations
    join events using (event_identifier)
),

places as (
    select
        event_identifier,
        case
            when attendance = 'withdrawn/cancelled' then null
            when approval = 'invitation sent' then 'invited'
            when approval = 'waitlisted' then 'waitlisted'
            when approval in ('moved', 'invitation expired', 'invitation declined') then null
            when approval = 'registered' then 'confirmed'
            when is_exam and (approval like 'eligible%' or eligibility like 'eligible%') then 'confirmed'
            when not is_exam and approval = '' then 'confirmed'
            when is_appointment and approval = 'scheduled' then 'confirmed'
            when approval = 'not eligible' then null
            else 'other'
        end as place
    from words
),

seats as (
    select
        event_identifier,
        count(*) filter (place = 'confirmed') as seats_confirmed,
        count(*) filter (place = 'invited') as seats_invited,
        count(*) filter (place = 'waitlisted') as seats_waitlisted,
        count(*) filter (place = 'other') as seats_other
    from places
    group by event_identifier
),
{% endif %}

counted as (
    select
        events.*,
        {% for column in ('seats_confirmed', 'seats_invited', 'seats_waitlisted', 'seats_other') %}
        {{ 'coalesce(' ~ column ~ ', 0)' if knows_seats else 'null::bigint' }} as {{ column }},
        {% endfor %}
        {{ 'coalesce(seats_confirmed + seats_invited, 0)' if knows_seats else 'null::bigint' }}
            as seats_taken,
        case
            when lower(trim(event_scheduling_status)) = 'cancelled' then 'Cancelled'
            when event_scheduled_end <= as_of then 'Completed'
            when starts <= as_of then 'In Progress'
            when lower(trim(event_publication_status)) = 'published' then 'Published'
            else 'Drafted'
        end as lifecycle_status
    from events
    {% if knows_seats %}left join seats using (event_identifier){% endif %}
)

select
    organization_identifier,
    event_identifier,
    event_number,
    event_title,
    event_type,
    event_class_code,
    event_format,
    achievement_identifier,
    venue_location_identifier,
    venue_room,
    starts as event_scheduled_start,
    event_scheduled_end,
    -- Local as written: the text begins with the date at the venue.
    left(event_scheduled_start, 10)::date as local_date,
    lifecycle_status,
    minimum as capacity_minimum,
    maximum as capacity_maximum,
    seats_confirmed,
    seats_invited,
    seats_waitlisted,
    seats_other,
    seats_taken,
    case when seats_taken < maximum then maximum - seats_taken when maximum <= seats_taken then 0 end
        as seats_available,
    seats_taken / maximum as utilization,
    case
        when registration_locked is not null then 'Full'
        when seats_taken is null then null
        when seats_taken < minimum then 'Under'
        when seats_taken > maximum then 'Over'
        when seats_taken = maximum then 'Full'
        when seats_taken = 0 then 'Empty'
        else 'Open'
    end as availability,
    seats_taken < coalesce(minimum, 0) as is_below_minimum,
    registration_locked is not null as is_locked,
    registration_start,
    registration_deadline,
    case
        when lifecycle_status != 'Published' then 'Closed'
        when registration_locked is not null then 'Locked'
        when registration_start > as_of then 'Not Open'
        when coalesce(registration_deadline, starts) <= as_of then 'Closed'
        else 'Open'
    end as registration_state,
    as_of
from counted
