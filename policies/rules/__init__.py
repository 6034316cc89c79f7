"""The rules, one file per subject; ``policies.register`` lists them all."""
