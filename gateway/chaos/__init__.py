"""Break everything at random while agents measure, and prove that every sample has exactly one row."""
