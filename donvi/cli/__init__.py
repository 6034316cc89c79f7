"""The donvi command: model, call, renderer; one file per verb."""
