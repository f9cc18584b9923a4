"""Finding things by serial number, name, customer and text in two languages; saved filters."""
