"""What every script and stage is made of: command line, settings, files whole or not at all, locks, jobs."""
