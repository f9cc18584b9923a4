"""Pages over twelve months of planned work that `forewarn bench plan` asks for, as a planner, through the API."""

from __future__ import annotations

# Name and address. Filled in: {today}, {month_on}, {year_on} (days), {plan_id}, {asset_id}, {site_id}.
PAGES: tuple[tuple[str, str], ...] = (
    ("calendar_month", "/api/v1/occurrences/days?from={today}&until={month_on}"),
    ("list_12_months", "/api/v1/occurrences?from={today}&until={year_on}&limit=100"),
    ("list_of_a_site", "/api/v1/occurrences?from={today}&until={year_on}&site_id={site_id}&limit=100"),
    ("list_of_a_plan", "/api/v1/occurrences?from={today}&until={year_on}&plan_id={plan_id}&limit=100"),
    ("plans", "/api/v1/maintenance-plans?limit=100"),
    ("twelve_months_by_skill", "/api/v1/planning/year?from={today}&weeks=53"),
    ("twelve_months_by_site", "/api/v1/planning/year?from={today}&weeks=53&by=site"),
    ("work_of_a_week", "/api/v1/planning/year/rows?week={month_on}"),
    ("forecast_12_months", "/api/v1/forecasts/hours?weeks=53"),
    ("forecast_parts", "/api/v1/forecasts/parts?weeks=53"),
    ("forecast_of_a_week", "/api/v1/forecasts/rows?week={month_on}"),
    ("machines_of_a_plan", "/api/v1/maintenance-plans/{plan_id}/machines?limit=100"),
)
