"""A system that notices when a data endpoint fails and gives its callers a truthful answer anyway."""
