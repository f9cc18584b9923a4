"""The phone's operation log: what was done in the field, once, in its order, whenever it arrives."""
