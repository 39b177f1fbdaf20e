"""Programs for people who work on Olivegrove: checks, generators, measurements."""
