"""Ways in: telephone and mail, and the files that come with them."""
