"""Parts and tools: an append-only double-entry ledger, and what people do with it."""
