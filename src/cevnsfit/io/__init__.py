"""Formats in and out: tables, official releases, stored results, exports."""
