"""Planning: read the database into a problem, solve it, check the plan, write offers and prices.

Empty on purpose: ``prices`` is read by web processes, which must never load numpy or OR-Tools, so nothing
heavy may be imported here. ``run`` is where to start reading.
"""
