"""Standard procedures and checklists: versioned steps, kept with the work as they were, and their answers."""
