"""People at work, over HTTP."""
