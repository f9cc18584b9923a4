"""The model store: immutable artefacts with their cards, champions, challengers and what they noticed."""
