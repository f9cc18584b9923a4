"""Mail: taken from mailboxes and mail servers, and answers sent."""
