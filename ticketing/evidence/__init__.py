"""Evidence of work: photos as they were taken, shrunk pictures of them, drawn signatures."""
