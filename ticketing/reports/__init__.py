"""Reports about finished work: the facts that stand in them, who asked for them, what was written."""
