"""Use cases. Each takes a :class:`~booking.services.work.Work` (session, actor, time) and flushes, never commits."""
