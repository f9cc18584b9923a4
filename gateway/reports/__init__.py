"""Reports as files: fonts, words, templates, and where they go."""
