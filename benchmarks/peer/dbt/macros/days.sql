{% macro days(since, until) %}date_diff('microsecond', {{ since }}, {{ until }}) / 86400000000{% endmacro %}
