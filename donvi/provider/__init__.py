"""The native Pulumi provider: handlers per resource token, the engine's quirks in one adapter, the typed resources."""
