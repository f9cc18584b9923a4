"""Erase what identifies a person or a customer, wherever it stands; what was done stays, under a pseudonym."""
