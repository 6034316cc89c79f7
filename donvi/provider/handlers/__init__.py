"""One module per subject, one handler class per resource token; imported when the subject's first token is asked for.

In goes what translates between a resource's inputs and a backend's plain calls. Talking to a server belongs in
``donvi.backends``, anything about the engine in ``donvi.provider.adapter``.
"""
