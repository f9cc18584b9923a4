"""The golden table of warranty verdicts, and what it is written in."""
