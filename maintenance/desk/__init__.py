"""The planner's desk: what waiting costs, decisions that can be taken back, groups, the year ahead, what-if."""
