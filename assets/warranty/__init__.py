"""Warranty: terms as data, the verdict on each line of an order, cards, replaced parts, overrides."""
