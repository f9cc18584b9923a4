"""Service contracts: what they include, and the ledger of what was used."""
