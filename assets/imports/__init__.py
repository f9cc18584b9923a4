"""Import and export of lists: a table file in, checked and stored by sets of rows; the same columns out."""
