"""Forecasts: hours by skill and parts by week, staffing gaps, and how well the forecast does on the past."""
