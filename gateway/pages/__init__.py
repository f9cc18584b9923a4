"""Pages that the server renders itself: the customer's page behind a QR label."""
