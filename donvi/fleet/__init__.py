"""The driver of many stacks; for now, healing the lock that a dead run left behind."""
