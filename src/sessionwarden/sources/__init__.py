"""Log lines and delivery envelopes in, events out; what cannot be believed is a `SourceError`.

Every reader takes hostile text and the present as an argument, and either returns an `Event` whose
fields rules may trust as documented, or raises with a short constant reason. See
docs/reference/log-formats.md.
"""
