"""Solvers behind one Protocol, each run in a process of its own: one file and one line in `base.SOLVERS` per solver."""
