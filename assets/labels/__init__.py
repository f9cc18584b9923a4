"""QR labels: codes that lead to an asset's page, printed beforehand or for an asset, signed and revocable."""
