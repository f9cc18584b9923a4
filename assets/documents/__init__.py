"""Documents of asset models and of single assets: revisions of files, kept by their content."""
